"""mdadm's test cases of raid6check, on arrays of our own: 19raid6check and its three kin."""

import os
import random
import tempfile
from itertools import combinations
from pathlib import Path

import pytest

from raidsim.array import Array, ArraySpec

SCRATCH = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  a RAM disk
LAYOUTS = [*range(6), 8, 9, 10, *range(16, 21)]
CHUNK_BYTES = 16 << 10
ROWS = 8
DATA_OFFSET_BYTES = 1 << 20
EACH_LAYOUT = pytest.mark.parametrize("layout", LAYOUTS)


@pytest.fixture
def make():
    """A function that makes a RAID6 full of random bytes and returns its directory and those."""
    scratch = tempfile.TemporaryDirectory(dir=SCRATCH)

    def make(layout, disks=4):
        spec = ArraySpec(level=6, raid_disks=disks, layout=layout, chunk_sectors=CHUNK_BYTES // 512)
        image_bytes = DATA_OFFSET_BYTES + ROWS * CHUNK_BYTES
        path = Path(scratch.name) / "array"
        with Array.create(path, spec, image_bytes=image_bytes) as array:
            content = random.Random(layout).randbytes(array.size)
            array.write(0, content)
        return path, content

    with scratch:
        yield make


def corrupt(path, slot, offset, length, seed):
    with (path / f"disk{slot}.img").open("r+b") as image:
        image.seek(DATA_OFFSET_BYTES + offset)
        image.write(random.Random(f"rot {seed}").randbytes(length))


def heal(path):
    with Array.open(path) as array:
        return array.repair(locate=True)


def scrubbed(path, content):
    """The mismatches a check finds; the content is right, without any two members, too."""
    with Array.open(path) as array:
        assert array.read(0, array.size) == content
        mismatch_sectors = array.check().mismatch_sectors
        assert array.mddev.mismatch_log is None  # the next repair is md's own
        return mismatch_sectors


@EACH_LAYOUT
@pytest.mark.parametrize("disks", [4, 5])
def test_19raid6check_finds_no_error_on_arrays_without_one(layout, disks, make):
    path, content = make(layout, disks)
    assert scrubbed(path, content) == 0
    assert heal(path).mismatches.total == 0


@EACH_LAYOUT
def test_19raid6repair_heals_one_corrupt_chunk_of_any_member(layout, make):
    path, content = make(layout)
    for slot in range(4):
        corrupt(path, slot, (layout + slot) % ROWS * CHUNK_BYTES, CHUNK_BYTES, slot)
        with Array.open(path) as array:
            found = array.check()
        assert found.mismatch_sectors == CHUNK_BYTES // 512
        assert found.mismatches.by_member == {(slot, f"disk{slot}.img"): CHUNK_BYTES // 4096}
        assert heal(path).mismatches.listed == found.mismatches.listed
        assert scrubbed(path, content) == 0


@EACH_LAYOUT
def test_19raid6auto_repair_heals_several_corrupt_ranges(layout, make):
    path, content = make(layout, 5)
    for row, slot in enumerate([0, 2, 4, 1, 3]):
        corrupt(path, slot, row * CHUNK_BYTES + 5000, 6000, row)
    healed = heal(path)
    assert healed.mismatch_sectors == 5 * 16
    assert len(healed.mismatches.by_member) == 5
    assert scrubbed(path, content) == 0


@EACH_LAYOUT
def test_19repair_does_not_destroy_what_is_right(layout, make):
    """Not by looking for wrong members, nor by rebuilding two of them."""
    path, content = make(layout)
    before = [(path / f"disk{slot}.img").read_bytes()[DATA_OFFSET_BYTES:] for slot in range(4)]
    assert heal(path).mismatch_sectors == 0
    pairs = list(combinations([f"disk{number}.img" for number in range(4)], 2))
    for pair in pairs[layout % 3 :: 3]:
        with Array.open(path) as array:
            for name in pair:
                array.fail(name)
                array.remove(name)
                array.add(path / name)
            array.rebuild()
        assert scrubbed(path, content) == 0
    after = [(path / f"disk{slot}.img").read_bytes()[DATA_OFFSET_BYTES:] for slot in range(4)]
    assert sorted(after) == sorted(before)
