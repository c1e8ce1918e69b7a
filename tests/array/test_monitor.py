"""A running array watched: what its counters say, and that it pays nothing unwatched."""

import numpy as np
import pytest

from raidsim import Machine
from raidsim.array import Array, ArraySpec
from raidsim.array.hardware import Hardware
from raidsim.array.monitor import Monitor
from raidsim.errors import UsageError

CHUNK = 64 << 10


def make(path, *, level=5, disks=4, spares=0, engines=()):
    hardware = Hardware(Machine(kernel="numpy", engines=engines, timers=True))
    spec = ArraySpec(level=level, raid_disks=disks, layout=2, chunk_sectors=128, spare_disks=spares)
    return Array.create(path, spec, image_bytes=3 << 20, hardware=hardware)


@pytest.fixture
def array(tmp_path):
    with make(tmp_path / "a") as made:
        yield made


@pytest.fixture
def monitor(array):
    with Monitor(array) as watching:
        yield watching


def test_writes_are_counted_by_the_way_they_go(tmp_path):
    row = 4 * CHUNK
    with make(tmp_path / "w", disks=5) as array, Monitor(array) as monitor:
        array.write(0, b"x" * row)
        array.write(row, b"x" * 4096)
        array.write(2 * row, b"x" * (3 * CHUNK))
        stripes = monitor.activity().stripes
    assert (stripes.rmw, stripes.rcw, stripes.full_row) == (1, 16, 16)


def test_the_stripe_cache_is_accounted_for(array, monitor):
    array.write(0, b"x" * 4096)
    stripes = monitor.activity().stripes
    parts = ("free", "idle", "handle", "hold", "delayed", "bitmap", "busy")
    assert sum(getattr(stripes, part) for part in parts) == stripes.capacity == 256
    assert stripes.idle == 1


def test_disks_are_counted_only_while_watched(array, monitor):
    disks = [rdev.disk for rdev in array.mddev.rdevs]
    array.read(0, 4096)
    assert not any(member.reads for member in monitor.activity().members)
    monitor.watch()
    array.read(0, 4096)
    watched = monitor.activity().members
    assert sum(member.reads for member in watched) == 1
    assert sum(member.read_bytes for member in watched) == 4096
    assert all(member.in_flight == 0 for member in watched)
    monitor.unwatch()
    assert [rdev.disk for rdev in array.mddev.rdevs] == disks


def test_the_log_has_what_md_says(array, monitor):
    array.fail("1")
    (event,) = monitor.activity().events
    assert (event.level, event.text) == (
        "warning",
        "raid: disk failure on disk1.img, disabling device",
    )


def test_the_log_has_nothing_of_another_array(tmp_path, array, monitor):
    with make(tmp_path / "b") as other, Monitor(other) as watching:
        other.fail("2")
        array.fail("1")
        texts = [[e.text for e in m.activity().events] for m in (monitor, watching)]
    assert texts == [
        ["raid: disk failure on disk1.img, disabling device"],
        ["raid: disk failure on disk2.img, disabling device"],
    ]


def test_the_log_ends_with_the_monitor(array):
    with Monitor(array) as monitor:
        pass
    array.fail("1")
    assert not monitor.activity().events


def test_syncs_are_logged_in_the_kernels_words(tmp_path):
    with make(tmp_path / "b", spares=1) as array, Monitor(array) as monitor:
        array.fail("0")
        array.rebuild()
        array.check()
        assert [event.text for event in monitor.activity().events][1:] == [
            "md: recovery of RAID array",
            "md: recovery done.",
            "md: data-check of RAID array",
            "md: data-check done.",
        ]


