"""Power cuts: what outlives them, and that nothing happens afterwards."""

import numpy as np
import pytest

from raidsim import Machine
from raidsim.disk import FLUSH, READ, WRITE, DiskRequest, MemoryDisk
from raidsim.disk.events import PowerFailed
from raidsim.disk.faults import FaultyDisk, PowerCut, PowerSupply, disk_fault
from raidsim.disk.stable import StableStorage
from raidsim.errors import RaidsimError
from raidsim.sim import FaultError


def nobody(_request):
    pass


class House:
    """Some disks on one supply, with a cache of 64 KiB each; it is cut by hand if no rule does."""

    def __init__(self, disks=1, *, timed=False, seed=0, cache_bytes=1 << 16, fault=None, **cut):
        self.machine = Machine(seed, timed=timed, kernel="numpy")
        self.sim = self.machine.sim
        by_hand = {"enabled": False} if cut.keys() <= {"keep"} else {}
        self.supply = PowerSupply(self.machine, PowerCut(**by_hand, **cut))
        self.memories = [MemoryDisk(f"disk{number}", 512) for number in range(disks)]
        self.disks = []
        for memory in self.memories:
            storage = StableStorage(memory, cache_bytes)
            top = FaultyDisk(self.machine, storage, disk_fault(fault)) if fault else storage
            self.disks.append(self.supply.plug(top, storage))

    def submit(self, operation, sector=0, sectors=8, value=0, *, fua=False, disk=0):
        buffer = None if operation == FLUSH else np.full(sectors * 512, value, np.uint8)
        request = DiskRequest(operation, sector, buffer, nobody, fua=fua)
        request.status = None
        self.disks[disk].submit(request)
        return request

    def write(self, sector, value, sectors=8, *, fua=False, disk=0):
        self.submit(WRITE, sector, sectors, value, fua=fua, disk=disk)

    def held(self, disk=0):
        """What the sectors of the medium begin with."""
        return list(self.memories[disk].image[::512])


def test_what_was_not_flushed_is_lost():
    house = House(keep=0.0)
    house.write(0, 1)
    house.submit(FLUSH)
    house.write(0, 2)
    house.write(8, 2)
    house.write(16, 3, fua=True)
    house.write(4, 4)
    house.supply.cut()
    assert house.held()[:32] == [1] * 8 + [0] * 8 + [3] * 8 + [0] * 8


def test_what_was_not_flushed_may_be_kept():
    house = House(keep=1.0)
    for value in (1, 2, 3):
        house.write(value, value)
    house.supply.cut()
    assert house.held()[:12] == [0, 1, 2, *[3] * 8, 0]


def test_fua_is_not_taken_back_with_what_was_under_it():
    house = House(keep=0.0)
    house.write(0, 1, 16)
    house.write(4, 2, 4, fua=True)
    house.supply.cut()
    assert house.held()[:16] == [0] * 4 + [2] * 4 + [0] * 8


def test_each_block_is_what_some_write_made_it_and_the_seed_says_which():
    def left(seed):
        house = House(seed=seed, keep=0.5)
        for value in (1, 2, 3):
            house.write(0, value, 32)
        house.supply.cut()
        held = house.held()[:32]
        assert all(len(set(held[at : at + 8])) == 1 for at in range(0, 32, 8))
        return held

    assert left(1) == left(1) != left(2)
    values = [value for seed in range(80) for value in left(seed)[::8]]
    share = [values.count(value) / len(values) for value in range(4)]
    assert share == pytest.approx([0.125, 0.125, 0.25, 0.5], abs=0.08)


def test_the_oldest_writes_are_destaged_when_the_cache_is_full():
    house = House(keep=0.0, cache_bytes=8192)
    for number in range(4):
        house.write(number * 8, 1)
    assert house.disks[0].storage.unflushed_writes == 2
    house.supply.cut()
    assert house.held()[:32] == [1] * 16 + [0] * 16


def test_without_a_cache_what_completed_stays():
    house = House(keep=0.0, cache_bytes=0)
    house.write(0, 1)
    house.supply.cut()
    assert house.held()[:8] == [1] * 8


def test_a_write_under_way_may_be_torn():
    kept = set()
    for seed in range(20):
        house = House(seed=seed, timed=True, cache_bytes=0, fault={"kind": "slow"}, keep=0.5)
        request = house.submit(WRITE, 0, 32, 1)
        house.supply.cut()
        house.sim.run()
        assert request.status is None
        held = house.held()[:32]
        assert all(len(set(held[at : at + 8])) == 1 for at in range(0, 32, 8))
        kept.add(sum(held) // 8)
    assert len(kept) > 2


def test_the_power_fails_at_its_time_for_all_disks_at_once():
    events = []
    house = House(2, timed=True, start_ns=5000, keep=0.0)
    house.sim.hook.subscribe(lambda time_ns, event: events.append((time_ns, event)))
    house.write(0, 1)
    house.write(0, 2, disk=1)
    house.sim.run()
    assert not house.supply.is_on
    assert events == [(5000, PowerFailed(("disk0", "disk1"), 2))]
    assert house.held(0)[0] == house.held(1)[0] == 0


def test_the_power_fails_at_an_access():
    house = House(2, keep=1.0, nth=3, count=1)
    house.write(0, 1)
    house.write(8, 1, disk=1)
    assert house.supply.is_on
    request = house.submit(WRITE, 16, value=1)
    assert not house.supply.is_on
    assert request.status is None  # under way, and kept in full
    assert house.held(0)[:24] == [1] * 8 + [0] * 8 + [1] * 8


def test_the_power_fails_at_an_access_after_a_time():
    house = House(timed=True, start_ns=5000, nth=1, count=1)
    house.sim.call_after(6000, house.write, 0, 1)
    house.sim.call_after(4000, house.write, 8, 1)
    lit = []
    house.sim.call_after(5500, lambda: lit.append(house.supply.is_on))
    house.sim.run()
    assert lit == [True]
    assert not house.supply.is_on


def test_without_power_nothing_ends_and_nothing_changes():
    house = House(timed=True, fault={"kind": "slow", "delay_ns": 1000}, keep=0.0)
    requests = [house.submit(READ), house.submit(WRITE, value=1)]
    house.supply.cut()
    house.supply.cut()
    requests += [house.submit(READ), house.submit(WRITE, value=1), house.submit(FLUSH)]
    house.sim.run()
    assert [request.status for request in requests] == [None] * 5
    assert set(house.held()) == {0}


def test_a_request_comes_back_as_it_was():
    house = House(keep=0.0)
    request = DiskRequest(FLUSH, 0, None, nobody)
    house.disks[0].submit(request)
    assert request.end_io is nobody
    assert not house.disks[0].under_way


@pytest.mark.parametrize("wrong", [{"keep": -0.1}, {"keep": 1.1}, {"nth": -1}])
def test_a_cut_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(FaultError):
        PowerCut(**wrong)


def test_a_cut_at_a_time_needs_a_clock():
    with pytest.raises(FaultError, match="power cut: start_ns and end_ns need a timed machine"):
        House(start_ns=5)


def test_stable_storage_stands_on_a_disk_that_does_everything_at_once():
    machine = Machine(timed=True, kernel="numpy")
    slow = FaultyDisk(machine, MemoryDisk("disk0", 64), disk_fault({"kind": "slow"}))
    storage = StableStorage(slow, 4096)
    buffer = np.zeros(512, np.uint8)
    with pytest.raises(RaidsimError, match="disk0: stable storage needs a disk below"):
        storage.submit(DiskRequest(WRITE, 0, buffer, print))
