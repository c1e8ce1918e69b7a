"""Disk faults: what each does to an access, and what it leaves."""

import errno

import numpy as np
import pytest

from raidsim import Machine
from raidsim.disk import FLUSH, READ, WRITE, DiskRequest, MemoryDisk
from raidsim.disk.events import DiskFaultFired
from raidsim.disk.faults import DISK_FAULTS, FaultyDisk, disk_fault
from raidsim.disk.stable import StableStorage
from raidsim.sim import FaultError
from raidsim.tables import TableError

EIO = errno.EIO


class Lab:
    """A disk of 256 sectors, each full of its number, with a fault."""

    def __init__(self, kind, *, timed=False, seed=0, **table):
        self.machine = Machine(seed, timed=timed, kernel="numpy")
        self.memory = MemoryDisk("disk0", 256)
        self.memory.image[:] = np.repeat(np.arange(256), 512)
        self.before = self.memory.image.copy()
        self.fault = disk_fault({"kind": kind, **table})
        self.disk = FaultyDisk(self.machine, self.memory, self.fault)
        self.events = []
        self.machine.sim.hook.subscribe(lambda _, event: self.events.append(event))

    def submit(self, operation, sector=0, sectors=1, value=0, *, fua=False):
        buffer = None if operation == FLUSH else np.full(sectors * 512, value, np.uint8)
        request = DiskRequest(operation, sector, buffer, self.ended, fua=fua)
        request.status = None
        self.disk.submit(request)
        return request

    def ended(self, request):
        request.owner = self.machine.sim.now_ns

    def run(self, *arguments, **settings):
        request = self.submit(*arguments, **settings)
        self.machine.sim.run()
        return request

    def read(self, sector=0, sectors=1):
        return self.run(READ, sector, sectors).status

    def write(self, sector=0, sectors=1, value=0):
        return self.run(WRITE, sector, sectors, value).status

    def changed(self):
        """Sectors that are not what they were."""
        return sorted(set(np.flatnonzero(self.memory.image != self.before) // 512))


def test_every_fault_takes_a_table_of_plain_values():
    for kind in DISK_FAULTS:
        rule = {"sectors": [[1, 2]], "nth": 1, "interval": 2, "probability": 0.5, "state": "a"}
        assert disk_fault({"kind": kind, **rule, "new_state": "b", "count": 1}).kind == kind


@pytest.mark.parametrize(
    ("table", "mistakes"),
    [
        ({}, ["kind = None: choose from corrupt"]),
        ({"kind": "read-fixabel"}, ["kind = 'read-fixabel': did you mean 'read-fixable'?"]),
        (
            {"kind": "slow", "delay_ns": "1 s", "sectors": 4, "probabilty": 1, "count": -1},
            [
                "delay_ns = '1 s': expected a whole number",
                "sectors: 4 names no sectors",
                "unknown probabilty: did you mean 'probability'?",
                "count = -1: at least 0",
            ],
        ),
        ({"kind": "slow", "delay_ns": 0}, ["delay_ns = 0: at least 1"]),
        ({"kind": "hang", "timeout_ns": -1}, ["timeout_ns = -1: at least 0"]),
        (
            {"kind": "lost-write", "operations": ["read", "wirte"]},
            [
                "it does not strike 'read': choose from write",
                "it does not strike 'wirte': did you mean 'write'?",
            ],
        ),
        ({"kind": "fail-stop", "dead": True}, ["unknown dead: "]),
    ],
)
def test_all_that_is_wrong_with_a_table_is_told_at_once(table, mistakes):
    with pytest.raises(TableError) as caught:
        disk_fault(table)
    found = caught.value.mistakes
    assert len(found) == len(mistakes)
    assert all(text.startswith(start) for text, start in zip(found, mistakes, strict=True))


def test_a_fault_that_waits_for_a_time_needs_a_clock():
    with pytest.raises(FaultError, match="'corrupt': start_ns and end_ns need a timed machine"):
        Lab("corrupt", start_ns=5)
    Lab("corrupt", timed=True, start_ns=5)


def test_a_strike_is_counted_and_told():
    lab = Lab("read-transient", sectors=[[4, 2]])
    assert [lab.read(0, 4), lab.read(3, 2), lab.read(6), lab.write(4)] == [0, EIO, 0, 0]
    assert (lab.fault.seen, lab.fault.fired) == (1, 1)
    assert lab.events == [DiskFaultFired("disk0", "read-transient", "read", 3, 2)]


def test_a_fault_may_be_for_some_operations_alone():
    lab = Lab("fail-stop", operations=["write"], nth=2)
    assert [lab.read(), lab.read(), lab.write(), lab.read(), lab.write(), lab.read()] == [
        *(0, 0, 0, 0, EIO, EIO)
    ]


def test_faults_stack():
    lab = Lab("read-transient", sectors=[[1, 1]])
    lower, second = lab.fault, disk_fault({"kind": "write-transient", "sectors": [[1, 1]]})
    lab.disk = FaultyDisk(lab.machine, lab.disk, second)
    assert [lab.read(1), lab.write(1), lab.read(2), lab.write(2)] == [EIO, EIO, 0, 0]
    assert (lower.fired, second.fired) == (1, 1)
    assert (lab.disk.name, lab.disk.sectors) == ("disk0", 256)


def test_the_same_seed_gives_the_same_strikes():
    def strikes(seed):
        lab = Lab("read-transient", seed=seed, probability=0.5)
        return [lab.read() for _ in range(40)]

    assert strikes(1) == strikes(1) != strikes(2)


def test_a_dead_disk_stays_dead_until_it_is_switched_off():
    lab = Lab("fail-stop", nth=3, count=1)
    assert [lab.read(), lab.write(value=9)] == [0, 0]
    assert [lab.read(), lab.write(5), lab.run(FLUSH).status] == [EIO, EIO, EIO]
    assert lab.changed() == [0]
    assert lab.fault.fired == 3
    lab.disk.switch(on=False)
    assert [lab.read(), lab.write()] == [0, 0]


def test_a_transient_read_error_is_gone_the_next_time():
    lab = Lab("read-transient", count=1)
    assert [lab.read(), lab.read()] == [EIO, 0]


def test_a_transient_write_error_writes_nothing():
    lab = Lab("write-transient", count=1)
    assert lab.write(1, value=9) == EIO
    assert lab.changed() == []
    assert lab.write(1, value=9) == 0
    assert lab.changed() == [1]


def test_sectors_gone_bad_can_not_be_read_even_after_a_write():
    lab = Lab("read-persistent", nth=2, count=1)
    assert [lab.read(8), lab.read(8, 4), lab.read(8), lab.read(11), lab.read(12)] == [
        *(0, EIO, EIO, EIO, 0)
    ]
    assert [lab.write(8, 4), lab.read(8)] == [0, EIO]
    assert lab.fault.fired == 4
    assert list(lab.fault.bad) == [(8, 4)]


def test_of_an_access_only_the_sectors_named_go_bad():
    lab = Lab("read-persistent", sectors=[[10, 1]])
    assert [lab.read(8, 8), lab.read(8, 2), lab.read(11, 4), lab.read(10)] == [EIO, 0, 0, EIO]


def test_a_latent_error_is_healed_by_a_write():
    lab = Lab("read-fixable", sectors=[[8, 8]])
    assert lab.read(0, 16) == EIO
    assert lab.write(8, 4) == 0
    assert [lab.read(8, 4), lab.read(12), lab.read(8, 8)] == [0, EIO, EIO]
    assert lab.write(0, 32) == 0
    assert [lab.read(0, 32), lab.read(12)] == [0, 0]


def test_a_latent_error_may_be_healed_before_anybody_met_it():
    lab = Lab("read-fixable", sectors=[[8, 8]])
    lab.write(8, 8)
    assert lab.read(8, 8) == 0
    assert lab.fault.fired == 0


def test_switched_off_bad_sectors_read_and_switched_on_they_do_not():
    lab = Lab("read-fixable", sectors=[[8, 8]])
    assert lab.read(8) == EIO
    lab.disk.switch(on=False)
    assert lab.read(8) == 0
    lab.disk.switch(on=True)
    assert lab.read(8) == EIO


def test_sectors_that_can_not_be_written_are_read_as_they_were():
    lab = Lab("write-persistent", sectors=[[8, 1]])
    assert [lab.write(8, 1, 99), lab.write(8, 2, 99), lab.write(9, 1, 99), lab.read(8)] == [
        *(EIO, EIO, 0, 0)
    ]
    assert lab.changed() == [9]


def test_rot_changes_one_bit_for_good():
    lab = Lab("corrupt", count=1)
    request = lab.run(READ, 16, 8)
    assert request.status == 0
    difference = lab.memory.image ^ lab.before
    assert np.unpackbits(difference).sum() == 1
    assert 16 <= lab.changed()[0] < 24
    assert np.array_equal(request.buffer, lab.memory.image[16 * 512 : 24 * 512])
    assert request.end_io == lab.ended
    assert np.array_equal(lab.run(READ, 16, 8).buffer, request.buffer)


def test_rot_is_where_it_was_asked_for():
    wrong = set()
    for seed in range(30):
        lab = Lab("corrupt", seed=seed, count=1, sectors=[[18, 2], [21, 1]])
        assert lab.read(16, 8) == 0
        wrong.update(lab.changed())
    assert wrong == {18, 19, 21}


def test_nothing_rots_where_a_read_fails():
    lab = Lab("read-transient")
    lab.disk = FaultyDisk(lab.machine, lab.disk, disk_fault({"kind": "corrupt"}))
    assert lab.read() == EIO
    assert lab.changed() == []


def test_a_lost_write_is_acknowledged():
    lab = Lab("lost-write", count=1)
    assert [lab.write(3, 4, 9), lab.write(5, 1, 9)] == [0, 0]
    assert lab.changed() == [5]


@pytest.mark.parametrize(
    ("sector", "displacement", "sectors", "changed"),
    [(8, 8, 2, [16, 17]), (8, -3, 1, [5]), (252, 8, 4, [244, 245, 246, 247]), (2, -8, 1, [10])],
)
def test_a_misdirected_write_lands_elsewhere(sector, displacement, sectors, changed):
    lab = Lab("misdirected-write", displacement=displacement)
    assert lab.write(sector, sectors, 99) == 0
    assert lab.changed() == changed


def test_of_a_torn_write_the_beginning_is_done():
    written = set()
    for seed in range(40):
        lab = Lab("torn-write", seed=seed)
        assert lab.write(8, 4, 99) == 0
        assert lab.changed() == list(range(8, 8 + len(lab.changed())))
        written.add(len(lab.changed()))
    assert written == {1, 2, 3}


def test_one_sector_does_not_tear():
    lab = Lab("torn-write")
    assert lab.write(8, 1, 99) == 0
    assert lab.changed() == [8]
    assert (lab.fault.seen, lab.fault.fired) == (0, 0)


def test_an_ignored_flush_leaves_what_was_written_unstable():
    lab = Lab("ignored-flush", enabled=False)
    storage = lab.disk.disk = StableStorage(lab.memory, 1 << 20)
    lab.write(8, 1, 99)
    lab.run(FLUSH)
    assert storage.unflushed_writes == 0
    lab.disk.switch(on=True)
    lab.write(9, 1, 99)
    assert lab.run(FLUSH).status == 0
    assert lab.run(WRITE, 10, 1, 99, fua=True).status == 0
    assert storage.unflushed_writes == 2
    assert lab.fault.fired == 2
    assert lab.changed() == [8, 9, 10]


def test_a_slow_access_takes_longer():
    lab = Lab("slow", timed=True, delay_ns=1000, operations=["read"], interval=2)
    times = [lab.run(READ).owner for _ in range(4)]
    assert times == [0, 1000, 1000, 2000]
    assert lab.run(WRITE).owner == 2000


def test_what_hangs_has_no_answer_until_the_fault_is_switched_off():
    lab = Lab("hang", count=2)
    first, second = lab.run(READ, 1), lab.run(WRITE, 2, 1, 99)
    assert (first.status, second.status, lab.read(3)) == (None, None, 0)
    lab.disk.switch(on=False)
    assert (first.status, second.status) == (0, 0)
    assert lab.changed() == [2]


def test_a_host_gives_up_on_what_hangs():
    lab = Lab("hang", timed=True, timeout_ns=30_000_000_000, count=1)
    request = lab.run(READ)
    assert (request.status, request.owner) == (errno.ETIMEDOUT, 30_000_000_000)
    lab.disk.switch(on=False)
    assert lab.read() == 0


def test_a_host_does_not_give_up_on_what_was_answered():
    lab = Lab("hang", timed=True, timeout_ns=1000, count=1)
    request = lab.submit(READ)
    lab.disk.switch(on=False)
    lab.machine.sim.run()
    assert (request.status, request.owner) == (0, 0)


def test_a_watch_arms_another_fault():
    lab = Lab("watch", operations=["flush"], nth=2, count=1, new_state="flushed twice")
    death = disk_fault({"kind": "write-transient", "state": "flushed twice", "count": 1})
    lab.disk = FaultyDisk(lab.machine, lab.disk, death)
    lab.run(FLUSH)
    assert lab.write() == 0
    lab.run(FLUSH)
    assert [lab.write(), lab.write()] == [EIO, 0]
