from __future__ import annotations

import pytest

from raidsim.array import Array, ArraySpec
from raidsim.md.events import (
    ArrayDirty,
    ArrayFailed,
    MemberActive,
    MemberAssigned,
    MemberFailed,
    MemberReplaced,
    MismatchFound,
    SyncBegan,
    SyncEnded,
)

MIB = 1 << 20
OF_THE_ARRAY = (
    ArrayDirty,
    ArrayFailed,
    MemberActive,
    MemberAssigned,
    MemberFailed,
    MemberReplaced,
    MismatchFound,
    SyncBegan,
    SyncEnded,
)


@pytest.fixture
def array(tmp_path):
    spec = ArraySpec(level=5, raid_disks=4, layout=2, chunk_sectors=128)
    with Array.create(tmp_path / "array", spec, image_bytes=2 * MIB) as made:
        yield made


@pytest.fixture
def told(array):
    events = []

    def listen(_time_ns, event):
        if isinstance(event, OF_THE_ARRAY):
            events.append(event)

    array.machine.sim.hook.subscribe(listen)
    return events


def test_the_first_write_makes_an_array_dirty_and_idling_makes_it_clean(array, told):
    array.write(0, b"x" * 512)
    assert told == [ArrayDirty(True)]
    del told[:]
    array.mddev.idle()
    assert told == [ArrayDirty(False)]


def test_a_member_fails_and_another_is_rebuilt_in_its_slot(array, told, tmp_path):
    array.fail("1")
    array.add(tmp_path / "spare.img")
    array.rebuild()
    end = array.mddev.dev_sectors
    assert told == [
        MemberFailed("disk1.img", 1),
        MemberAssigned("spare.img", 1, False),
        SyncBegan("recover", 0),
        SyncEnded("recover", end, False, end),
        MemberActive("spare.img", 1),
    ]


def test_a_replaced_member_is_told_of(array, told, tmp_path):
    array.add(tmp_path / "spare.img")
    array.replace(["2"])
    array.rebuild()
    assert MemberAssigned("spare.img", 2, True) in told
    assert MemberReplaced("disk2.img", 2) in told
    assert MemberActive("spare.img", 2) in told


def test_a_mismatch_is_told_with_its_place(array, told):
    data_offset = array.mddev.rdevs[0].data_offset
    path = array.directory.images[0]
    with path.open("r+b") as image:
        image.seek((data_offset + 16) << 9)
        image.write(b"rot")
    array.check()
    assert MismatchFound(16, 8) in told


def test_an_array_that_loses_more_than_it_can_bear_has_failed(array, told):
    array.fail("1")
    array.fail("2")
    assert told == [MemberFailed("disk1.img", 1), MemberFailed("disk2.img", 2), ArrayFailed()]
