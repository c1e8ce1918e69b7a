from __future__ import annotations

import json
import os
import pty
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from raidsim.array import Array
from raidsim.cli import COMMANDS, raidsim

SMALL = "--chunk 64K --size 4M"


@pytest.fixture
def content(tmp_path):
    """A file of half a MiB and a bit, and what is in it."""
    content = random.Random(1).randbytes(600_001)
    (tmp_path / "content").write_bytes(content)
    return content


# -- create, assemble -----------------------------------------------------------------------------


def test_create_makes_the_images_it_is_not_given(done, tmp_path):
    assert done(f"create arr --level 6 --raid-devices 5 --spare-devices 1 {SMALL}") == (
        "arr: started\n"
    )
    images = sorted((tmp_path / "arr").glob("*.img"))
    assert [image.name for image in images] == [f"disk{number}.img" for number in range(6)]
    assert {image.stat().st_size for image in images} == {4 << 20}


def test_made_images_are_in_sync_at_once(done):
    done(f"create arr --level 6 --raid-devices 5 {SMALL}")
    assert done("rebuild arr") == "arr: nothing to rebuild\n"
    assert json.loads(done("detail arr --json"))["sync_pending"] is False


def test_made_images_are_64m_by_default(done, tmp_path):
    done("create arr --level 5 --raid-devices 3")
    assert (tmp_path / "arr/disk0.img").stat().st_size == 64 << 20
    assert json.loads(done("detail arr --json"))["chunk_size_bytes"] == 512 << 10


@pytest.mark.parametrize(
    ("level", "layout"), [(4, "parity-last"), (5, "left-symmetric"), (6, "left-symmetric")]
)
def test_default_layout_is_the_levels_own(level, layout, done):
    done(f"create arr --level {level} --raid-devices 4 {SMALL}")
    assert json.loads(done("detail arr --json"))["layout"] == layout


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_metadata_version_is_chosen(version, done):
    done(f"create arr --level 5 --raid-devices 3 --metadata {version} {SMALL}")
    assert json.loads(done("detail arr --json"))["metadata"] == version


def _make_images(tmp_path, names, size_bytes=4 << 20):
    for name in names:
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, size_bytes)


def test_given_images_are_resynced_unless_assumed_clean(done, tmp_path):
    _make_images(tmp_path, "abcd")
    assert done("create arr --level 6 --raid-devices 4 --chunk 64K a b c d") == (
        "arr: started\narr: resync is pending; `raidsim rebuild arr` runs it\n"
    )
    assert done("rebuild arr") == "arr: resync done\n"
    _make_images(tmp_path, "efgh")
    assert done("create clean --level 6 -n 4 --chunk 64K --assume-clean e f g h") == (
        "clean: started\n"
    )


def test_size_is_what_is_used_of_given_images(done, tmp_path):
    _make_images(tmp_path, "abc")
    done("create arr --level 5 --raid-devices 3 --chunk 64K --size 1M --assume-clean a b c")
    facts = json.loads(done("detail arr --json"))
    assert facts["used_dev_size_bytes"] == 1 << 20
    assert (tmp_path / "a").stat().st_size == 4 << 20


def test_members_may_be_missing(done, tmp_path):
    _make_images(tmp_path, "abc")
    done("create arr --level 5 --raid-devices 4 --chunk 64K a missing b c")
    assert json.loads(done("detail arr --json"))["state"] == "clean, degraded"


def test_assemble_takes_members_in_any_order(done, tmp_path):
    done(f"create arr --level 5 --raid-devices 4 {SMALL}")
    (tmp_path / "arr/array.json").unlink()
    images = "arr/disk3.img arr/disk0.img arr/disk2.img arr/disk1.img"
    assert done(f"assemble other {images}") == "other: started with 4 drives\n"
    assert done("check other") == "other: check done, mismatch_cnt 0 sectors\n"


def test_assemble_counts_drives_as_mdadm_does(done):
    done(f"create arr --level 6 --raid-devices 4 --spare-devices 1 {SMALL}")
    images = "arr/disk0.img arr/disk1.img arr/disk2.img arr/disk4.img"
    assert done(f"assemble arr {images}") == (
        "arr: started with 3 drives (out of 4) and 1 spare\n"
        "arr: recovery is pending; `raidsim rebuild arr` runs it\n"
    )