def test_channels_tell_what_they_were_given(tmp_path):
    with make(tmp_path / "c", level=6, engines=["iop13xx"]) as array, Monitor(array) as monitor:
        array.write(0, b"x" * (2 * CHUNK))
        *engines, software = monitor.activity().channels
        assert software.name == "software"
        assert sum(channel.operations for channel in engines) > 0
        assert {what for channel in engines for what in channel.chosen_for} >= {"xor", "pq"}
        assert all(channel.queued == 0 for channel in engines)
        pq = next(channel for channel in engines if "pq" in channel.chosen_for)
        assert dict(pq.by_operation)["pq"] > 0


# -- faults ---------------------------------------------------------------------------------------


def test_a_fault_strikes_while_it_is_there(array, monitor):
    array.write(0, b"x" * CHUNK)
    number = monitor.injection.inject("disk0.img", {"kind": "read-transient"})
    assert array.read(0, 4096) == b"x" * 4096
    (fault,) = monitor.injection.snapshots()
    assert (fault.number, fault.target, fault.kind) == (number, "disk0.img", "read-transient")
    assert fault.fired > 0
    monitor.injection.remove(number)
    assert not monitor.injection.snapshots()
    assert array.images[array.mddev.personality.conf.disks[0]] in {
        r.disk for r in array.mddev.rdevs
    }


def test_a_fault_that_is_off_is_not_in_the_way(array, monitor):
    rdev = array.mddev.personality.conf.disks[1]
    disk = rdev.disk
    number = monitor.injection.inject("1", {"kind": "fail-stop", "enabled": False})
    assert rdev.disk is disk
    monitor.injection.switch(number, on=True)
    assert rdev.disk is not disk
    monitor.injection.switch(number, on=False)
    assert rdev.disk is disk


def test_faults_and_meters_stack_in_any_order(array, monitor):
    first = monitor.injection.inject("0", {"kind": "watch"})
    monitor.watch()
    monitor.injection.inject("0", {"kind": "watch", "interval": 2})
    monitor.injection.remove(first)
    array.write(0, b"x" * 4096)
    (fault,) = monitor.injection.snapshots()
    counts = next(m for m in monitor.activity().members if m.number == 0)
    assert fault.seen == counts.reads + counts.writes + counts.flushes > 0


def test_what_a_hanging_disk_holds_back_goes_on_when_it_is_switched_off(array, monitor):
    number = monitor.injection.inject("0", {"kind": "hang", "operations": ["read"]})
    from raidsim.md.bio import READ, Bio  # noqa: PLC0415

    bio = Bio(READ, 0, np.zeros(4096, np.uint8))
    array.mddev.submit_bio(bio)
    array.machine.sim.run()
    assert not bio.done
    monitor.injection.remove(number)
    array.machine.sim.run()
    assert bio.done


def test_an_engines_fault_strikes_and_goes(tmp_path):
    with make(tmp_path / "d", level=6, engines=["iop13xx"]) as array, Monitor(array) as monitor:
        table = {"kind": "no_descriptor", "operations": ["pq"], "count": 1}
        channel = next(c.name for c in monitor.activity().channels if "pq" in c.chosen_for)
        number = monitor.injection.inject(channel, table)
        array.write(0, b"x" * (2 * CHUNK))
        (fault,) = monitor.injection.snapshots()
        assert fault.target == channel
        assert fault.fired > 0
        assert fault.rule == "operations=['pq'] count=1"
        monitor.injection.remove(number)
        before = dict(monitor.activity().channels[-1].by_operation)
        array.write(0, b"y" * (2 * CHUNK))
        assert dict(monitor.activity().channels[-1].by_operation) == before


def test_a_fault_that_makes_no_sense_changes_nothing(monitor):
    for target, table, words in (
        ("9", {"kind": "slow"}, "no such disk"),
        ("0", {"kind": "slo"}, "did you mean 'slow'"),
        ("0", {"kind": "slow", "delay": 1}, "did you mean 'delay_ns'"),
    ):
        with pytest.raises(UsageError, match=words):
            monitor.injection.inject(target, table)
    with pytest.raises(UsageError, match="no fault 7"):
        monitor.injection.switch(7, on=True)
    assert not monitor.injection.snapshots()
