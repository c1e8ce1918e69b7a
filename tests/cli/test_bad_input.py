"""What cannot be done gets one clear message, and changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from raidsim.array import Array

SMALL = "--chunk 64K --size 4M"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--level 6 --raid-devices 3", "raid6 needs at least 4 raid devices, not 3"),
        ("--level 5 --raid-devices 1", "raid5 needs at least 2 raid devices, not 1"),
        ("--level 5 --raid-devices 200", "at most 128 members, spares included, are supported"),
        ("--level 1 --raid-devices 4", "raid level 1 is not one of 4, 5, 6"),
        (
            "--level 5 --raid-devices 4 --chunk 96K",
            "a chunk is a power of two and at least 4K, not 98304 bytes",
        ),
        (
            "--level 5 --raid-devices 4 --chunk 2K",
            "a chunk is a power of two and at least 4K, not 2048 bytes",
        ),
        (
            "--level 4 --raid-devices 4 --layout left-symmetric",
            "raid4 has no layout 'left-symmetric': use one of parity-last, default",
        ),
        (
            "--level 5 --raid-devices 4 --engine fast",
            "no engine profile 'fast' (choose from",
        ),
        (
            "--level 5 --raid-devices 4 --chunk 100",
            "Invalid value for '--chunk' / '-c': '100' is not a multiple of 512 bytes\nsee",
        ),
        (
            "--level 5 --raid-devices 4 --size 8388608T",
            "Invalid value for '--size' / '-z': '8388608T' is too large; sizes end at 8388608T",
        ),
        ("--level 5 --raid-devices 4 --size 12Q", "Invalid value for '--size' / '-z': '12Q' is"),
        ("--level 5 --raid-devices 4 --spare-devices -1", "Invalid value for '--spare-devices'"),
        ("--level 5", "Missing option '--raid-devices' / '-n'.\nsee `raidsim create --help`"),
    ],
)
def test_create_refuses_what_makes_no_array(options, message, cli, tmp_path):
    outcome = cli(f"create arr {options}")
    assert outcome.status in {1, 2}
    assert outcome.err.startswith(f"raidsim: {message}")
    assert list(tmp_path.iterdir()) == []


def test_create_refuses_a_size_below_the_minimum(refused):
    message = refused("create arr --level 5 --raid-devices 3 --size 1M", status=2)
    assert message == ("arr/disk0.img: 1024K are too small for the metadata and one chunk of 512K")


def test_create_refuses_a_bitmap_that_can_not_be(refused):
    create = "create arr --level 5 --raid-devices 3 --size 1024M --bitmap"
    message = refused(f"{create} internal --bitmap-chunk 4K", status=2)
    assert message.startswith("a bitmap chunk of 4096 bytes is too small: with less than 65536")
    message = refused(f"{create} internal --bitmap-chunk 96K", status=2)
    assert message == "a bitmap chunk of 98304 bytes is not a power of two"
    message = refused(f"{create} none --bitmap-chunk 64K", status=2)
    assert message.startswith("--bitmap-chunk needs --bitmap internal")


def test_create_refuses_to_take_an_arrays_place(done, refused):
    done(f"create arr --level 5 --raid-devices 3 {SMALL}")
    message = refused(f"create arr --level 5 --raid-devices 3 {SMALL}", status=1)
    assert message == "arr: an array is here already; choose another directory"


@pytest.fixture
def images(tmp_path):
    for name in "abcde":
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, 4 << 20)


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        ("a b c", 2, "4 images are needed (4 members, 0 spares), not 3"),
        ("a b c d e", 2, "4 images are needed (4 members, 0 spares), not 5"),
        ("a b c a", 2, "an image is listed twice"),
        ("a b c ./a", 2, "an image is listed twice"),
        ("a missing missing missing", 2, "3 missing members are more than RAID6 can bear"),
        ("a b c nowhere", 1, "nowhere: no such image"),
    ],
)
def test_create_refuses_wrong_images(given, status, message, refused):
    assert refused(f"create arr -l 6 -n 4 --chunk 64K {given}", status=status) == message


@pytest.mark.usefixtures("images")
def test_create_refuses_a_size_that_the_images_do_not_have(refused):
    message = refused("create arr -l 6 -n 4 --chunk 64K --size 4M a b c d", status=2)
    assert message.startswith("a: ")
    assert message.endswith("K are free for data, less than the size of 4096K")


@pytest.mark.usefixtures("images")
def test_create_refuses_a_member_of_another_array(done, refused):
    done("create first -l 5 -n 3 --chunk 64K a b c")
    message = refused("create second -l 5 -n 3 --chunk 64K b c d", status=1)
    assert message.startswith("b: belongs to array ")
    assert message.endswith("take another image, or empty this one first")


@pytest.fixture
def array(done):
    done(f"create arr --level 5 --raid-devices 3 {SMALL}")


@pytest.mark.usefixtures("array")
def test_assemble_refuses_members_of_different_arrays(done, refused):
    done(f"create other --level 5 --raid-devices 3 {SMALL}")
    message = refused("assemble new arr/disk0.img arr/disk1.img other/disk2.img", status=1)
    assert message == "other/disk2.img: belongs to another array than arr/disk0.img"


@pytest.mark.usefixtures("array")
def test_assemble_names_a_stale_member_and_both_event_counts(cli, done, refused, tmp_path):
    cli("fail arr 1")
    (tmp_path / "input").write_bytes(bytes(100_000))
    done("write arr input")
    message = refused("assemble new arr/disk0.img arr/disk1.img arr/disk2.img", status=1)
    assert message == (
        "arr/disk1.img: is stale: it has seen 0 events, the array 4; leave it out, or bring it back"
        " with --force"
    )


@pytest.mark.usefixtures("array")
def test_assemble_refuses_too_few_members(refused):
    message = refused("assemble new arr/disk0.img", status=1)
    assert message == (
        "new: 1 members in sync are not enough to start the array: it has 3 and can bear to lose 1"
    )


@pytest.mark.usefixtures("array")
def test_assemble_refuses_a_damaged_superblock(refused, tmp_path):
    with (tmp_path / "arr/disk1.img").open("r+b") as file:
        file.seek(4096 + 40)
        file.write(b"\xff")
    message = refused("assemble new arr/disk0.img arr/disk1.img arr/disk2.img", status=1)
    assert message.startswith("arr/disk1.img: ")
    assert "checksum" in message


@pytest.mark.usefixtures("array")
def test_assemble_refuses_a_dirty_degraded_array_until_forced(cli, done, refused):
    cli("fail arr 1")
    array = Array.open("arr")
    array.write(0, bytes(4096))
    array.abandon()
    images = "arr/disk0.img arr/disk2.img"
    assert refused(f"assemble arr {images}", status=1).startswith(
        "arr: cannot start a dirty degraded array"
    )
    done(f"assemble arr --force {images}")


@pytest.mark.usefixtures("array")
def test_array_in_use_is_left_alone(refused):
    with Array.open("arr"):
        message = refused("check arr", status=1)
    assert message.endswith(".img: in use by another program; stop that one first")


@pytest.mark.usefixtures("array")
@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        ("detail nowhere", 1, "nowhere: no array here; make one with `raidsim create nowhere`"),
        ("examine nowhere", 1, "nowhere: no such image"),
        ("fail arr 7", 2, "7: no such disk; the array has disk0.img, disk1.img, disk2.img"),
        ("remove arr 1", 1, "disk1.img: is in use; `raidsim fail` it first"),
        (
            "write arr nowhere",
            2,
            "Invalid value for '[FILE|-]': 'nowhere': No such file or directory\nsee `raidsim",
        ),
        ("write arr .", 2, "Invalid value for '[FILE|-]': '.': Is a directory\nsee `raidsim"),
        ("read arr --output nowhere/out", 1, "nowhere/out: No such file or directory"),
        ("read arr --output arr/array.json/out", 1, "arr/array.json/out: Not a directory"),
        ("read arr --offset 1G", 2, "bytes 1073741824 to 1073741824 lie beyond the end of the"),
        ("read arr --length 1G", 2, "bytes 0 to 1073741824 lie beyond the end of the array"),
        ("read arr --length most", 2, "Invalid value for '--length': 'most' is not a size"),
        ("bench arr --seconds nan", 2, "Invalid value for '--seconds': 'nan' is no length of time"),
        ("bench arr --seconds inf", 2, "Invalid value for '--seconds': inf is not in the range"),
        ("top arr --once --interval nan", 2, "Invalid value for '--interval': 'nan' is no length"),
        (
            "dmatest --engine ioat2 --iterations 1 --test-buf-size 1048576T",
            1,
            "not enough memory; ask for less at once",
        ),
        (
            "examine arr/disk0.img --bitmap --badblocks",
            2,
            "--badblocks and --bitmap: choose what to show",
        ),
        ("frobnicate arr", 2, "No such command 'frobnicate'.\nsee `raidsim --help`"),
        ("check", 2, "Missing argument 'ARRAY'.\nsee `raidsim check --help`"),
    ],
)
def test_wrong_requests_are_explained(command, status, message, refused):
    assert refused(command, status=status).startswith(message)


@pytest.mark.usefixtures("array")
def test_write_beyond_the_end_is_refused_before_anything_is_written(refused, tmp_path):
    (tmp_path / "input").write_bytes(b"x" * 1_000_000)
    message = refused("write arr input --offset 6M", status=2)
    assert message == (
        "input: 1000000 bytes at 6291456 reach beyond the end of the array, which has 6291456 bytes"
    )


@pytest.mark.usefixtures("array")
def test_failed_array_takes_no_writes(cli, refused, tmp_path):
    cli("fail arr 0")
    cli("fail arr 1")
    (tmp_path / "input").write_bytes(b"x" * 5000)
    message = refused("write arr input", status=1)
    assert message == "arr: the array has failed: too many members are gone"


@pytest.mark.usefixtures("array")
def test_readonly_array_takes_no_changes(done, refused, tmp_path):
    done("assemble arr --readonly arr/disk0.img arr/disk1.img arr/disk2.img")
    (tmp_path / "input").write_bytes(b"x" * 5000)
    for command in ("write arr input", "fail arr 1", "add arr new", "repair arr", "rebuild arr"):
        assert refused(command, status=1) == (
            "arr: the array is read-only; assemble it without --readonly"
        )


@pytest.mark.usefixtures("array")
def test_lost_data_leaves_no_output_that_looks_complete(cli, refused, tmp_path):
    cli("fail arr 0")
    cli("fail arr 1")
    assert "input/output error" in refused("read arr --output new", status=1)
    (tmp_path / "old").write_bytes(b"of use still")
    assert "input/output error" in refused("read arr --output old", status=1)


@pytest.mark.usefixtures("array")
def test_image_that_is_gone_is_named(refused, tmp_path):
    (tmp_path / "arr/disk1.img").unlink()
    assert refused("check arr", status=1).startswith("arr/disk1.img: no such image")
    assert refused("fail arr disk2.img", status=1).startswith("arr/disk1.img: no such image")


@pytest.mark.usefixtures("array")
def test_add_refuses_an_image_that_is_too_small(refused, tmp_path):
    (tmp_path / "small").write_bytes(bytes(100_000))
    assert refused("add arr small", status=1).startswith("small: ")


@pytest.mark.usefixtures("array")
def test_add_refuses_another_arrays_member(done, refused):
    done(f"create other --level 5 --raid-devices 3 {SMALL}")
    assert refused("add arr other/disk1.img", status=1).startswith(
        "other/disk1.img: belongs to array "
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.usefixtures("array")
def test_full_disk_under_the_output_is_told(refused):
    assert refused("read arr --output /dev/full", status=1).startswith("/dev/full: No space left")
    line = "explain arr read 0 4K --svg /dev/full"
    assert refused(line, status=1).startswith("/dev/full: No space left")


def _raidsim_with_room_for(size_kib, command, tmp_path):
    """Run a command on a host where files end at `size_kib`."""
    return subprocess.run(
        ["bash", "-c", f"ulimit -f {size_kib}; exec {sys.executable} -m raidsim {command}"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        text=True,
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_closed_standard_streams_are_refused(closed, tmp_path):
    outcome = subprocess.run(
        ["bash", "-c", f"exec {sys.executable} -m raidsim engines {closed}"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        text=True,
    )
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert outcome.stderr == (
        "raidsim: standard input, output or error is closed; redirect it to /dev/null\n"
    )


def test_create_without_room_for_the_images_leaves_nothing(tmp_path):
    full = _raidsim_with_room_for(1024, "create arr --level 5 --raid-devices 3", tmp_path)
    assert (full.returncode, full.stderr.replace(f"{tmp_path}/", "")) == (
        1,
        "raidsim: arr/disk0.img: cannot be made: File too large\n",
    )
    assert list(tmp_path.rglob("*.img")) == []


@pytest.mark.usefixtures("array")
def test_full_host_stops_a_write_and_the_array_recovers(done, tmp_path):
    (tmp_path / "input").write_bytes(b"x" * 6_000_000)
    full = _raidsim_with_room_for(2048, "write arr input", tmp_path)
    assert full.returncode == 1
    assert full.stderr.endswith(".img: File too large; make room, then assemble the array again\n")
    assert done("rebuild arr") == "arr: resync done\n"
    assert done("check arr") == "arr: check done, mismatch_cnt 0 sectors\n"