# -- write, read ----------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0, 1, 65536, 1_000_003])
def test_what_is_written_is_read_back(offset, done, content, tmp_path):
    done(f"create arr --level 6 --raid-devices 5 {SMALL}")
    assert done(f"write arr content --offset {offset}") == (
        f"arr: wrote {len(content)} bytes at {offset}\n"
    )
    done(f"read arr --offset {offset} --length {len(content)} --output back")
    assert (tmp_path / "back").read_bytes() == content


def test_read_takes_the_whole_array_by_default(done, content, tmp_path):
    done(f"create arr --level 5 --raid-devices 3 {SMALL}")
    done("write arr content")
    done("read arr --output back")
    size = json.loads(done("detail arr --json"))["array_size_bytes"]
    assert (tmp_path / "back").read_bytes() == content.ljust(size, b"\0")


def _raidsim(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "raidsim", *arguments], capture_output=True, check=False, **options
    )


def test_bytes_flow_through_pipes(done, content, tmp_path):
    done(f"create arr --level 5 --raid-devices 3 {SMALL}")
    written = _raidsim("write", "arr", cwd=tmp_path, input=content)
    assert written.stdout == b"arr: wrote 600001 bytes at 0\n"
    read = _raidsim("read", "arr", "--length", "600001", cwd=tmp_path)
    assert (read.stdout, read.stderr) == (content, b"")


def test_pipe_that_holds_too_much_is_written_up_to_the_end(done, tmp_path):
    done(f"create arr --level 5 --raid-devices 3 {SMALL}")
    size = json.loads(done("detail arr --json"))["array_size_bytes"]
    written = _raidsim("write", "arr", "-", cwd=tmp_path, input=b"x" * (size + 1))
    assert written.returncode == 2
    assert written.stderr.decode() == (
        f"raidsim: <stdin>: more input than the array has room for; {size} bytes were written, up"
        " to its end\n"
    )
    assert json.loads(done("detail arr --json"))["sync_pending"] is False  # it was left clean


def test_pipe_that_fits_exactly_is_no_error(done, tmp_path):
    done(f"create arr --level 5 --raid-devices 3 {SMALL}")
    size = json.loads(done("detail arr --json"))["array_size_bytes"]
    assert _raidsim("write", "arr", "-", cwd=tmp_path, input=b"x" * size).returncode == 0


def test_reader_that_goes_away_is_no_error_message(done, tmp_path):
    done("create arr --level 5 --raid-devices 3")
    command = f"{sys.executable} -m raidsim read arr | head -c 5 | wc -c"
    shell = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, capture_output=True, check=True, text=True
    )
    assert (shell.stdout.strip(), shell.stderr) == ("5", "")


# -- members --------------------------------------------------------------------------------------


@pytest.mark.parametrize("disk", ["1", "disk1.img", "arr/disk1.img"])
def test_disk_is_a_slot_a_name_or_a_path(disk, cli, done):
    done(f"create arr --level 5 --raid-devices 3 {SMALL}")
    failed = cli(f"fail arr {disk}")
    assert (failed.status, failed.out) == (0, f"arr: set {disk} faulty\n")
    assert json.loads(done("detail arr --json"))["members"][1]["state"] == "faulty"


def test_two_lost_members_are_rebuilt(cli, done, content, tmp_path):
    done(f"create arr --level 6 --raid-devices 5 {SMALL}")
    done("write arr content")
    cli("fail arr 1")
    cli("fail arr 3")
    done(f"read arr --length {len(content)} --output degraded")
    assert (tmp_path / "degraded").read_bytes() == content
    assert done("remove arr disk1.img") == "arr: removed disk1.img\n"
    assert done("add arr new1") == (
        "arr: added new1\narr: recovery is pending; `raidsim rebuild arr` runs it\n"
    )
    done("add arr new3")
    assert done("rebuild arr") == "arr: recovery done\n"
    assert done("check arr") == "arr: check done, mismatch_cnt 0 sectors\n"
    done(f"read arr --length {len(content)} --output rebuilt")
    assert (tmp_path / "rebuilt").read_bytes() == content


def test_rebuild_tells_that_a_member_is_missing(cli, done):
    done(f"create arr --level 5 --raid-devices 3 {SMALL}")
    cli("fail arr 0")
    assert done("rebuild arr") == (
        "arr: nothing to rebuild; 1 member is missing: add one with `raidsim add`\n"
    )


def test_rebuild_prints_json(done, tmp_path):
    _make_images(tmp_path, "abcd")
    done("create arr --level 6 --raid-devices 4 --chunk 64K a b c d")
    assert json.loads(done("rebuild arr --json")) == {
        "array": "arr",
        "actions": [{"action": "resync", "interrupted": False, "ended": "done", "sector": 6144}],
        "state": "clean",
    }


