"""Puts this directory on the import path, for ``md_rig``, and its arrays under the sanitizer."""

import pytest

from raidsim import Machine
from raidsim.disk.sanitized import SanitizedDisk
from raidsim.md.mddev import Mddev


@pytest.fixture(autouse=True)
def sanitized(monkeypatch):
    """Every machine that does not ask for a sanitizer gets one, which may not report anything."""
    machines = []
    start_machine, start_array = Machine.__init__, Mddev.__init__

    def machine_init(machine, *arguments, **settings):
        if "sanitize" not in settings:
            machines.append(machine)
        start_machine(machine, *arguments, **{"sanitize": True} | settings)

    def mddev_init(mddev, machine, geometry, superblock, rdevs, **settings):
        for rdev in rdevs:
            if machine in machines:
                rdev.disk = SanitizedDisk(rdev.disk, machine.sanitizer)
        start_array(mddev, machine, geometry, superblock, rdevs, **settings)

    monkeypatch.setattr(Machine, "__init__", machine_init)
    monkeypatch.setattr(Mddev, "__init__", mddev_init)
    yield
    reports = [report for machine in machines for report in machine.sanitizer.reports]
    assert "\n".join(str(report) for report in reports if not of_the_client(report)) == ""


def of_the_client(report):
    """Whether a client reads what it writes at the same time: md, as Linux, has no order there."""
    sides = report.first + report.second
    return "in ops_run_biofill" in sides and "in ops_run_biodrain" in sides
