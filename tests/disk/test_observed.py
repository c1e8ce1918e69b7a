"""The accesses of an observed disk can be followed through its models and faults."""

import errno

import numpy as np
import pytest

from raidsim import Machine
from raidsim.disk import FLUSH, READ, WRITE, DiskRequest, MemoryDisk
from raidsim.disk.events import DiskEnded, DiskFaultFired, DiskServiced, DiskSubmitted
from raidsim.disk.faults import FaultyDisk, disk_fault
from raidsim.disk.models import disk_profile, model_disk
from raidsim.disk.observed import ObservedDisk
from raidsim.testing import check_block_device

MS = 1_000_000
SERIAL = {"kind": "fixed", "description": "", "service_ns": MS, "queue_depth": 1}


class Lab:
    def __init__(self, *, model=SERIAL, faults=()):
        self.machine = Machine(timed=True, kernel="numpy")
        disk = MemoryDisk("disk0", 1024)
        for fault in faults:
            disk = FaultyDisk(self.machine, disk, disk_fault(fault))
        disk = model_disk(self.machine, disk, disk_profile(model))
        self.disk = ObservedDisk(self.machine, disk)
        self.hook = self.machine.sim.hook
        self.events = []
        self.end_subscription = self.hook.subscribe(self.listen)
        self.ended = []

    def listen(self, time_ns, event):
        self.events.append((time_ns, event))

    def submit(self, operation, sector=0, sectors=8, end_io=None):
        buffer = None if operation == FLUSH else np.zeros(sectors * 512, np.uint8)
        request = DiskRequest(operation, sector, buffer, end_io or self.ended.append)
        self.disk.submit(request)
        return request

    def of(self, kind):
        return [event for _, event in self.events if isinstance(event, kind)]


@pytest.fixture
def lab():
    return Lab()


def test_an_observed_disk_is_a_disk():
    def observed(machine):
        machine.sim.hook.subscribe(lambda _time_ns, _event: None)
        return ObservedDisk(machine, MemoryDisk("disk0", 4096))

    check_block_device(observed)


def test_an_access_is_told_as_it_is_asked_for_and_as_it_ends(lab):
    with lab.hook.working_for(7):
        lab.submit(WRITE, 16)
    lab.machine.sim.run()
    assert lab.events == [
        (0, DiskSubmitted("disk0", 1, 7, "write", 16, 8, False)),
        (MS, DiskServiced("disk0", "write", 16, 8, 0, 0, (1,))),
        (MS, DiskEnded("disk0", 1, "write", 16, 8, 0)),
    ]


def test_a_flush_is_at_sector_0_and_has_none(lab):
    lab.submit(FLUSH)
    lab.machine.sim.run()
    assert [(e.sector, e.sectors) for e in lab.of((DiskSubmitted, DiskEnded))] == [(0, 0)] * 2
    assert [event.numbers for event in lab.of(DiskServiced)] == [(1,)]


def test_what_was_merged_names_all_that_it_was():
    lab = Lab(model={**SERIAL, "scheduler": "mq-deadline"})
    for sector in (800, 0, 8, 16):
        lab.submit(READ, sector)
    lab.machine.sim.run()
    assert [event.numbers for event in lab.of(DiskServiced)] == [(1,), (2, 3, 4)]


def test_a_fault_names_the_access_that_it_strikes():
    lab = Lab(faults=[{"kind": "read-persistent", "sectors": [[8, 8]]}])
    lab.submit(READ, 0)
    lab.submit(READ, 8)
    lab.machine.sim.run()
    assert lab.of(DiskFaultFired) == [DiskFaultFired("disk0", "read-persistent", "read", 8, 8, 2)]
    assert [event.status for event in lab.of(DiskEnded)] == [0, errno.EIO]


def test_what_follows_an_access_is_for_the_same(lab):
    with lab.hook.working_for(7):
        lab.submit(FLUSH, end_io=lambda _: lab.submit(WRITE))
    lab.machine.sim.run()
    assert [event.origin for event in lab.of(DiskSubmitted)] == [7, 7]
    assert lab.hook.origin == 0


def test_an_owner_gets_its_request_back_as_it_was(lab):
    request = lab.submit(READ)
    lab.machine.sim.run()
    assert lab.ended == [request]
    assert request.number == 0
    lab.end_subscription()
    lab.disk.submit(request)
    lab.machine.sim.run()
    assert lab.ended == [request] * 2
