import dataclasses
import json
import os
import random
import shutil
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from superblock_draw import draw_superblock, write_image

from raidsim.md.examine import examine_json, examine_lines
from raidsim.md.superblock import (
    MAX_SECTOR,
    SuperblockError,
    SuperblockV1,
    find_superblock,
)
from raidsim.md.wording import human_size

# Superblocks of Linux 6.1 on members of 4 MiB, and what mdadm 4.2 printed for them.
KERNEL_MADE = sorted((Path(__file__).parent / "superblocks").glob("*.sb"))
KERNEL_SECTORS = 8192

needs_mdadm = pytest.mark.skipif(shutil.which("mdadm") is None, reason="mdadm is not installed")


def kernel_superblock(name):
    path = Path(__file__).parent / "superblocks" / f"{name}.sb"
    sb = SuperblockV1.from_bytes(path.read_bytes().ljust(4096, b"\0"))
    if (bitmap := path.with_suffix(".bitmap")).exists():
        sb.bitmap_super = bitmap.read_bytes()
    return sb


@pytest.fixture
def there(monkeypatch):
    """The host name and the time zone where the kernel's superblocks were made."""
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(nodename="vm"))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("path", KERNEL_MADE, ids=lambda path: path.stem)
def test_kernel_made_superblock_is_shown_as_mdadm_does(path):
    expected = path.with_suffix(".txt").read_text().splitlines()
    device_name = expected[0].rstrip(":")
    assert examine_lines(kernel_superblock(path.stem), device_name, KERNEL_SECTORS) == expected


def test_name_of_another_host_is_not_called_local():
    sb = kernel_superblock("clean-raid6-1.2")
    sb.set_name = b"elsewhere:home"
    assert "           Name : elsewhere:home" in examine_lines(sb, "x", KERNEL_SECTORS)


def test_name_that_is_no_text_is_shown_all_the_same():
    sb = kernel_superblock("clean-raid6-1.2")
    sb.set_name = b"\xff\xfe"
    assert "           Name : \ufffd\ufffd" in examine_lines(sb, "x", KERNEL_SECTORS)


def test_absurd_superblock_is_shown_without_counting_millions_of_slots():
    sb = kernel_superblock("clean-raid6-1.2")
    sb.raid_disks = 2**32 - 1
    sb.level = -77
    sb.ctime = sb.utime = MAX_SECTOR
    lines = examine_lines(sb, "x", KERNEL_SECTORS)
    assert "     Raid Level : -unknown-" in lines
    assert max(map(len, lines)) < 2100


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, ""),
        (5000 * 1024 - 1, ""),
        (5000 * 1024, " (4.88 MiB 5.12 MB)"),
        (37952 * 512, " (18.53 MiB 19.43 MB)"),
        (2**31 - 512, " (2048.00 MiB 2147.48 MB)"),
        (2**31, " (2.00 GiB 2.15 GB)"),
        (2**41 - 2**20, " (2048.00 GiB 2199.02 GB)"),
        (2**41, " (2.00 TiB 2.20 TB)"),
        (25769802752 * 512, " (12.00 TiB 13.19 TB)"),
    ],
)
def test_human_size_is_mdadms(size_bytes, text):
    assert human_size(size_bytes) == text


def test_json_has_the_same_facts():
    facts = examine_json(kernel_superblock("recovering-1.0"), "disk2.img", KERNEL_SECTORS)
    assert json.loads(json.dumps(facts)) == facts
    assert (
        facts.items()
        >= {
            "device": "disk2.img",
            "metadata": "1.0",
            "raid_level": "raid5",
            "raid_devices": 3,
            "array_size_bytes": 2 * 8160 * 512,
            "used_dev_size": 8160,
            "recovery_offset": 768,
            "state": "clean",
            "resync_offset": None,
            "device_number": 3,
            "layout": "left-symmetric",
            "chunk_size_bytes": 4096,
            "device_role": "Active device 2",
            "array_state": "AAA",
            "checksum_correct": True,
            "bitmap_offset": None,
        }.items()
    )


def test_json_keys_are_the_same_for_every_superblock():
    keys = {
        tuple(examine_json(kernel_superblock(path.stem), "x", KERNEL_SECTORS))
        for path in KERNEL_MADE
    }
    assert len(keys) == 1


# Against mdadm itself, on drawn superblocks.


def examine(path):
    with path.open("rb") as image:
        device_sectors = image.seek(0, os.SEEK_END) // 512

        def read(sector, count_bytes):
            image.seek(sector * 512)
            return image.read(count_bytes)

        return examine_lines(find_superblock(read, device_sectors), str(path), device_sectors)


def mdadm_examine(path):
    result = subprocess.run(
        ["mdadm", "--examine", path], capture_output=True, text=True, check=False
    )
    return result.stdout.splitlines() or [result.stderr]


@pytest.mark.oracle
@needs_mdadm
def test_drawn_superblocks_are_shown_as_mdadm_does(tmp_path):
    path = tmp_path / "disk0.img"
    for seed in range(300):
        rng = random.Random(seed)
        sb, device_sectors = draw_superblock(rng)
        write_image(path, sb, device_sectors, rng)
        assert examine(path) == mdadm_examine(path), f"seed {seed}"


@pytest.mark.oracle
@needs_mdadm
def test_mdadm_finds_the_same_one_of_several_superblocks(tmp_path):
    path = tmp_path / "disk0.img"
    for seed in range(60):
        rng = random.Random(seed)
        with path.open("wb") as image:
            image.truncate(KERNEL_SECTORS * 512)
            for name in ("recovering-1.0", "raid4-1.1", "clean-raid6-1.2"):
                ctime = rng.choice((1000, 1001, 1001 | 1 << 40, 1002))
                sb = dataclasses.replace(kernel_superblock(name), ctime=ctime)
                image.seek(sb.super_offset * 512)
                image.write(sb.to_bytes())
        assert examine(path) == mdadm_examine(path), f"seed {seed}"


@pytest.mark.oracle
@needs_mdadm
def test_mdadm_sees_no_superblock_where_we_see_none(tmp_path):
    path = tmp_path / "disk0.img"
    path.write_bytes(bytes(KERNEL_SECTORS * 512))
    assert "No md superblock detected" in mdadm_examine(path)[0]
    with pytest.raises(SuperblockError, match="no md superblock"):
        examine(path)
