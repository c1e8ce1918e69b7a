"""All faults of a run: each once in the file, on one disk or channel or on many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.disk.faults import FaultyDisk, Hang, disk_fault
from raidsim.dmaengine import dma_request_channel, dmaengine_get, dmaengine_put
from raidsim.dmaengine.drivers import EngineFault, inject_fault, register_engine
from raidsim.dmaengine.drivers.descriptor_ring import DescriptorRing
from raidsim.errors import UsageError
from raidsim.tables import from_table, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raidsim.disk import Disk
    from raidsim.disk.faults import DiskFault
    from raidsim.dmaengine import DmaDevice
    from raidsim.machine import Machine
    from raidsim.scenario.model import Scenario
    from raidsim.sim import Trigger


class Fault:
    """One fault of the scenario.

    Attributes:
        name: Its full name: ``disk2.latent``.
        may_not_fire: A run in which it never strikes is all right.
        triggers: What it is on each disk or channel.
    """

    def __init__(self, name: str, *, may_not_fire: bool) -> None:
        self.name = name
        self.may_not_fire = may_not_fire
        self.triggers: list[Trigger] = []

    @property
    def fired(self) -> int:
        """How often it struck."""
        return sum(trigger.fired for trigger in self.triggers)


class Faults:
    """The faults of one run. They outlive the machine: what a disk has spoilt stays so.

    Args:
        scenario: Has their tables.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._faults = {
            name: Fault(name, may_not_fire=rule.may_not_fire) for name, rule in scenario.faults()
        }
        self._of_disks: dict[str, list[DiskFault]] = {}
        self._of_engines: list[list[EngineFault]] = []
        for engine in scenario.engine:
            made = [from_table(EngineFault, rule.table, "engine fault") for rule in engine.faults]
            for rule, fault in zip(engine.faults, made, strict=True):
                self._faults[f"{engine.profile}.{rule.name}"].triggers.append(fault)
            self._of_engines.append(made)
        self._wrappers: dict[int, FaultyDisk] = {}

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults.values())

    # -- on a machine ---------------------------------------------------------------------------

    def put_on_disk(self, machine: Machine, disk: Disk) -> Disk:
        """Wrap ``disk`` in its faults, the first one of the file lowest."""
        for fault in self._faults_of_disk(disk.name.removesuffix(".img")):
            disk = FaultyDisk(machine, disk, fault)
            self._wrappers[id(fault)] = disk
        return disk

    def register_engines(self, machine: Machine) -> None:
        """Give ``machine`` the scenario's engines, faults and all."""
        for engine, faults in zip(self._scenario.engine, self._of_engines, strict=True):
            register = _register_private_engine if engine.private else register_engine
            for device in register(machine, engine.profile):
                for channel in device.channels:
                    assert isinstance(channel, DescriptorRing)
                    for fault in faults:
                        inject_fault(channel, fault)

    def _faults_of_disk(self, name: str) -> list[DiskFault]:
        if name not in self._of_disks:
            disks = self._scenario.disks
            made = self._of_disks[name] = []
            rules = [("disks", rule) for rule in disks.faults]
            if name in disks.single:
                rules += [(name, rule) for rule in disks.single[name].faults]
            for place, rule in rules:
                fault = disk_fault(rule.table)
                made.append(fault)
                self._faults[f"{place}.{rule.name}"].triggers.append(fault)
        return self._of_disks[name]

    # -- by name --------------------------------------------------------------------------------

    def named(self, name: str) -> list[Fault]:
        """The faults of a name, full or without the place.

        Raises:
            UsageError: There is none.
        """
        found = [
            fault
            for fault in self._faults.values()
            if name in {fault.name, fault.name.rpartition(".")[2]}
        ]
        if not found:
            raise UsageError(f"no fault {name!r}: {suggest(name, self._faults)}")
        return found

    def fired(self, name: str) -> int:
        """How often the faults of a name struck."""
        return sum(fault.fired for fault in self.named(name))

    def switch(self, name: str, *, on: bool) -> None:
        """Switch the faults of a name on or off."""
        for fault in self.named(name):
            self._switch(fault, on=on)

    def switch_all_off(self) -> None:
        """Switch every fault off."""
        for fault in self._faults.values():
            self._switch(fault, on=False)

    def power_lost(self) -> None:
        """Nobody is there any more to answer to."""
        for faults in self._of_disks.values():
            for fault in faults:
                if isinstance(fault, Hang):
                    fault.held.clear()

    def _switch(self, fault: Fault, *, on: bool) -> None:
        for trigger in fault.triggers:
            wrapper = self._wrappers.get(id(trigger))
            if wrapper is None:
                trigger.enabled = on
            else:
                wrapper.switch(on=on)


def _register_private_engine(machine: Machine, profile: str) -> Sequence[DmaDevice]:
    """Register an engine of which another driver had channels first (async-tx-api.txt 4.2)."""
    dmaengine_put(machine)
    devices = register_engine(machine, profile)
    for device in devices:
        dma_request_channel(machine, device.cap_mask, lambda chan, of: chan.device is of, device)
    dmaengine_get(machine)
    return devices
