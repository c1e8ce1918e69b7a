from __future__ import annotations

import numpy as np
import pytest

from raidsim.array import Array, ArraySpec
from raidsim.md.layout import parse_layout
from raidsim.scenario.comparison import merged, parity_mismatches

ARRAYS = [
    (4, 4, "default"),
    (5, 4, "left-symmetric"),
    (5, 3, "right-asymmetric"),
    (6, 5, "left-symmetric"),
    (6, 6, "ddf-N-continue"),
    (6, 6, "left-symmetric-6"),
]


@pytest.fixture
def stopped(tmp_path):
    """Make an array full of random bytes and stop it."""

    def make(level, raid_disks, layout):
        spec = ArraySpec(
            level=level,
            raid_disks=raid_disks,
            layout=parse_layout(level, layout),
            chunk_sectors=32,
        )
        with Array.create(tmp_path / "array", spec, image_bytes=2 << 20) as array:
            array.write(0, np.random.default_rng(1).integers(0, 256, array.size, np.uint8))
        return array

    return make


@pytest.mark.parametrize(("level", "raid_disks", "layout"), ARRAYS)
def test_parity_that_md_made_fits(stopped, level, raid_disks, layout):
    assert parity_mismatches(stopped(level, raid_disks, layout)) == 0


@pytest.mark.parametrize("member", range(6))
@pytest.mark.parametrize("sector", [0, 40, 2047])
def test_one_wrong_byte_on_any_member_is_one_unit(stopped, member, sector):
    array = stopped(6, 6, "left-symmetric")
    (rdev,) = [rdev for rdev in array.mddev.rdevs if rdev.raid_disk == member]
    path = array.images[rdev].path
    raw = bytearray(path.read_bytes())
    raw[(rdev.data_offset + sector << 9) + 17] ^= 4
    path.write_bytes(raw)
    assert parity_mismatches(array) == 1


def test_bad_blocks_are_not_compared(stopped):
    array = stopped(5, 4, "left-symmetric")
    rdev = array.mddev.rdevs[0]
    path = array.images[rdev].path
    raw = bytearray(path.read_bytes())
    raw[(rdev.data_offset + 16) << 9] ^= 1
    path.write_bytes(raw)
    assert parity_mismatches(array) == 1
    rdev.bad_blocks.set(rdev.data_offset + 16, 8)
    assert parity_mismatches(array) == 0


def test_a_degraded_array_cannot_be_compared(stopped):
    array = stopped(6, 5, "left-symmetric")
    array.mddev.rdevs[0].in_sync = False
    array.mddev.personality.conf.refresh_members()
    assert parity_mismatches(array) is None


def test_ranges_that_touch_are_one():
    assert merged([(8, 4), (0, 4), (4, 4), (20, 4), (21, 1)]) == [(0, 12), (20, 4)]
    assert merged([]) == []
