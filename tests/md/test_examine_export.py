import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from superblock_draw import draw_superblock, write_image

from raidsim.md.examine_export import examine_brief_lines, examine_export_lines
from raidsim.md.superblock import SuperblockV1, find_superblock

needs_mdadm = pytest.mark.skipif(shutil.which("mdadm") is None, reason="mdadm is not installed")


def kernel_superblock(name):
    path = Path(__file__).parent / "superblocks" / f"{name}.sb"
    return SuperblockV1.from_bytes(path.read_bytes().ljust(4096, b"\0"))


def test_export_is_mdadms():
    assert examine_export_lines(kernel_superblock("recovering-1.0")) == [
        "MD_LEVEL=raid5",
        "MD_DEVICES=3",
        "MD_NAME=vm:0",
        "MD_ARRAY_SIZE=8.36MB",
        "MD_UUID=0728225a:6b64850f:52289458:29e4bfbd",
        "MD_UPDATE_TIME=1795265320",
        "MD_DEV_UUID=e2f1072b:c82f7774:63ce25e8:39687fb3",
        "MD_EVENTS=5",
    ]


def test_brief_is_mdadms():
    names = ["recovering-1.0", "replacing-1.2", "beside-replacing-1.2", "spare-1.2"]
    assert examine_brief_lines(map(kernel_superblock, names)) == [
        "ARRAY /dev/md/home  metadata=1.2 UUID=547b767b:57b85d80:4127b518:e9cbec05 name=vm:home",
        "   spares=1",
        "ARRAY /dev/md/0  metadata=1.2 UUID=850bd1fd:dcdca63c:b894a56d:b5f0e178 name=vm:0",
        "   spares=1",
        "ARRAY /dev/md/0  metadata=1.0 UUID=0728225a:6b64850f:52289458:29e4bfbd name=vm:0",
    ]


def test_name_of_full_length_ends_where_it_ends():
    sb = kernel_superblock("recovering-1.0")
    sb.set_name = b"n" * 32
    assert examine_brief_lines([sb])[0].endswith(f" name={'n' * 32}")


def test_level_that_nobody_knows_is_exported_as_such():
    sb = kernel_superblock("recovering-1.0")
    sb.level = -77
    lines = examine_export_lines(sb)
    assert lines[0] == "MD_LEVEL=unknown"
    assert not [line for line in lines if line.startswith("MD_ARRAY_SIZE")]


# Against mdadm itself, on drawn superblocks.

NAMES = (
    b"",
    b"home",
    b"host:home",
    b"host:with space",
    b"tab\there:a\tb/c",
    b"a:b:c",
    b"it's",
    b'say "it\'s"',
    b'"',
    b"behind:",
    b"two\nlines",
)
SHAPE = ("level", "layout", "size", "chunksize", "raid_disks")


def superblock(path):
    with path.open("rb") as image:

        def read(sector, count_bytes):
            image.seek(sector * 512)
            return image.read(count_bytes)

        return find_superblock(read, image.seek(0, os.SEEK_END) // 512)


def mdadm(*arguments):
    result = subprocess.run(["mdadm", *arguments], capture_output=True, text=True, check=False)
    assert not result.stderr
    return result.stdout


@pytest.mark.oracle
@needs_mdadm
def test_drawn_superblocks_are_exported_as_by_mdadm(tmp_path):
    path = tmp_path / "disk0.img"
    for seed in range(150):
        rng = random.Random(seed)
        sb, device_sectors = draw_superblock(rng)
        sb.set_name = rng.choice((*NAMES, sb.set_name))
        write_image(path, sb, device_sectors, rng)
        expected = mdadm("--examine", "--export", path)
        assert "\n".join([*examine_export_lines(superblock(path)), ""]) == expected, f"seed {seed}"


@pytest.mark.oracle
@needs_mdadm
def test_drawn_members_of_several_arrays_are_briefly_told_as_by_mdadm(tmp_path):
    for seed in range(100):
        rng = random.Random(seed)
        arrays = []
        paths = []
        for number in range(rng.randrange(1, 7)):
            sb, device_sectors = draw_superblock(rng)
            sb.set_name = rng.choice(NAMES)
            if arrays and rng.random() < 0.7:
                other = rng.choice(arrays)
                for field in ("set_uuid", "ctime", *SHAPE):
                    if rng.random() < 0.95:
                        setattr(sb, field, getattr(other, field))
            arrays.append(sb)
            paths.append(tmp_path / f"disk{number}.img")
            write_image(paths[-1], sb, device_sectors, rng)
        expected = mdadm("--examine", "--brief", *paths)
        ours = examine_brief_lines(map(superblock, paths))
        assert "\n".join([*ours, ""]) == expected, f"seed {seed}"
