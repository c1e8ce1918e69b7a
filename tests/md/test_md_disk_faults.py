"""An array on disks that go wrong: content outlives each fault, and check finds what is silent."""

import numpy as np
import pytest
from md_rig import DATA_OFFSET, Rig

from raidsim import Machine
from raidsim.disk.faults import FaultyDisk, disk_fault
from raidsim.disk.stack import stack_disk

LEVELS = pytest.mark.parametrize("level", [4, 5, 6])
VICTIM = 1


def faulty_rig(level, *, timed=True, seed=0, **table):
    rig = Rig(level, 5, machine=Machine(seed, timed=timed, kernel="numpy"))
    rig.settle()
    rdev = rig.rdev(VICTIM)
    rdev.disk = FaultyDisk(rig.machine, rdev.disk, disk_fault(table))
    return rig, rdev.disk


def work(rig):
    """Writes of all sizes, and reads; False if any of them failed or read wrong."""
    right = True
    for number, (sector, sectors) in enumerate([(0, 8), (40, 256), (300, 3), (8, 700), (500, 16)]):
        right &= not rig.write(sector, sectors, seed=number).status
        right &= rig.reads_right(sector, sectors)
    return right and rig.reads_right()


def data_sectors(first, count):
    return [[DATA_OFFSET + first, count]]


@LEVELS
@pytest.mark.parametrize(
    "table",
    [
        {"kind": "fail-stop", "nth": 7},
        {"kind": "fail-stop", "start_ns": 300_000},
        {"kind": "read-transient", "interval": 3},
        {"kind": "read-transient", "probability": 0.2},
        {"kind": "read-persistent", "sectors": data_sectors(64, 8)},
        {"kind": "read-fixable", "sectors": data_sectors(3, 200)},
        {"kind": "read-fixable", "probability": 0.2},
        {"kind": "write-transient", "nth": 3, "count": 1},
        {"kind": "write-persistent", "sectors": data_sectors(64, 1)},
        {"kind": "slow", "delay_ns": 20_000_000, "interval": 2},
        {"kind": "hang", "nth": 5, "timeout_ns": 30_000_000_000},
        {"kind": "ignored-flush"},
        {"kind": "watch"},
    ],
    ids=lambda table: "-".join(str(value) for value in table.values()),
)
def test_content_outlives_a_fault(level, table):
    rig, disk = faulty_rig(level, **table)
    member = rig.rdev(VICTIM)
    assert work(rig)
    rig.idle()  # which writes superblocks, and so flushes
    assert disk.fault.fired
    if not member.faulty:
        assert rig.wrong_parity() == []


@LEVELS
def test_what_hangs_for_ever_stops_a_write_until_it_is_let_go(level):
    rig, disk = faulty_rig(level, kind="hang", count=1)
    data = np.full(300 * 512, 7, np.uint8)
    bio = rig.begin_write(0, data.tobytes())
    rig.run()
    assert not bio.done
    disk.switch(on=False)
    rig.run()
    assert bio.done
    assert not bio.status


@LEVELS
@pytest.mark.parametrize("kind", ["corrupt", "lost-write", "misdirected-write", "torn-write"])
def test_check_finds_what_went_wrong_without_a_word(level, kind):
    found = 0
    for seed in range(4):
        rig, disk = faulty_rig(level, seed=seed, kind=kind, count=1)
        rig.write(0, rig.mddev.array_sectors, seed=seed)
        if kind == "corrupt":
            rig.reads_right()
        assert disk.fault.fired == 1
        thread = rig.sync("check")
        assert thread.finished
        units = {sector // 8 for _, sector in rig.wrong_parity()}
        assert rig.mddev.resync_mismatches == 8 * len(units)
        found += len(units)
    assert found


@pytest.mark.parametrize("model", ["constellation-es3", "850-evo", "dc-p4500"])
def test_an_array_of_modelled_drives_runs_the_same_for_the_same_seed(model):
    def run(seed):
        rig = Rig(6, 5, machine=Machine(seed, timed=True, kernel="numpy"))
        rig.settle()
        events = []
        rig.machine.sim.hook.subscribe(lambda time_ns, event: events.append((time_ns, event)))
        for rdev in rig.mddev.rdevs:
            rot = {"kind": "read-transient", "probability": 0.1}
            table = {"model": model, "faults": [rot] if rdev.raid_disk == VICTIM else []}
            rdev.disk = stack_disk(rig.machine, rdev.disk, table).disk
        assert work(rig)
        rig.idle()
        return [event for event in events if "disk" in event[1]._fields], rig.images()

    (log, images), (again, images_again) = run(1), run(1)
    assert len(log) > 50
    assert log == again
    assert all(map(np.array_equal, images, images_again))
    assert log != run(2)[0]


def test_a_latent_error_met_during_a_rebuild_of_raid6_costs_nothing():
    rig = Rig(6, 5, missing=[3], spares=1, machine=Machine(timed=True, kernel="numpy"))
    rdev = rig.rdev(VICTIM)
    fault = disk_fault({"kind": "read-fixable", "sectors": data_sectors(24, 16)})
    rdev.disk = FaultyDisk(rig.machine, rdev.disk, fault)
    rig.rebuild()
    rig.place(3, 5)
    assert fault.fired
    assert rig.reads_right()
    assert rig.wrong_parity() == []
