"""The array as md core sees it (``struct mddev``, Linux drivers/md/md.c).

Requests, the dirty flag, failing devices and what has to be done before the next write. What
happens in a stripe is the personality's affair; what a resync or recovery does is ``md.sync``'s.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from raidsim.disk import DiskRequest
from raidsim.errors import RaidsimError
from raidsim.md.bio import FLUSH, READ
from raidsim.md.bitmap import Bitmap
from raidsim.md.events import ArrayDirty, ArrayFailed, BadBlocksRecorded, MemberFailed
from raidsim.md.observation import tell_submitted
from raidsim.md.raid5.personality import Raid5
from raidsim.md.raid5.stripe_cache import NR_STRIPES
from raidsim.md.safe_mode import SafeMode
from raidsim.md.spares import remove_and_add_spares
from raidsim.md.superblock import MAX_SECTOR
from raidsim.md.superblock_update import (
    MD_SB_CHANGE_CLEAN,
    MD_SB_CHANGE_DEVS,
    SuperblockUpdate,
)
from raidsim.md.sync_control import SyncControl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from raidsim.machine import Machine
    from raidsim.md.bio import Bio
    from raidsim.md.layout import Geometry
    from raidsim.md.raid5.mismatch import MismatchLog
    from raidsim.md.rdev import Rdev
    from raidsim.md.superblock import SuperblockV1
    from raidsim.md.sync import SyncThread

_log = logging.getLogger(__name__)


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
        log: where it says what people should know; its records have it as their ``mddev``.
        dev_sectors: used size of each member.
        size_limit: sectors that the array may seem to have at most (``array_size``).
        suspend_lo, suspend_hi: array sectors between which writes wait.
        safe_mode: when the array goes clean by itself.
        fail_last_dev, max_read_errors: kept for their attributes; only RAID1 and 10 mind them.
        events, in_sync, recovery_cp, utime: as in the superblocks; ``recovery_cp`` is the first
            member sector that a resync still has to reach, ``MAX_SECTOR`` if none.
        resync_mismatches: sectors that the last check, repair or resync found inconsistent.
        bitmap: the write-intent bitmap, or None.
        bitmap_chunksize: bytes for each bit of one that may be added; 0 leaves it to its size.
        io_sectors: array sectors that reads and writes have asked of the personality.
        sync_control: what the user says about syncs.
        mismatch_log: where a check, or a repair that is to heal what is wrong instead of parity,
            notes each mismatch.
        sync_thread: the resync, recovery, check or repair under way.
        sync_requested, sync_check, sync_recover: what kind it is (``MD_RECOVERY_*``).
        recovery_disabled: a recovery had to give up; none is begun before a member is added.
        begin_sync: called when a sync may begin by itself; None while that waits to be told.
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
        self.log = logging.LoggerAdapter(_log, {"mddev": self})
        self._hook = machine.sim.hook
        self.geometry = geometry
        self.superblock = superblock
        self.rdevs = list(rdevs)
        self.readonly = readonly
        self.dev_sectors = superblock.size
        self.size_limit = MAX_SECTOR
        self.suspend_lo = self.suspend_hi = 0
        self.fail_last_dev = False
        self.max_read_errors = 20
        self.events = superblock.events
        self.utime = superblock.utime
        self.recovery_cp = superblock.resync_offset
        self.in_sync = True
        self._sb_update = SuperblockUpdate(self, now)
        self._waiting_writes: list[Bio] = []
        self.io_sectors = 0
        self.resync_mismatches = 0
        self.sync_control = SyncControl()
        self.safe_mode = SafeMode(self)
        self.mismatch_log: MismatchLog | None = None
        self.bitmap: Bitmap | None = None
        self.bitmap_chunksize = 0
        self.sync_thread: SyncThread | None = None
        self.sync_requested = self.sync_check = self.sync_recover = False
        self.recovery_disabled = False
        self.begin_sync: Callable[[], object] | None = None
        self.personality = Raid5(self, machine, geometry, stripe_cache_size)
        self.personality.conf.refresh_members()

    # -- requests -------------------------------------------------------------------------------

    def submit_bio(self, bio: Bio) -> None:
        """Begin a read, write or flush; the bio tells when and how it ended.

        A write to an array that has lost more members than it can bear ends in an error. The first
        write to a clean array waits until every superblock says dirty.
        """
        if self._hook.listeners and not bio.number:
            tell_submitted(self._hook, bio)
            with self._hook.working_for(bio.number):
                self.submit_bio(bio)
        elif bio.operation == READ:
            self.personality.make_request(bio)
        elif bio.operation == FLUSH:
            self._flush(bio)
        elif self.readonly or self.broken:
            bio.fail_part()
            self.check_recovery()
        else:
            if self.machine.sim.timers:
                self.safe_mode.write_start(bio)
            self._start_write(bio)

    def _start_write(self, bio: Bio) -> None:
        """Let a write go on once nothing has to be done before it (md_write_start)."""
        if self.broken:
            bio.fail_part()
        elif self.suspend_lo < self.suspend_hi and self.suspended(
            bio.sector, bio.sector + (len(bio.buffer) >> 9)
        ):
            self._waiting_writes.append(bio)
        elif self.in_sync:
            self._set_in_sync(in_sync=False)
            self._sb_update.flags |= MD_SB_CHANGE_CLEAN
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

    def suspended(self, sector: int, end_sector: int) -> bool:
        """Whether writes to some of these array sectors wait (is_suspended)."""
        return max(sector, self.suspend_lo) < min(end_sector, self.suspend_hi)

    def suspend(self, suspend_lo: int, suspend_hi: int) -> None:
        """Let writes between two array sectors wait, and those go on that waited elsewhere."""
        self.suspend_lo, self.suspend_hi = suspend_lo, suspend_hi
        self.check_recovery()

    # -- state ----------------------------------------------------------------------------------

    @property
    def capacity_sectors(self) -> int:
        """What the members hold."""
        return self.dev_sectors * self.geometry.data_disks

    @property
    def array_sectors(self) -> int:
        """Size of the array."""
        return min(self.capacity_sectors, self.size_limit)

    @property
    def degraded(self) -> int:
        """Slots whose member is missing or not wholly in sync."""
        return self.personality.conf.degraded

    @property
    def broken(self) -> bool:
        """More slots lack a member that is in sync than the level can bear (``MD_BROKEN``)."""
        conf = self.personality.conf
        return conf.degraded > conf.max_degraded

    @property
    def redundant(self) -> bool:
        """There is more than the data take: without it a check has nothing to compare with."""
        return self.degraded < self.geometry.max_degraded

    def error(self, rdev: Rdev) -> None:
        """Fail a member (md_error, raid5_error): it is used no more, the others learn of it."""
        if rdev.faulty:
            return
        rdev.faulty = True
        rdev.in_sync = False
        self.personality.conf.refresh_members()
        if rdev.raid_disk >= 0 and not rdev.replacement:
            self.personality.conf.cache.member_failed(rdev.raid_disk)
        self.log.warning("raid: disk failure on %s, disabling device", rdev.name)
        self._hook.tell(MemberFailed(rdev.name, rdev.raid_disk))
        if self.broken:
            self._hook.tell(ArrayFailed())
        if self.sync_thread is not None:
            self.sync_thread.interrupt()
        self._sb_update.flags |= MD_SB_CHANGE_DEVS
        if not self.broken:  # else md_error wakes nobody: the next to come writes it down
            self.machine.sim.call_soon(self.check_recovery)

    def set_bad_blocks(self, rdev: Rdev, sector: int, sectors: int) -> bool:
        """Take down that a member does not hold what it should (rdev_set_badblocks).

        No stripe is handled before the member's log and all superblocks are written.

        Args:
            rdev: the member.
            sector: the first bad sector, from the start of the member's data.
            sectors: how many.

        Returns:
            Whether the member's log had room for it.
        """
        recorded = rdev.bad_blocks.set(rdev.data_offset + sector, sectors)
        if recorded:
            self.personality.conf.refresh_members()
            self._sb_update.flags |= MD_SB_CHANGE_CLEAN
            self.personality.wake()
            self._hook.tell(BadBlocksRecorded(rdev.name, sector, sectors))
        return recorded

    def clear_bad_blocks(self, rdev: Rdev, sector: int, sectors: int) -> None:
        """Take down that bad blocks were written after all (rdev_clear_badblocks).

        The log learns of it when superblocks are next written for another reason.
        """
        if not rdev.bad_blocks.clear(rdev.data_offset + sector, sectors):
            # A range would have to become two and the list is full. Left alone from now on, it is
            # not written and found bad for ever.
            rdev.write_error_seen = True
        self.personality.conf.refresh_members()

    def idle(self) -> None:
        """Mark the array clean, as md does once no write came for a while (safe mode).

        The caller knows that no write is in flight.
        """
        if self.in_sync or self.readonly or self.broken:
            return
        self._set_in_sync(in_sync=True)
        self._sb_update.flags |= MD_SB_CHANGE_CLEAN
        self.check_recovery()

    def _set_in_sync(self, *, in_sync: bool) -> None:
        self.in_sync = in_sync
        self._hook.tell(ArrayDirty(not in_sync))

    def load_bitmap(self, offset: int, raw: bytes) -> None:
        """Use a write-intent bitmap from now on.

        Args:
            offset: where it lies on each member, in sectors from the superblock.
            raw: what a member that is in sync holds there.

        Raises:
            BitmapError: that is no bitmap of this array.
        """
        bitmap = Bitmap(self, offset, raw)
        self.bitmap = bitmap
        bitmap.load()

    def stop_writes(self) -> None:
        """Write down that the array is clean, as it is stopped (``__md_stop_writes``).

        Unlike in safe mode this is no step back in the count of events. The caller knows that
        nothing is in flight.
        """
        if self.readonly:
            return
        if self.bitmap is not None:
            self.bitmap.flush()
        # md forgets a slot that was given and not written down yet; here a later command needs it.
        given = any(
            rdev.raid_disk >= 0 and rdev.role != rdev.superblock.role for rdev in self.rdevs
        )
        if given or self.sb_change_pending or not self.in_sync:
            self.in_sync = True
            self.update_superblocks(MD_SB_CHANGE_DEVS)

    # -- sync -----------------------------------------------------------------------------------

    def done_sync(self, sectors: int, *, ok: bool) -> None:
        """Part of a sync has ended (md_done_sync)."""
        if self.sync_thread is not None:
            self.sync_thread.done(sectors, ok=ok)

    # -- superblocks ----------------------------------------------------------------------------

    @property
    def sb_change_pending(self) -> bool:
        """Superblocks have to be on their members before anything else is written."""
        update = self._sb_update
        return bool(update.flags or update.under_way)

    def update_superblocks(self, flags: int) -> None:
        """Ask for the superblocks to be written; nothing is written to the array before."""
        if not self.readonly:
            self._sb_update.flags |= flags
            self.check_recovery()

    def check_recovery(self) -> None:
        """Do what stands before the next write: superblocks, then slots of failed members."""
        if self._sb_update.under_way:
            return
        if self._sb_update.flags and not self.readonly:
            self._sb_update.start()
            return
        self._sb_update.flags = 0
        may_change = not (self.readonly or self.broken or self.sync_control.frozen)
        if may_change and remove_and_add_spares(self):
            return
        waiting, self._waiting_writes = self._waiting_writes, []
        for bio in waiting:
            self._start_write(bio)
        self.personality.wake()
        if self.sync_thread is not None:
            self.sync_thread.wake()
        elif self.begin_sync is not None:
            self.machine.sim.call_soon(self.begin_sync)