def test_member_whose_image_is_gone_can_be_failed(done, content, tmp_path):
    done(f"create arr --level 5 --raid-devices 3 {SMALL}")
    done("write arr content")
    (tmp_path / "arr/disk1.img").unlink()
    assert done("fail arr disk1.img") == (
        "arr: disk1.img cannot be used, the array does without it\n"
    )
    done(f"read arr --length {len(content)} --output back")
    assert (tmp_path / "back").read_bytes() == content


def test_survivors_record_a_lost_image_at_the_next_write(cli, done, tmp_path):
    done(f"create arr --level 5 --raid-devices 3 {SMALL}")
    (tmp_path / "arr/disk1.img").rename(tmp_path / "away")
    done("fail arr disk1.img")
    (tmp_path / "content").write_bytes(bytes(100_000))
    done("write arr content")
    assert json.loads(done("examine arr/disk0.img --json"))[0]["array_state"] == "A.A"
    refused = cli("assemble arr arr/disk0.img away arr/disk2.img")
    assert refused.status == 1
    assert "/away: is stale: " in refused.err


# -- check, repair --------------------------------------------------------------------------------


def _spoil(image):
    with image.open("r+b") as file:
        file.seek((1 << 20) + 5 * 4096)
        file.write(b"\xa5" * 16)


def test_check_counts_mismatches_and_repair_mends_them(cli, done, tmp_path):
    done(f"create arr --level 5 --raid-devices 4 {SMALL}")
    _spoil(tmp_path / "arr/disk0.img")
    found = cli("check arr")
    assert (found.status, found.out) == (1, "arr: check done, mismatch_cnt 8 sectors\n")
    assert done("repair arr") == "arr: repair done, mismatch_cnt 8 sectors\n"
    assert done("check arr") == "arr: check done, mismatch_cnt 0 sectors\n"


def test_check_prints_json(cli, done, tmp_path):
    done(f"create arr --level 5 --raid-devices 3 {SMALL}")
    _spoil(tmp_path / "arr/disk2.img")
    found = cli("check arr --json")
    assert found.status == 1
    assert json.loads(found.out) == {
        "array": "arr",
        "action": "check",
        "mismatch_cnt": 8,
        "scrubbed": True,
        "interrupted": False,
        "ended": "done",
        "sector": 6144,
        "wrong_members": [],
        "several_wrong_pages": 0,
        "unknown_wrong_pages": 1,
    }


@pytest.mark.parametrize("action", ["check", "repair"])
def test_scrub_without_redundancy_tells_that_it_did_nothing(action, cli, done):
    done(f"create arr --level 5 --raid-devices 3 {SMALL}")
    cli("fail arr 0")
    assert done(f"{action} arr") == (
        f"arr: {action} did nothing: a degraded array has no redundancy to check\n"
    )


# -- examine, detail, mdstat ----------------------------------------------------------------------


def test_examine_shows_each_image(done):
    done(f"create arr --level 5 --raid-devices 3 {SMALL}")
    text = done("examine arr/disk0.img arr/disk2.img")
    assert text.startswith("arr/disk0.img:\n          Magic : a92b4efc\n")
    assert "\narr/disk2.img:\n" in text
    assert [facts["device"] for facts in json.loads(done("examine --json arr/disk2.img"))] == [
        "arr/disk2.img"
    ]


def test_examine_shows_what_no_array_is_made_of(cli, done):
    done(f"create arr --level 5 --raid-devices 3 {SMALL}")
    with Path("arr/disk1.img").open("r+b") as image:
        image.seek(4096 + 216)  # the checksum
        image.write(b"\1\2\3\4")
    assert re.search(r"Checksum : 4030201 - expected [0-9a-f]+\n", done("examine arr/disk1.img"))
    assert not json.loads(done("examine --json arr/disk1.img"))[0]["checksum_correct"]
    assert cli("detail arr").status == 1


