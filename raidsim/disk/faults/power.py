"""A power cut: all disks at once, and the host with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from raidsim.disk.events import PowerFailed
from raidsim.disk.faults.fault import refuse_untimed
from raidsim.disk.wrapper import DiskWrapper
from raidsim.sim import Trigger

if TYPE_CHECKING:
    from random import Random

    from raidsim.disk.request import Disk, DiskRequest
    from raidsim.disk.stable import StableStorage
    from raidsim.machine import Machine


@dataclass(slots=True, kw_only=True)
class PowerCut(Trigger):
    """When the power fails: at ``start_ns`` by itself, or at an access that the rule picks.

    A rule that says nothing but a time needs no access. It is cut once.

    Attributes:
        keep: How likely each 4 KiB block that was written and not flushed is on the medium
            afterwards.
    """

    keep: float = 0.5

    @property
    def title(self) -> str:
        """What messages call it."""
        return "power cut"

    def mistakes(self) -> list[str]:
        """What makes no sense about it, one line each."""
        found = Trigger.mistakes(self)
        if not 0 <= self.keep <= 1:
            found.append(f"keep = {self.keep}: between 0 and 1")
        return found

    @property
    def by_the_clock(self) -> bool:
        """Whether it waits for a time and for no access."""
        return self.start_ns > 0 and not self.nth and self.interval == 1 and self.probability == 1


class PowerSupply:
    """What the disks of one machine are plugged into.

    When the power is cut, nothing of what is under way completes any more, now or later. What was
    written and not flushed is lost or kept, by seed. What is left is in the images: open them
    again, with disks and an array of their own.

    Args:
        machine: Has the clock, the streams of chance and the hook.
        power_cut: When it fails; None leaves it to calls of ``cut``.

    Attributes:
        is_on: Until it is cut.

    Raises:
        FaultError: The cut goes by the clock, and the machine is not timed.
    """

    __slots__ = ("_disks", "_machine", "_power_cut", "_random", "is_on")

    def __init__(self, machine: Machine, power_cut: PowerCut | None = None) -> None:
        sim = machine.sim
        self._machine = machine
        self._power_cut = power_cut
        self._random: Random = sim.random("power cut")
        self._disks: list[PluggedDisk] = []
        self.is_on = True
        if power_cut is not None:
            refuse_untimed(sim, power_cut)
            if power_cut.by_the_clock:
                sim.device_after(power_cut.start_ns - sim.now_ns, self.note_access)

    def plug(self, disk: Disk, storage: StableStorage) -> PluggedDisk:
        """Plug a disk in.

        Args:
            disk: The disk as it is used, models, faults and all.
            storage: What stands directly above its image, below them all.
        """
        plugged = PluggedDisk(disk, storage, self)
        self._disks.append(plugged)
        return plugged

    def note_access(self) -> None:
        """Cut the power if the rule picks this access."""
        power_cut = self._power_cut
        if (
            self.is_on
            and power_cut is not None
            and power_cut.picks(self._machine.sim, self._random)
        ):
            self.cut()

    def cut(self, keep: float | None = None) -> None:
        """Cut the power now.

        Args:
            keep: How likely each block that is not on stable storage yet is kept; by default as
                the rule says, or 0.5 without one.
        """
        if not self.is_on:
            return
        self.is_on = False
        if keep is None:
            keep = 0.5 if self._power_cut is None else self._power_cut.keep
        unsettled = 0
        for disk in self._disks:
            under_way = list(disk.under_way.values())
            unsettled += len(under_way) + disk.storage.unflushed_writes
            disk.storage.cut_power(self._random, keep, under_way)
            disk.under_way.clear()
        names = tuple(disk.name for disk in self._disks)
        self._machine.sim.hook.tell(PowerFailed(names, unsettled))


class PluggedDisk(DiskWrapper):
    """A disk that answers only while it has power.

    Attributes:
        storage: What stands directly above the disk's image.
        under_way: The requests without an answer yet, by identity.
    """

    __slots__ = ("_supply", "storage", "under_way")

    def __init__(self, disk: Disk, storage: StableStorage, supply: PowerSupply) -> None:
        super().__init__(disk)
        self.storage = storage
        self.under_way: dict[int, DiskRequest] = {}
        self._supply = supply

    def submit(self, request: DiskRequest) -> None:
        """Pass ``request`` on and its end back, while there is power."""
        supply = self._supply
        if not supply.is_on:
            return
        owners_end_io = request.end_io

        def end_io(request: DiskRequest) -> None:
            if supply.is_on:
                del self.under_way[id(request)]
                request.end_io = owners_end_io
                owners_end_io(request)

        request.end_io = end_io
        self.under_way[id(request)] = request
        supply.note_access()
        if supply.is_on:
            self.disk.submit(request)
