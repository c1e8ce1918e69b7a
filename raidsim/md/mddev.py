"""The array as md core sees it (``struct mddev``, Linux drivers/md/md.c).

Members and their superblocks, the dirty flag, the count of events, failing devices. What happens
in a stripe is the personality's affair; what a resync or recovery does is ``md.sync``'s.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import numpy as np

from raidsim.disk import DiskRequest
from raidsim.errors import RaidsimError
from raidsim.md.bio import FLUSH, READ, WRITE
from raidsim.md.raid5.personality import Raid5
from raidsim.md.raid5.stripe_cache import NR_STRIPES
from raidsim.md.superblock import MAX_SECTOR, MD_DISK_ROLE_SPARE, MD_FEATURE_RECOVERY_OFFSET

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from raidsim.machine import Machine
    from raidsim.md.bio import Bio
    from raidsim.md.layout import Geometry
    from raidsim.md.rdev import Rdev
    from raidsim.md.superblock import SuperblockV1
    from raidsim.md.sync import SyncThread

_log = logging.getLogger(__name__)

# sb_flags: why the superblocks have to be written.
MD_SB_CHANGE_DEVS = 1 << 0
MD_SB_CHANGE_CLEAN = 1 << 1


class ArrayStateError(RaidsimError):
    """The array, as it stands, refuses."""


class Mddev:
    """One running array.

    Args:
        machine: what it runs on.
        geometry: its shape.
        superblock: the freshest member's, from which the array's own fields are taken.
        rdevs: its members, slots taken, the newest first as md lists them.
        stripe_cache_size: units of 4 KiB per member in the stripe cache.
        readonly: refuse writes and never touch a superblock.
        now: seconds since 1970, for the superblocks' update times.

    Attributes:
        dev_sectors: used size of each member.
        array_sectors: size of the array.
        events, in_sync, recovery_cp, utime: as in the superblocks; ``recovery_cp`` is the first
            member sector that a resync still has to reach, ``MAX_SECTOR`` if none.
        resync_mismatches: sectors that the last check, repair or resync found inconsistent.
        sync_thread: the resync, recovery, check or repair under way.
        sync_requested, sync_check, sync_recover: what kind it is (``MD_RECOVERY_*``).
    """

    def __init__(
        self,
        machine: Machine,
        geometry: Geometry,
        superblock: SuperblockV1,
        rdevs: Sequence[Rdev],
        *,
        stripe_cache_size: int = NR_STRIPES,
        readonly: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.machine = machine
        self.geometry = geometry
        self.superblock = superblock
        self.rdevs = list(rdevs)
        self.readonly = readonly
        self._now = now
        self.dev_sectors = superblock.size
        self.array_sectors = superblock.size * geometry.data_disks
        self.events = superblock.events
        self.utime = superblock.utime
        self.recovery_cp = superblock.resync_offset
        self.in_sync = True
        self._can_decrease_events = False
        self._sb_flags = 0
        self._sb_writes_pending = 0
        self._waiting_writes: list[Bio] = []
        self.resync_mismatches = 0
        self.sync_thread: SyncThread | None = None
        self.sync_requested = self.sync_check = self.sync_recover = False
        self.personality = Raid5(self, machine, geometry, stripe_cache_size)
        self.personality.conf.refresh_members()

    # -- requests -------------------------------------------------------------------------------

    def submit_bio(self, bio: Bio) -> None:
        """Begin a read, write or flush; the bio tells when and how it ended.

        A write to an array that has lost more members than it can bear ends in an error. The first
        write to a clean array waits until every superblock says dirty.
        """
        if bio.operation == READ:
            self.personality.make_request(bio)
        elif bio.operation == FLUSH:
            self._flush(bio)
        elif self.readonly or self.broken:
            bio.fail_part()
        elif self.in_sync:
            self.in_sync = False
            self._sb_flags |= MD_SB_CHANGE_CLEAN
            self._waiting_writes.append(bio)
            self.check_recovery()
        elif self.sb_change_pending:
            self._waiting_writes.append(bio)
        else:
            self.personality.make_request(bio)

    def _flush(self, bio: Bio) -> None:
        """Let every member put what it was given on stable storage."""

        def end_flush(request: DiskRequest) -> None:
            if request.status:
                self.error(request.owner)
            bio.put()

        for rdev in self.rdevs:
            if not rdev.faulty:
                bio.remaining += 1
                rdev.disk.submit(DiskRequest(FLUSH, 0, None, end_flush, rdev))
        bio.put()

    # -- state ----------------------------------------------------------------------------------

    @property
    def degraded(self) -> int:
        """Slots whose member is missing or not wholly in sync."""
        return self.personality.conf.degraded

    @property
    def broken(self) -> bool:
        """More slots lack a member that is in sync than the level can bear (``MD_BROKEN``)."""
        return self.degraded > self.geometry.max_degraded

    @property
    def redundant(self) -> bool:
        """There is more than the data take: without it a check has nothing to compare with."""
        return self.degraded < self.geometry.max_degraded

    @property
    def sb_change_pending(self) -> bool:
        """Superblocks have to be on their members before anything else is written."""
        return bool(self._sb_flags or self._sb_writes_pending)

    def error(self, rdev: Rdev) -> None:
        """Fail a member (md_error, raid5_error): it is used no more, the others learn of it."""
        if rdev.faulty:
            return
        rdev.faulty = True
        rdev.in_sync = False
        self.personality.conf.refresh_members()
        _log.warning("raid: disk failure on %s, disabling device", rdev.name)
        if self.sync_thread is not None:
            self.sync_thread.interrupt()
        self._sb_flags |= MD_SB_CHANGE_DEVS
        self.machine.sim.call_soon(self.check_recovery)

    def idle(self) -> None:
        """Mark the array clean, as md does once no write came for a while (safe mode).

        The caller knows that no write is in flight.
        """
        if self.in_sync or self.readonly or self.broken:
            return
        self.in_sync = True
        self._sb_flags |= MD_SB_CHANGE_CLEAN
        self.check_recovery()

    def add_spare(self, rdev: Rdev) -> None:
        """Take a new member on as a spare."""
        self.rdevs.insert(0, rdev)
        self._change_devices()

    def remove(self, rdev: Rdev) -> None:
        """Let a failed or spare member go; the others' superblocks forget it."""
        self.rdevs.remove(rdev)
        self._change_devices()

    def activate_spares(self) -> bool:
        """Give spares the slots that have no member (remove_and_add_spares); tell if any did."""
        taken = {rdev.raid_disk for rdev in self.rdevs}
        free = [slot for slot in range(self.geometry.raid_disks) if slot not in taken]
        spares = [rdev for rdev in self.rdevs if rdev.raid_disk < 0 and not rdev.faulty]
        for rdev, slot in zip(spares, free, strict=False):
            rdev.take_slot(slot, 0)
        if spares and free:
            self._change_devices()
        return bool(spares and free)

    def spare_active(self) -> None:
        """Members that were rebuilt to their end are in sync now."""
        for rdev in self.rdevs:
            if rdev.recovering and rdev.recovery_offset == MAX_SECTOR:
                rdev.in_sync = True
        self._change_devices()

    def _change_devices(self) -> None:
        self.personality.conf.refresh_members()
        self.update_superblocks(MD_SB_CHANGE_DEVS)

    # -- sync -----------------------------------------------------------------------------------

    def done_sync(self, sectors: int, *, ok: bool) -> None:
        """Part of a sync has ended (md_done_sync)."""
        if self.sync_thread is not None:
            self.sync_thread.done(sectors, ok=ok)

    # -- superblocks ----------------------------------------------------------------------------

    def update_superblocks(self, flags: int) -> None:
        """Ask for the superblocks to be written; nothing is written to the array before."""
        if not self.readonly:
            self._sb_flags |= flags
            self.check_recovery()

    def check_recovery(self) -> None:
        """Do what stands before the next write: superblocks, then slots of failed members."""
        if self._sb_writes_pending:
            return
        if self._sb_flags and not self.readonly:
            self._update_sb()
            return
        self._sb_flags = 0
        failed = [rdev for rdev in self.rdevs if rdev.faulty and rdev.raid_disk >= 0]
        if failed and not self.readonly and not self.broken:
            for rdev in failed:
                rdev.raid_disk = -1
            self.update_superblocks(MD_SB_CHANGE_DEVS)
            return
        waiting, self._waiting_writes = self._waiting_writes, []
        for bio in waiting:
            self.submit_bio(bio)
        self.personality.wake()
        if self.sync_thread is not None:
            self.sync_thread.wake()

    def _update_sb(self) -> None:
        """Write the superblocks of all working members (md_update_sb).

        Events go up by one; but a clean array that was only dirty for a while goes back to the
        count it had, so that spares, which then need no update, do not fall behind.
        """
        self._note_progress()
        nospares = not (self._sb_flags & MD_SB_CHANGE_DEVS or self.degraded)
        self._sb_flags = 0
        self.utime = int(self._now())
        if (
            nospares
            and self.in_sync
            and self.recovery_cp == MAX_SECTOR
            and self._can_decrease_events
            and self.events != 1
        ):
            self.events -= 1
            self._can_decrease_events = False
        else:
            self.events += 1
            self._can_decrease_events = nospares
        written = [
            rdev
            for rdev in self.rdevs
            if not rdev.faulty and not (nospares and self._spare_is_current(rdev))
        ]
        self._sb_writes_pending = len(written) + 1
        for rdev in written:
            self._sync_super(rdev)
            self._write_super(rdev)
        self._end_super_write()

    def _spare_is_current(self, rdev: Rdev) -> bool:
        behind = self.events - rdev.superblock.events
        return rdev.raid_disk < 0 and behind in {0, 1}

    def _note_progress(self) -> None:
        """A member being rebuilt is in sync as far as the recovery has got."""
        thread = self.sync_thread
        if thread is None or not self.sync_recover:
            return
        for rdev in self.rdevs:
            if rdev.recovering:
                rdev.recovery_offset = max(rdev.recovery_offset, thread.completed)
        self.personality.conf.refresh_members()

    def _sync_super(self, rdev: Rdev) -> None:
        """Bring a member's superblock up to date (super_1_sync)."""
        sb = rdev.superblock
        sb.feature_map = 0
        sb.utime = self.utime
        sb.events = self.events
        sb.resync_offset = self.recovery_cp if self.in_sync else 0
        sb.cnt_corrected_read = rdev.corrected_errors
        sb.recovery_offset = 0
        if rdev.recovering:
            sb.feature_map |= MD_FEATURE_RECOVERY_OFFSET
            sb.recovery_offset = rdev.recovery_offset
        roles = [MD_DISK_ROLE_SPARE] * sb.max_dev
        for other in self.rdevs:
            roles[other.desc_nr] = other.role
        sb.dev_roles = roles

    def _write_super(self, rdev: Rdev) -> None:
        raw = np.frombuffer(bytearray(rdev.superblock.to_bytes()), np.uint8)

        def end_flush(flush: DiskRequest) -> None:
            if flush.status:
                end_write(flush)
                return
            write = DiskRequest(WRITE, rdev.superblock.super_offset, raw, end_write, fua=True)
            rdev.disk.submit(write)

        def end_write(request: DiskRequest) -> None:
            if request.status:
                self.error(rdev)
            self._end_super_write()

        # What the superblock vouches for must be on the member before it.
        rdev.disk.submit(DiskRequest(FLUSH, 0, None, end_flush))

    def _end_super_write(self) -> None:
        self._sb_writes_pending -= 1
        if not self._sb_writes_pending:
            self.check_recovery()
