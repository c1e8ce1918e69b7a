from __future__ import annotations

import numpy as np
import pytest

from raidsim import Machine
from raidsim.disk import WRITE, DiskRequest, MemoryDisk
from raidsim.errors import UsageError
from raidsim.scenario import make_scenario
from raidsim.scenario.faults import Faults


@pytest.fixture
def faults(table):
    """The faults of a run with a slow fault on all disks, and one on disk1 that hangs."""
    hang = {"name": "stuck", "kind": "hang"}
    disks = {"faults": [{"kind": "slow"}], "disk1": {"faults": [hang]}}
    return Faults(make_scenario(table(disks=disks)))


def _write(disk):
    answers = []
    disk.submit(DiskRequest(WRITE, 0, np.ones(512, np.uint8), answers.append))
    return answers


def test_a_fault_of_all_disks_is_one_and_counts_on_all(faults):
    machine = Machine(timed=True)
    for name in ("disk0", "disk2"):
        _write(faults.put_on_disk(machine, MemoryDisk(name, 8)))
    assert faults.fired("slow") == faults.fired("disks.slow") == 2
    assert [fault.name for fault in faults] == ["disks.slow", "disk1.stuck"]


def test_faults_are_found_by_name_and_nothing_else(faults):
    assert [fault.name for fault in faults.named("stuck")] == ["disk1.stuck"]
    with pytest.raises(UsageError, match="no fault 'stick': choose from"):
        faults.named("stick")


def test_what_hangs_when_the_power_is_cut_is_never_answered(faults):
    machine = Machine(timed=True)
    image = MemoryDisk("disk1", 8)
    answers = _write(faults.put_on_disk(machine, image))
    machine.sim.run()
    faults.power_lost()
    another = Machine(timed=True)
    faults.put_on_disk(another, image)
    faults.switch("stuck", on=False)
    another.sim.run()
    assert not answers
    assert not image.image.any()


def test_a_fault_keeps_its_state_on_the_next_machine(faults):
    image = MemoryDisk("disk1", 8)
    for _ in range(2):
        machine = Machine(timed=True)
        _write(faults.put_on_disk(machine, image))
        machine.sim.run()
    assert faults.fired("stuck") == 2
