"""md under the sanitizer and under explored schedules: no report, and the bytes of software."""

import numpy as np
import pytest
from md_rig import Rig

from raidsim import Machine
from raidsim.disk.sanitized import SanitizedDisk
from raidsim.dmaengine.drivers.faults import (
    FAILS,
    NEVER_COMPLETES,
    STUCK,
    EngineFault,
    inject_fault,
)
from raidsim.errors import RaidsimError
from raidsim.md.raid5 import ops

LEVELS = {4: 4, 5: 5, 6: 6}
ENGINES = ("software", "iop13xx", "iop32x", "mv_xor-kirkwood")


def start(level, machine):
    """An array with spares and wrong parity, whose members the sanitizer watches."""
    disks = LEVELS[level]
    rig = Rig(level, disks, machine=machine, spares=2, rows=2, chunk_kib=16, parity=False)
    for rdev in rig.mddev.rdevs:
        rdev.disk = SanitizedDisk(rdev.disk, machine.sanitizer)
    rig.settle()
    return rig


def machine_with(engine, **settings):
    engines = [] if engine == "software" else [engine]
    return Machine(engines=engines, kernel="numpy", sanitize=True, **settings)


def workload(rig, level, seed=7):
    """Repair; writes small and large, at once and alone; degraded; rebuild; check."""
    rig.sync("repair")
    assert not rig.wrong_parity()
    sectors = rig.mddev.array_sectors
    rig.write(0, 8, seed=seed)
    rig.write(3, 5, seed=seed + 1)
    rig.write(0, sectors, seed=seed + 2)
    pending = [
        rig.begin_write(start, rig.model[start * 512 :][:4096].tobytes())
        for start in range(0, sectors - 8, 24)
    ]
    rig.run()
    assert all(bio.done for bio in pending)
    lost = (1, 2) if level == 6 else (1,)
    for slot in lost:
        rig.fail(slot)
        rig.write(16, 40, seed=seed + 3 + slot)
        assert rig.reads_right()
    rig.rebuild()
    for slot in lost:
        rig.place(slot, rig.rdev(slot).desc_nr)
    rig.sync("check")
    assert rig.mddev.resync_mismatches == 0
    return [image.tobytes() for image in rig.images()]


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("level", list(LEVELS))
def test_md_runs_clean_under_the_sanitizer(level, engine, timed):
    machine = machine_with(engine, timed=timed)
    workload(start(level, machine), level)
    machine.stop()
    assert not machine.sanitizer._granules


@pytest.mark.parametrize("cpu", range(4))
def test_md_gives_the_members_of_software_on_any_cpus_channels(cpu):
    machine = machine_with("ioat3.2-raid", cpus=4)
    with machine.on_cpu(cpu):
        found = workload(start(6, machine), 6)
    assert found == workload(start(6, machine_with("software")), 6)
    (device,) = machine.dmaengine.devices
    used = [chan.name for chan in device.channels if chan.counts.operations["pq"]]
    assert used == [f"dma0chan{cpu}"]
    machine.stop()


def explore(seeds):
    expected = {level: workload(start(level, machine_with("software")), level) for level in LEVELS}
    for seed in seeds:
        level = (4, 5, 6)[seed % 3]
        engine = ENGINES[1 + seed // 3 % 3]
        machine = machine_with(engine, seed=seed, explore=True, timed=bool(seed // 9 % 2))
        found = workload(start(level, machine), level)
        assert found == expected[level], f"seed {seed}: level {level} on {engine}"
        machine.stop()


def test_dozens_of_schedules_of_md_give_the_members_of_software():
    explore(range(36))


@pytest.mark.slow
def test_a_thousand_schedules_of_md_give_the_members_of_software():
    explore(range(1000, 2000))


def test_a_stripe_that_is_written_before_its_parity_is_there_is_reported(monkeypatch):
    machine = machine_with("iop13xx")
    rig = start(5, machine)
    run_reconstruct = ops.ops_run_reconstruct5

    def impatient(conf, sh, tx):
        run_reconstruct(conf, sh, tx)
        disk = conf.disks[sh.plan.pd_idx].disk
        request = sh.slab.requests[sh.plan.pd_idx]
        monkeypatch.setattr(request, "end_io", lambda _: None, raising=False)
        request.operation, request.sector = 1, sh.sector
        disk.submit(request)

    monkeypatch.setattr(ops, "ops_run_reconstruct5", impatient)
    rig.begin_write(0, bytes(4096))
    rig.run()
    report = machine.sanitizer.reports[0]
    assert report.what.startswith("xor on dma")
    assert " and write to disk" in report.what
    assert "raidsim/md/raid5/ops.py:" in report.first
    assert "test_md_sanitized.py:" in report.second
    assert report.missing.startswith("an order: submit the second after its callback")


def test_a_client_that_changes_its_buffer_while_it_is_written_is_reported():
    machine = machine_with("iop13xx", timed=True)
    rig = start(5, machine)
    bio = rig.begin_write(0, bytes(4096))
    machine.sim.run_until(lambda: machine.sanitizer._in_flight, "a copy from the bio")
    while not machine.sanitizer.reports and machine.sim._step():
        machine.sanitizer.cpu_write(bio.buffer)
    assert "memcpy on dma" in machine.sanitizer.reports[0].first
    assert "ops_run_biodrain" in machine.sanitizer.reports[0].first


def test_a_client_that_reads_what_it_writes_is_reported():
    machine = machine_with("iop13xx", timed=True)
    rig = start(5, machine)
    rig.fail(1)
    sectors = rig.mddev.array_sectors
    for sector in range(0, sectors, 8):
        rig.begin_read(sector, 8)
        rig.begin_write(sector, bytes(4096))
    rig.run()
    for report in machine.sanitizer.reports:
        assert "in ops_run_biofill" in report.first + report.second
        assert "in ops_run_biodrain" in report.first + report.second
    assert machine.sanitizer.reports


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("kind", [NEVER_COMPLETES, FAILS, STUCK])
@pytest.mark.parametrize("level", list(LEVELS))
def test_md_on_an_engine_that_fails_ends_in_a_clear_error_never_a_hang(level, kind, timed):
    machine = machine_with("iop13xx", timed=timed)
    rig = start(level, machine)
    for device in machine.dmaengine.devices:
        for chan in device.channels:
            inject_fault(chan, EngineFault(kind=kind, operations=("memcpy", "xor", "pq")))
    bio = rig.begin_write(0, np.ones(16 * 512, np.uint8).tobytes())
    with pytest.raises(RaidsimError, match=r"^[^\n]*$"):
        machine.sim.run_until(lambda: bio.done, "the write")
    assert not bio.done
