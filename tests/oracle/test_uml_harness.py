from __future__ import annotations

import contextlib
import hashlib
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from uml import RealMd, ScriptFailedError, missing_packages

MIB = 1 << 20


def make_images(directory: Path, count: int, size: int = 8 * MIB) -> list[Path]:
    images = [directory / f"disk{slot}.img" for slot in range(count)]
    for image in images:
        image.touch()
        os.truncate(image, size)
    return images


def processes_holding(path: Path) -> list[Path]:
    """List the open descriptors on `path`, as /proc/PID/fd/N."""
    found = []
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):  # It was closed since, or is another user's.
            if descriptor.readlink() == path:
                found.append(descriptor)
    return found


def test_array_written_in_the_guest_reads_back_in_the_next_boot(real_md, tmp_path):
    images = make_images(tmp_path, 5)
    pattern = random.Random(1).randbytes(3 * MIB)
    (tmp_path / "pattern").write_bytes(pattern)
    real_md.run(
        images,
        f"""
        mdadm --create /dev/md0 --run --assume-clean --level=6 --raid-devices=5 --chunk=64 \
            /dev/ubd[a-e]
        dd if={tmp_path}/pattern of=/dev/md0 bs=1M oflag=direct
        """,
    )
    run = real_md.run(
        images,
        f"""
        mdadm --assemble /dev/md0 /dev/ubd[a-e]
        section mdstat
        cat /proc/mdstat
        section sum
        head -c {len(pattern)} /dev/md0 | sha256sum
        dd if=/dev/md0 of={tmp_path}/content bs=1M count=3
        """,
    )
    assert "[5/5] [UUUUU]" in run.sections["mdstat"]
    assert run.sections["sum"].split()[0] == hashlib.sha256(pattern).hexdigest()
    assert (tmp_path / "content").read_bytes() == pattern


def test_twelve_images_are_ubda_to_ubdl(real_md, tmp_path):
    images = make_images(tmp_path, 12)
    for slot, image in enumerate(images):
        with image.open("r+b") as file:
            file.write(b"%04d" % slot)
    run = real_md.run(images, "for d in /dev/ubd[a-l]; do head -c 4 $d; echo; done")
    assert run.output.split() == [f"{slot:04}" for slot in range(12)]


def test_more_images_than_drives_are_refused(tmp_path):
    with pytest.raises(ValueError, match="17 images"):
        RealMd(make_images(tmp_path, 17), "true")


def test_output_is_the_scripts_alone_and_console_the_kernels(real_md):
    run = real_md.run([], "echo out; echo error >&2; echo noise >/dev/kmsg")
    assert run.output == "out\nerror\n"
    assert "noise" in run.console


def test_sections_split_the_output_by_name(real_md):
    run = real_md.run([], "echo before; section a; echo 1; echo 2; section b c; section d; echo 3")
    assert run.sections == {"a": "1\n2\n", "b c": "", "d": "3\n"}


def test_failing_script_is_stopped_and_reported(real_md):
    with pytest.raises(ScriptFailedError, match="status 7") as failure:
        real_md.run([], "echo begun\n(exit 7) | cat\necho not-reached")
    assert "begun" in str(failure.value)
    assert "line 2: status 7: " in str(failure.value)
    assert "\nnot-reached" not in str(failure.value)


def test_status_and_output_of_a_failing_script_are_returned_unchecked(real_md):
    run = real_md.run([], "echo begun; false; echo not-reached", check=False)
    assert run.status == 1
    assert run.output.splitlines()[0] == "begun"


def test_script_that_does_not_end_is_killed_with_all_its_processes(real_md, tmp_path):
    images = make_images(tmp_path, 1)
    with pytest.raises(TimeoutError, match=r"(?s)after 8 s.*begun"):
        real_md.run(images, "echo begun; sleep 1000 </dev/ubda & wait", timeout_s=8)
    assert processes_holding(images[0]) == []


def test_dead_kernel_is_reported(real_md):
    with pytest.raises(ScriptFailedError, match="status None"):
        real_md.run([], "echo c >/proc/sysrq-trigger; sleep 100")


def test_wait_for_returns_while_the_script_goes_on_and_kill_ends_it(real_md, tmp_path):
    images = make_images(tmp_path, 1)
    script = "exec 3>/dev/ubda; echo ready; while :; do dd if=/dev/zero of=/dev/ubda; done"
    with real_md(images, script) as md:
        md.wait_for("ready")
        assert processes_holding(images[0])
        md.kill()
        before = images[0].stat().st_mtime_ns
        time.sleep(0.1)
        assert images[0].stat().st_mtime_ns == before
        assert processes_holding(images[0]) == []


def test_wait_for_reports_an_end_without_the_text(real_md):
    with real_md([], "echo other") as md, pytest.raises(ScriptFailedError, match="without 'ready'"):
        md.wait_for("ready")


def test_scratch_directory_is_removed(real_md, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    real_md.run([], "true")
    assert list(tmp_path.iterdir()) == []


def test_temporary_directory_that_the_guest_covers_is_not_used(real_md, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/dev/shm")  # noqa: S108  named, not written to
    assert real_md.run([], "echo ran").output == "ran\n"


def test_machines_run_side_by_side(real_md):
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda name: real_md.run([], f"echo {name}"), "abc"))
    assert [run.output for run in runs] == ["a\n", "b\n", "c\n"]


def test_missing_programs_are_named_by_their_debian_package(monkeypatch):
    monkeypatch.setattr("uml._PATH", "/nowhere")
    assert missing_packages() == ["user-mode-linux", "mdadm", "kmod", "dmsetup"]
