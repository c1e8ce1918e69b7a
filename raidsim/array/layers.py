"""What stands between md and a member's disk while an array runs: faults, and a meter.

md looks up a member's disk at every access, so layers come and go between two of them; a member
that has none has its disk as it was made, and pays nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.disk.meter import MeteredDisk

if TYPE_CHECKING:
    from raidsim.disk.faults import FaultyDisk
    from raidsim.md.rdev import Rdev
    from raidsim.sim import Simulator


class MemberLayers:
    """The layers of one member.

    Args:
        rdev: the member.

    Attributes:
        disk: its disk as it was made.
        faults: what goes wrong with it, the lowest first.
        meter: what counts its accesses, above its faults; None while nobody watches.
    """

    def __init__(self, rdev: Rdev) -> None:
        self._rdev = rdev
        self.disk = rdev.disk
        self.faults: list[FaultyDisk] = []
        self.meter: MeteredDisk | None = None

    def put_fault(self, faulty: FaultyDisk) -> None:
        """Let a fault strike from the next access on."""
        self.faults.append(faulty)
        self._stack()

    def take_fault(self, faulty: FaultyDisk) -> None:
        """Let a fault strike no more."""
        self.faults.remove(faulty)
        self._stack()

    def watch(self, sim: Simulator) -> None:
        """Count accesses from now on."""
        if self.meter is None:
            self.meter = MeteredDisk(sim, self.disk)
            self._stack()

    def unwatch(self) -> None:
        """Count no more; what is under way ends as it would have."""
        self.meter = None
        self._stack()

    def _stack(self) -> None:
        top = self.disk
        for layer in (*self.faults, *([] if self.meter is None else [self.meter])):
            layer.disk = top
            top = layer
        self._rdev.disk = top


class Layers(dict["Rdev", MemberLayers]):
    """The layers of all members of an array, made for each when they are first asked for."""

    def __missing__(self, rdev: Rdev) -> MemberLayers:
        layers = self[rdev] = MemberLayers(rdev)
        return layers
