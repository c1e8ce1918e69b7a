"""Writing the members' superblocks: md_update_sb and super_1_sync (Linux drivers/md/md.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from raidsim.disk import FLUSH, WRITE, DiskRequest
from raidsim.md.events import SuperblocksBegun, SuperblocksWritten
from raidsim.md.superblock import (
    MAX_SECTOR,
    MD_DISK_ROLE_SPARE,
    MD_FEATURE_BAD_BLOCKS,
    MD_FEATURE_BITMAP_OFFSET,
    MD_FEATURE_RECOVERY_BITMAP,
    MD_FEATURE_RECOVERY_OFFSET,
    MD_FEATURE_REPLACEMENT,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from raidsim.md.mddev import Mddev
    from raidsim.md.rdev import Rdev

# sb_flags: why the superblocks have to be written.
MD_SB_CHANGE_DEVS = 1 << 0
MD_SB_CHANGE_CLEAN = 1 << 1


class SuperblockUpdate:
    """The superblocks of one array, on their way to its members.

    Args:
        mddev: the array.
        now: seconds since 1970, for the update times.

    Attributes:
        flags: ``MD_SB_CHANGE_*``, why an update is due; 0 when none is.
        under_way: writes of the present update that have not ended; 0 when none is under way.
    """

    def __init__(self, mddev: Mddev, now: Callable[[], float]) -> None:
        self._mddev = mddev
        self._now = now
        self._can_decrease_events = False
        self.under_way = 0
        self._number = 0
        self.flags = 0

    def start(self) -> None:
        """Write the superblocks of all working members; ``mddev.check_recovery`` comes after.

        Events go up by one; but a clean array that was only dirty for a while goes back to the
        count it had, so that spares, which then need no update, do not fall behind.
        """
        mddev = self._mddev
        self._note_progress()
        nospares = not (self.flags & MD_SB_CHANGE_DEVS or mddev.degraded)
        self.flags = 0
        mddev.utime = int(self._now())
        if (
            nospares
            and mddev.in_sync
            and mddev.recovery_cp == MAX_SECTOR
            and self._can_decrease_events
            and mddev.events != 1
        ):
            mddev.events -= 1
            self._can_decrease_events = False
        else:
            mddev.events += 1
            self._can_decrease_events = nospares
        self.under_way = 1
        hook = mddev.machine.sim.hook
        if hook.listeners:
            self._number = hook.next_number()
            hook.emit(SuperblocksBegun(self._number, hook.origin, mddev.events))
        if mddev.bitmap is None:
            self._write_supers(nospares=nospares)
        else:
            # Superblocks with more events than the bitmap has would call it out of date.
            with hook.working_for(self._number):
                mddev.bitmap.update_sb(lambda: self._write_supers(nospares=nospares))

    def _write_supers(self, *, nospares: bool) -> None:
        mddev = self._mddev
        written = [
            rdev
            for rdev in mddev.rdevs
            if not rdev.faulty and not (nospares and self._spare_is_current(rdev))
        ]
        self.under_way += len(written)
        with mddev.machine.sim.hook.working_for(self._number):
            for rdev in written:
                _sync_super(mddev, rdev)
                rdev.sb_events = mddev.events
                self._write_super(rdev)
        self._end_write()

    def _spare_is_current(self, rdev: Rdev) -> bool:
        behind = self._mddev.events - rdev.sb_events
        return rdev.raid_disk < 0 and behind in {0, 1}

    def _note_progress(self) -> None:
        """A member being rebuilt is in sync as far as the recovery has got."""
        mddev = self._mddev
        thread = mddev.sync_thread
        if thread is None or not mddev.sync_recover:
            return
        for rdev in mddev.rdevs:
            if rdev.recovering:
                rdev.recovery_offset = max(rdev.recovery_offset, thread.completed)
        mddev.personality.conf.refresh_members()

    def _write_super(self, rdev: Rdev) -> None:
        sb = rdev.superblock

        def go_on(done: DiskRequest) -> None:
            if done.status:
                self._mddev.error(rdev)
            elif steps:
                rdev.disk.submit(steps.pop())
                return
            self._end_write()

        # What the superblock vouches for must be on the member before it.
        steps = [
            DiskRequest(WRITE, sb.super_offset, _buffer(sb.to_bytes()), go_on, fua=True),
            DiskRequest(FLUSH, 0, None, go_on),
        ]
        bad_blocks = rdev.bad_blocks
        if bad_blocks and bad_blocks.changed:
            bad_blocks.changed = False
            log = _buffer(bad_blocks.to_log(sb.bblog_size * 512))
            steps.append(DiskRequest(WRITE, sb.super_offset + sb.bblog_offset, log, go_on))
        rdev.disk.submit(steps.pop())

    def _end_write(self) -> None:
        self.under_way -= 1
        if not self.under_way:
            hook = self._mddev.machine.sim.hook
            if hook.listeners:
                hook.emit(SuperblocksWritten(self._number))
            self._mddev.check_recovery()


def _buffer(raw: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(bytearray(raw), np.uint8)


def _sync_super(mddev: Mddev, rdev: Rdev) -> None:
    """Bring a member's superblock up to date (super_1_sync)."""
    sb = rdev.superblock
    sb.feature_map = 0
    sb.utime = mddev.utime
    sb.events = mddev.events
    sb.resync_offset = mddev.recovery_cp if mddev.in_sync else 0
    sb.cnt_corrected_read = rdev.corrected_errors
    sb.recovery_offset = 0
    if mddev.bitmap is not None:
        sb.feature_map |= MD_FEATURE_BITMAP_OFFSET
        sb.bitmap_offset = mddev.bitmap.storage.offset
    if rdev.recovering:
        sb.feature_map |= MD_FEATURE_RECOVERY_OFFSET
        sb.recovery_offset = rdev.recovery_offset
        if rdev.saved_raid_disk >= 0 and mddev.bitmap is not None:
            sb.feature_map |= MD_FEATURE_RECOVERY_BITMAP
    if rdev.bad_blocks:
        sb.feature_map |= MD_FEATURE_BAD_BLOCKS
    if rdev.replacement:
        sb.feature_map |= MD_FEATURE_REPLACEMENT
    roles = [MD_DISK_ROLE_SPARE] * sb.max_dev
    for other in mddev.rdevs:
        roles[other.desc_nr] = other.role
    sb.dev_roles = roles
