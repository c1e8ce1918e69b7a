from __future__ import annotations

import pytest

from raidsim.array import Array, ArraySpec
from raidsim.md.events import (
    ArrayDirty,
    MemberActive,
    MemberFailed,
    MemberReplaced,
    MismatchFound,
    SyncBegan,
    SyncEnded,
)

MIB = 1 << 20


@pytest.fixture
def array(tmp_path):
    spec = ArraySpec(level=5, raid_disks=4, layout=2, chunk_sectors=128)
    with Array.create(tmp_path / "array", spec, image_bytes=2 * MIB) as made:
        yield made


@pytest.fixture
def told(array):
    events = []
    array.machine.sim.hook.subscribe(lambda _, event: events.append(event))
    return events


def test_the_first_write_makes_an_array_dirty_and_idling_makes_it_clean(array, told):
    array.write(0, b"x" * 512)
    assert told[0] == ArrayDirty(True)
    del told[:]
    array.mddev.idle()
    assert told == [ArrayDirty(False)]


def test_a_member_fails_and_another_is_rebuilt_in_its_slot(array, told, tmp_path):
    array.fail("1")
    array.add(tmp_path / "spare.img")
    array.rebuild()
    mine = [event for event in told if type(event).__module__ == "raidsim.md.events"]
    end = array.mddev.dev_sectors
    assert mine == [
        MemberFailed("disk1.img", 1),
        SyncBegan("recover", 0),
        SyncEnded("recover", end, False),
        MemberActive("spare.img", 1),
    ]


def test_a_replaced_member_is_told_of(array, told, tmp_path):
    array.add(tmp_path / "spare.img")
    array.replace(["2"])
    array.rebuild()
    assert MemberReplaced("disk2.img", 2) in told
    assert MemberActive("spare.img", 2) in told


def test_a_mismatch_is_told_with_its_place(array, told):
    data_offset = array.mddev.rdevs[0].data_offset
    path = array.directory.images[0]
    with path.open("r+b") as image:
        image.seek((data_offset + 16) << 9)
        image.write(b"rot")
    array.check()
    assert [event for event in told if isinstance(event, MismatchFound)] == [MismatchFound(16, 8)]