@pytest.mark.parametrize(
    "command",
    [
        *(f"detail arr {form}" for form in ("", "--json", "--brief", "--export")),
        "mdstat arr",
        "examine arr/disk0.img",
        "examine arr/disk0.img --bitmap",
        "examine arr/disk0.img --badblocks",
    ],
)
def test_who_only_looks_does_without_what_takes_long_to_load(command, done, tmp_path):
    done(f"create arr --level 6 --raid-devices 4 --bitmap internal {SMALL}")
    code = (
        "import sys; from raidsim.cli import run; assert run(sys.argv[1:]) == 0\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    looked = subprocess.run(
        [sys.executable, "-c", code, *command.split()],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert looked.stdout == done(command)
    modules = set(looked.stderr.split())
    assert f"raidsim.cli.{command.split()[0]}" in modules
    unneeded = {
        "numpy",
        "pydantic",
        "rich",
        "asyncio",
        "ssl",
        "raidsim.machine",
        "raidsim.md.mddev",
    }
    assert not unneeded & modules


def test_examine_names_what_is_no_member(cli, done):
    done(f"create arr --level 5 --raid-devices 3 {SMALL}")
    Path("empty").write_bytes(bytes(1 << 20))
    outcome = cli("examine arr/disk0.img empty arr/disk1.img")
    assert (outcome.status, outcome.err) == (1, "raidsim: empty: no md superblock\n")
    assert outcome.out.startswith("arr/disk0.img:\n")


def test_examine_and_detail_have_forms_for_programs(done):
    done(f"create arr --level 5 --raid-devices 3 --spare-devices 1 {SMALL}")
    images = " ".join(f"arr/disk{number}.img" for number in range(4))
    assert done(f"examine --export {images}").count("MD_DEV_UUID=") == 4
    brief = done(f"examine --brief {images}").splitlines()
    assert brief[0].startswith("ARRAY /dev/md/arr  metadata=1.2 UUID=")
    assert brief[1:] == ["   spares=1"]
    assert "MD_DEVICE_dev_disk2_img_ROLE=2\n" in done("detail --export arr")
    assert done("detail --brief arr").startswith("ARRAY arr metadata=1.2 spares=1 name=")


def test_mdstat_shows_each_array_by_its_directorys_name(done):
    done(f"create first --level 5 --raid-devices 3 {SMALL}")
    done(f"create second --level 6 --raid-devices 4 {SMALL}")
    lines = done("mdstat first second").splitlines()
    assert [line.split(" : ")[0] for line in lines[1::3]] == [
        "first",
        "second",
        "unused devices: <none>",
    ]
    assert [facts["array"] for facts in json.loads(done("mdstat --json second first"))] == [
        "second",
        "first",
    ]


def test_detail_shows_a_failed_array(cli, done):
    done(f"create arr --level 5 --raid-devices 3 {SMALL}")
    cli("fail arr 0")
    cli("fail arr 1")
    assert "             State : clean, FAILED \n" in done("detail arr")


def test_detail_shows_an_array_in_use(done):
    done(f"create arr --level 5 --raid-devices 3 {SMALL}")
    with Array.open("arr"):
        assert "             State : clean \n" in done("detail arr")


def test_detail_changes_nothing(done, fingerprint, tmp_path):
    done(f"create arr --level 5 --raid-devices 3 {SMALL}")
    before = fingerprint(tmp_path)
    done("detail arr")
    done("mdstat arr")
    assert fingerprint(tmp_path) == before


# -- the command itself ---------------------------------------------------------------------------


def test_help_lists_every_command_with_its_own_words(done):
    text = done("--help")
    context = raidsim.make_context("raidsim", [], resilient_parsing=True)
    for name, words in COMMANDS.items():
        assert f"{name} " in text
        command = raidsim.get_command(context, name)
        assert command.name == name
        assert words.split()[0] in command.help


def test_help_needs_neither_numpy_nor_rich():
    code = (
        "import sys; from raidsim.cli import run; run(['--help'])\n"
        "sys.exit(any(name in sys.modules for name in ('numpy', 'rich', 'raidsim.array')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_no_bar_means_no_rich(done, tmp_path):
    done(f"create arr --level 5 --raid-devices 3 {SMALL}")
    code = (
        "import sys; from raidsim.cli import run; run(['check', 'arr'])\n"
        "sys.exit('rich' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=tmp_path)


def test_python_dash_m_is_the_command():
    assert _raidsim("--version").stdout.startswith(b"raidsim ")


@pytest.mark.parametrize("command", ["check arr", "write arr input", "read arr --output out"])
def test_long_work_shows_a_bar_on_a_terminal(command, done, tmp_path):
    done(f"create arr --level 5 --raid-devices 3 {SMALL}")
    (tmp_path / "input").write_bytes(bytes(5_000_000))
    ours, terminal = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "raidsim", *command.split()],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
        check=True,
    )
    os.close(terminal)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert command.split()[0] in shown
    assert "100%" in shown
