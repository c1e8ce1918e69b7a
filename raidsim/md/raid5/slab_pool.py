"""The memory of the stripe cache: units of every member, handed out as slabs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from raidsim.md.raid5.stripe_head import UNIT_BYTES, Slab

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.disk import DiskRequest

# The members' buffers of one stripe head start at different places modulo 4 KiB, so that a pass
# over all of them does not fight for one set of the first-level cache.
_STAGGER_BYTES = 256


class SlabPool:
    """Room for so many units of 4 KiB of each member.

    Args:
        raid_disks: members.
        capacity_units: units of each.
        end_io: completion of the slabs' disk requests.

    Attributes:
        memory: all of it.
        arenas: per member its part, a ``uint8`` view.
        free_units: bit u is set while unit u belongs to no slab that was taken.
    """

    def __init__(
        self, raid_disks: int, capacity_units: int, end_io: Callable[[DiskRequest], None]
    ) -> None:
        self._end_io = end_io
        self._max_slabs = 4 * capacity_units
        self._slabs: dict[tuple[int, int], Slab] = {}
        member_bytes = capacity_units * UNIT_BYTES
        stride = member_bytes + _STAGGER_BYTES
        self.memory = np.zeros(raid_disks * stride + 64, np.uint8)
        aligned = -self.memory.ctypes.data % 64
        self.arenas = [
            self.memory[aligned + i * stride : aligned + i * stride + member_bytes]
            for i in range(raid_disks)
        ]
        self.free_units = (1 << capacity_units) - 1

    def take(self, units: int) -> Slab | None:
        """A slab of ``units`` units, or None where so many in a row are not free."""
        # With nothing free, which is how it is most of the time, there is no run of it.
        starts = runs(self.free_units, units) if self.free_units else 0
        if not starts:
            return None
        start = (starts & -starts).bit_length() - 1
        self.free_units ^= ((1 << units) - 1) << start
        return self._slab(start, units)

    def give_back(self, slab: Slab) -> None:
        """Free a slab's units."""
        self.free_units |= ((1 << slab.units) - 1) << slab.start

    def split(self, slab: Slab) -> list[Slab]:
        """Slabs of one unit each over a taken slab's buffers, which take its place."""
        return [self._slab(slab.start + i, 1) for i in range(slab.units)]

    def _slab(self, start: int, units: int) -> Slab:
        slab = self._slabs.get((start, units))
        if slab is None:
            if len(self._slabs) >= self._max_slabs:
                self._slabs.clear()
            window = slice(start * UNIT_BYTES, (start + units) * UNIT_BYTES)
            pages = [arena[window] for arena in self.arenas]
            slab = self._slabs[start, units] = Slab(start, units, pages, self._end_io)
        return slab


def runs(free: int, length: int) -> int:
    """The bits of ``free`` at which ``length`` set bits in a row begin."""
    covered = 1
    while covered < length and free:
        step = min(covered, length - covered)
        free &= free >> step
        covered += step
    return free
