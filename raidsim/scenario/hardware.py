"""The hardware of a scenario: each image under its faults and its drive's model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.array.hardware import SimulatedHardware
from raidsim.disk import FLUSH, READ
from raidsim.disk.faults import PowerSupply
from raidsim.disk.models import DiskProfile, disk_profile, load_disk_profile, model_disk
from raidsim.disk.observed import ObservedDisk
from raidsim.disk.stable import StableStorage
from raidsim.disk.wrapper import DiskWrapper

if TYPE_CHECKING:
    from collections import defaultdict

    from raidsim.disk import Disk, DiskRequest, ImageDisk
    from raidsim.machine import Machine
    from raidsim.scenario.faults import Faults
    from raidsim.scenario.model import DisksTable


class Accesses:
    """What a disk was asked for, metadata included.

    Attributes:
        reads, writes, flushes: How many accesses.
        read_sectors, written_sectors: Their sectors.
    """

    __slots__ = ("flushes", "read_sectors", "reads", "writes", "written_sectors")

    def __init__(self) -> None:
        self.reads = self.writes = self.flushes = self.read_sectors = self.written_sectors = 0

    def to_table(self) -> dict[str, int]:
        """Plain values, for JSON."""
        return {name: getattr(self, name) for name in sorted(self.__slots__)}


class CountedDisk(DiskWrapper):
    """A disk whose accesses are counted."""

    __slots__ = ("_accesses",)

    def __init__(self, disk: Disk, accesses: Accesses) -> None:
        super().__init__(disk)
        self._accesses = accesses

    def submit(self, request: DiskRequest) -> None:
        """Count ``request`` and pass it on."""
        accesses = self._accesses
        if request.buffer is None or request.operation == FLUSH:
            accesses.flushes += 1
        elif request.operation == READ:
            accesses.reads += 1
            accesses.read_sectors += len(request.buffer) >> 9
        else:
            accesses.writes += 1
            accesses.written_sectors += len(request.buffer) >> 9
        self.disk.submit(request)


class ScenarioHardware(SimulatedHardware):
    """A machine with a scenario's disks.

    Args:
        machine: The machine.
        disks: What the scenario says of disks.
        faults: Their faults.
        accesses: Where each disk's accesses are counted, by its name.
        observed: Somebody wants to be told of each access.
        with_power_cuts: The power may be cut, which has to be prepared for.

    Attributes:
        supply: What all disks are plugged into, if the power may be cut.
    """

    def __init__(
        self,
        machine: Machine,
        disks: DisksTable,
        faults: Faults,
        accesses: defaultdict[str, Accesses],
        *,
        observed: bool,
        with_power_cuts: bool,
    ) -> None:
        super().__init__(machine)
        self._disks = disks
        self._faults = faults
        self._accesses = accesses
        self._observed = observed
        self.supply = PowerSupply(machine) if with_power_cuts else None

    def disk(self, image: ImageDisk) -> Disk:
        """What md is given of a member: from the image up stable storage, faults, model, plug."""
        disk = super().disk(image)
        profile = drive(self._disks.model_of(image.path.stem))
        storage = None
        if self.supply is not None:
            cache_bytes = 0 if profile is None else profile.volatile_cache_bytes
            disk = storage = StableStorage(disk, cache_bytes)
        disk = self._faults.put_on_disk(self.machine, disk)
        if profile is not None:
            disk = model_disk(self.machine, disk, profile)
        if self.supply is not None and storage is not None:
            disk = self.supply.plug(disk, storage)
        if self._observed:
            disk = ObservedDisk(self.machine, disk)
        return CountedDisk(disk, self._accesses[image.path.stem])


def drive(model: object) -> DiskProfile | None:
    """The profile that a scenario's ``model`` means."""
    if isinstance(model, dict):
        return disk_profile(model)
    return load_disk_profile(model) if isinstance(model, str) else None
