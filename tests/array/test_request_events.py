"""What a request does can be followed: from it to stripes, operations and disks, and back."""

from __future__ import annotations

from collections import Counter

import pytest

from raidsim.array import Array, ArraySpec
from raidsim.array.hardware import SimulatedHardware
from raidsim.disk.events import DiskEnded, DiskSubmitted
from raidsim.disk.faults import FaultyDisk, disk_fault
from raidsim.disk.observed import ObservedDisk
from raidsim.dmaengine.events import Software, Submitted
from raidsim.machine import Machine
from raidsim.md.events import (
    BioEnded,
    BioSubmitted,
    BitmapBegun,
    BitmapWritten,
    SuperblocksBegun,
    SuperblocksWritten,
)
from raidsim.md.placement import BitmapWish
from raidsim.md.raid5.events import (
    StripeAsked,
    StripeOperations,
    StripeReleased,
    StripeTaken,
    WriteCosts,
)

CHUNK = 64 << 10


class ObservedHardware(SimulatedHardware):
    def disk(self, image):
        return ObservedDisk(self.machine, super().disk(image))


@pytest.fixture
def make(tmp_path):
    """Make an array and listen to it; the numbers of its events are those of the listening."""
    opened = []

    def make(*, level=6, engines=(), **wishes):
        hardware = ObservedHardware(Machine(engines=engines))
        spec = ArraySpec(level=level, raid_disks=6, layout=2, chunk_sectors=128, **wishes)
        array = Array.create(
            tmp_path / "array", spec, image_bytes=4 << 20, engines=engines, hardware=hardware
        )
        opened.append(array)
        events = []
        array.machine.sim.hook.subscribe(lambda _time_ns, event: events.append(event))
        return array, events

    yield make
    for array in opened:
        array.close()


def of(events, *kinds):
    return [event for event in events if isinstance(event, kinds)]


def test_everything_that_begins_has_a_number_of_its_own_and_ends(make):
    array, events = make(engines=["iop13xx"])
    array.write(1000, b"x" * 300_000)
    array.read(0, 400_000)
    for begun, ended in (
        (BioSubmitted, BioEnded),
        (StripeTaken, StripeReleased),
        (DiskSubmitted, DiskEnded),
        (SuperblocksBegun, SuperblocksWritten),
    ):
        numbers = [event.number for event in of(events, begun)]
        assert numbers
        assert sorted(event.number for event in of(events, ended)) == numbers
    begun = of(events, BioSubmitted, StripeTaken, DiskSubmitted, SuperblocksBegun)
    assert [event.number for event in begun] == list(range(1, len(begun) + 1))


def test_a_write_can_be_followed_to_its_stripe_its_operations_and_its_disks(make):
    array, events = make(engines=["iop13xx"])
    array.write(8192, b"x" * 4096)
    [bio] = of(events, BioSubmitted)
    [taken] = of(events, StripeTaken)
    [asked] = of(events, StripeAsked)
    assert (asked.number, asked.origin, asked.purpose) == (taken.number, bio.number, "write")
    assert asked.parts == ((1, 0, 4096),)
    descriptors = [(e.operation, e.origin) for e in of(events, Submitted)]
    stripe = taken.number
    assert descriptors == [("memcpy", stripe), ("interrupt", stripe), ("pq", stripe)]
    accesses = Counter(e.operation for e in of(events, DiskSubmitted) if e.origin == stripe)
    assert accesses == {"read": 3, "write": 3}


def test_both_costs_of_a_write_are_told_with_the_blocks_they_lack(make):
    array, events = make()
    array.write(8192, b"x" * 4096)
    first, second = of(events, WriteCosts)
    assert (first.rmw, first.rcw) == (3, 3)
    assert (first.rmw_reads, first.rcw_reads) == ((0, 1, 5), (2, 3, 4))
    assert (second.rcw, second.rcw_reads) == (0, ())


def test_the_chains_are_told_with_the_members_they_are_about(make):
    array, events = make()
    array.write(0, b"x" * 4 * CHUNK)
    [operations, *_] = of(events, StripeOperations)
    assert operations.operations == (("biodrain", (1, 2, 3, 4)), ("reconstruct6", (0, 5)))


def test_software_operations_tell_what_they_are_for(make):
    array, events = make()
    array.write(8192, b"x" * 4096)
    [taken] = of(events, StripeTaken)
    assert {event.origin for event in of(events, Software)} == {taken.number}


def test_a_read_of_a_healthy_array_goes_to_the_disk_by_itself(make):
    array, events = make()
    array.read(8192, 4096)
    bio, access = events[:2]
    assert access.origin == bio.number
    assert [type(event) for event in events] == [BioSubmitted, DiskSubmitted, DiskEnded, BioEnded]


def test_superblocks_are_written_before_the_data_of_a_first_write(make):
    array, events = make()
    array.write(0, b"x" * 4096)
    [begun] = of(events, SuperblocksBegun)
    kinds = [type(event) for event in events]
    assert kinds.index(SuperblocksWritten) < kinds.index(StripeTaken)
    writes = [e for e in of(events, DiskSubmitted) if e.origin == begun.number]
    assert sum(e.operation == "write" and e.fua for e in writes) == 6
    assert begun.origin == of(events, BioSubmitted)[0].number


def test_the_bitmap_is_written_before_the_data_it_stands_for(make):
    array, events = make(bitmap=BitmapWish(internal=True))
    array.mddev.bitmap.flush()  # new bitmaps are all ones
    array.machine.sim.run()
    events.clear()
    array.write(0, b"x" * 4096)
    order = of(events, StripeTaken, BitmapBegun, BitmapWritten, StripeOperations)
    after = [type(event) for event in order[order.index(of(events, StripeTaken)[0]) :]]
    assert after == [StripeTaken, BitmapBegun, BitmapWritten, StripeOperations]
    bits = of(events, BitmapBegun)[-1]
    accesses = Counter(e.operation for e in of(events, DiskSubmitted) if e.origin == bits.number)
    assert accesses == {"flush": 6, "write": 6}


def test_what_is_never_observed_has_no_numbers(make):
    array, events = make()
    array.machine.sim.hook.listeners = ()
    array.write(0, b"x" * 4096)
    assert not events
    assert array.machine.sim.hook.next_number() == 1


def test_a_later_listener_is_told_of_stripes_that_an_earlier_one_knew(make):
    array, events = make()
    hook = array.machine.sim.hook
    hook.listeners = ()

    def leave_early(_time_ns, event):
        if isinstance(event, StripeTaken):
            leave()

    leave = hook.subscribe(leave_early)
    array.write(0, b"x" * 4096)
    hook.subscribe(lambda _time_ns, event: events.append(event))
    array.write(0, b"y" * 4096)
    [taken] = of(events, StripeTaken)
    [asked] = of(events, StripeAsked)
    assert asked.number == taken.number


def test_what_a_read_error_splits_is_followed_from_the_tall_stripe_to_its_units(make):
    array, events = make()
    member = array.mddev.rdevs[0]
    observed = member.disk
    latent = disk_fault({"kind": "read-fixable", "sectors": [[member.data_offset + 8, 8]]})
    observed.disk = FaultyDisk(array.machine, observed.disk, latent)
    array.check()
    splits = [e for e in of(events, StripeAsked) if e.purpose == "split"]
    [parent] = {event.origin for event in splits}
    [taken] = [e for e in of(events, StripeTaken) if e.number == parent]
    assert len(splits) == taken.units
