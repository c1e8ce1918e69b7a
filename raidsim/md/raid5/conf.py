"""The personality's own state (``struct r5conf``, Linux drivers/md/raid5.h)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from raidsim.async_tx import AsyncSubmitCtl
from raidsim.md.raid5.io import end_request
from raidsim.md.raid5.row_plan import RowPlan
from raidsim.md.raid5.stripe_cache import StripeCache
from raidsim.md.raid5.stripe_head import UNIT_BYTES, UNIT_SECTORS, members

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.machine import Machine
    from raidsim.md.layout import Geometry
    from raidsim.md.mddev import Mddev
    from raidsim.md.rdev import Rdev

# rmw_level (PARITY_DISABLE_RMW, PARITY_ENABLE_RMW, PARITY_PREFER_RMW).
DISABLE_RMW, ENABLE_RMW, PREFER_RMW = range(3)

# The tallest stripe head: tall enough that the work per head is small against the copying, low
# enough that several are under way at a time in a stripe cache of the usual size.
MAX_STRIPE_UNITS = 64


class WriteCounts:
    """How units of 4 KiB were written so far.

    Attributes:
        rmw: by read-modify-write: the old data are taken out of the parity.
        rcw: by reconstruct-write: parity is made anew, with what the row holds besides.
        full_row: by reconstruct-write of whole rows, for which nothing has to be read.
    """

    __slots__ = ("full_row", "rcw", "rmw")

    def __init__(self) -> None:
        self.rmw = self.rcw = self.full_row = 0


class R5Conf:
    """What the raid4/5/6 personality knows of its array.

    Attributes:
        mddev: the array.
        machine: what the async_tx operations run on.
        hook: where what happens is told.
        geometry, raid_disks, max_degraded, chunk_sectors: its shape.
        plans: one ``RowPlan`` for each row of the layout's period.
        disks: per slot the member to read and write, or None.
        replacements: per slot the member that is to replace it, or None.
        all_mask: a bit for every slot.
        present_mask: slots that have a working member.
        in_sync_mask: slots whose member is wholly in sync.
        degraded: slots whose member is missing or not wholly in sync (``mddev->degraded``).
        recovering: (bit, recovery_offset) of members that are so only in part.
        bad_blocks_mask: slots whose member has bad blocks somewhere.
        replacing: the bits of slots that have a replacement as well.
        fullsync: a recovery may not rely on the bitmap: some member never held its slot's data.
        rmw_level: which of the two ways to write is preferred.
        cache: the stripe cache.
        writes: how rows were written so far.
        submit: the one submit control all chains use, since one thread issues them.
        spare_page: where checks rebuild a parity.
    """

    def __init__(
        self,
        mddev: Mddev,
        machine: Machine,
        geometry: Geometry,
        stripe_cache_size: int,
        wake: Callable[[], object],
    ) -> None:
        self.mddev = mddev
        self.machine = machine
        self.hook = machine.sim.hook
        self.geometry = geometry
        self.raid_disks = geometry.raid_disks
        self.max_degraded = geometry.max_degraded
        self.chunk_sectors = geometry.chunk_sectors
        self.raid6 = geometry.level == 6
        self.plans = [RowPlan(row) for row in geometry.rows]
        self.all_mask = (1 << self.raid_disks) - 1
        self.disks: list[Rdev | None] = [None] * self.raid_disks
        self.replacements: list[Rdev | None] = [None] * self.raid_disks
        self.present_mask = 0
        self.in_sync_mask = 0
        self.degraded = self.raid_disks
        self.recovering: list[tuple[int, int]] = []
        self.bad_blocks_mask = 0
        self.replacing: list[int] = []
        self.fullsync = False
        self.rmw_level = ENABLE_RMW
        self._end_io = partial(end_request, self)
        self._wake = wake
        self._max_units = min(MAX_STRIPE_UNITS, geometry.chunk_sectors // UNIT_SECTORS)
        self.cache = self._new_cache(stripe_cache_size)
        self.writes = WriteCounts()
        self.submit = AsyncSubmitCtl(machine)
        self.spare_page = np.zeros(self._max_units * UNIT_BYTES, np.uint8)
        machine.raid6.remember(self.spare_page)

    def _new_cache(self, units: int) -> StripeCache:
        max_units = min(self._max_units, units)
        cache = StripeCache(self.raid_disks, units, max_units, self._end_io, self._wake)
        self.machine.raid6.remember(cache.pool.memory)
        return cache

    @property
    def stripe_cache_size(self) -> int:
        """Units of 4 KiB per member in the stripe cache."""
        return self.cache.capacity_units

    @stripe_cache_size.setter
    def stripe_cache_size(self, units: int) -> None:
        if units != self.stripe_cache_size:
            assert not self.cache.active_stripes
            bypass_threshold = self.cache.bypass_threshold
            self.machine.raid6.forget()
            self.machine.raid6.remember(self.spare_page)
            self.cache = self._new_cache(units)
            self.cache.bypass_threshold = bypass_threshold

    def plan(self, sector: int) -> RowPlan:
        """The plan of the row in which member sector ``sector`` lies."""
        return self.plans[sector // self.chunk_sectors % len(self.plans)]

    def refresh_members(self) -> None:
        """Bring ``disks`` and the masks up to date with the array's members.

        A replacement whose slot has no other member that works is the slot's member.
        """
        self.disks = [None] * self.raid_disks
        self.replacements = [None] * self.raid_disks
        self.present_mask = self.in_sync_mask = 0
        self.recovering = []
        self.bad_blocks_mask = 0
        self.replacing = []
        working = [r for r in self.mddev.rdevs if r.raid_disk >= 0 and not r.faulty]
        for rdev in sorted(working, key=lambda rdev: rdev.replacement):
            bit = 1 << rdev.raid_disk
            if self.disks[rdev.raid_disk] is not None:
                self.replacements[rdev.raid_disk] = rdev
                self.replacing.append(bit)
                continue
            self.disks[rdev.raid_disk] = rdev
            self.present_mask |= bit
            if rdev.in_sync:
                self.in_sync_mask |= bit
            else:
                self.recovering.append((bit, rdev.recovery_offset))
            if rdev.bad_blocks:
                self.bad_blocks_mask |= bit
        self.degraded = self.raid_disks - self.in_sync_mask.bit_count()

    def insync_mask(self, end_sector: int) -> int:
        """The slots that hold what they should up to ``end_sector``."""
        mask = self.in_sync_mask
        for bit, recovery_offset in self.recovering:
            if end_sector <= recovery_offset:
                mask |= bit
        return mask

    def bad_members(self, sector: int, sectors: int) -> dict[int, Rdev]:
        """The members, by slot, with a bad block among these sectors of their data."""
        return {
            member: rdev
            for member in members(self.bad_blocks_mask)
            if (rdev := self.disks[member]) is not None and rdev.has_bad_blocks(sector, sectors)
        }

    def read_replacement(self, slot: int, sector: int, sectors: int) -> Rdev | None:
        """The replacement of ``slot``, if it holds these sectors of its data."""
        rdev = self.replacements[slot]
        if (
            rdev is None
            or rdev.recovery_offset < sector + sectors
            or (rdev.bad_blocks and rdev.has_bad_blocks(sector, sectors))
        ):
            return None
        return rdev
