"""Resync, recovery, check and repair: one walk over all stripes (md_do_sync, drivers/md/md.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.mddev import ArrayStateError
from raidsim.md.spares import spare_active
from raidsim.md.superblock import MAX_SECTOR
from raidsim.md.superblock_update import MD_SB_CHANGE_CLEAN, MD_SB_CHANGE_DEVS

if TYPE_CHECKING:
    from raidsim.md.mddev import Mddev

# A sync's place is written down each time it got a sixteenth of the way further.
_CHECKPOINTS = 16


class SyncThread:
    """One sync action from its start to its end.

    Untimed, one stripe is taken through all its steps before the next begins, which keeps its
    buffers in the CPU's cache. Timed, as many are under way as the stripe cache holds, so that
    all members work at once.

    Args:
        mddev: the array.
        action: "resync", "recover", "check" or "repair".

    Attributes:
        position: member sector up to which stripes were begun.
        completed: member sector of the last checkpoint.
        end_sector: where it ends.
        finished: it has ended.
        interrupted: it ended early, or will.
    """

    def __init__(self, mddev: Mddev, action: str) -> None:
        self.mddev = mddev
        self.action = action
        self.end_sector = mddev.dev_sectors
        self.position = self.completed = _start_sector(mddev, action)
        self.finished = False
        self.interrupted = False
        self._active_sectors = 0
        self._running = False

    def start(self) -> None:
        """Begin.

        Raises:
            ArrayStateError: another action is under way.
        """
        mddev = self.mddev
        if mddev.sync_thread is not None:
            raise ArrayStateError(f"{mddev.sync_thread.action} is under way")
        mddev.sync_thread = self
        mddev.sync_requested = self.action in {"check", "repair"}
        mddev.sync_check = self.action == "check"
        mddev.sync_recover = self.action == "recover"
        if self.action != "recover":
            mddev.resync_mismatches = 0
            if not mddev.redundant:
                self.position = self.end_sector
        self.wake()

    def interrupt(self) -> None:
        """End at the next opportunity."""
        self.interrupted = True
        self.wake()

    def wake(self) -> None:
        """Go on soon."""
        if not self._running and not self.finished:
            self._running = True
            self.mddev.machine.sim.call_soon(self._run)

    def done(self, sectors: int, *, ok: bool) -> None:
        """Part of what was begun has ended."""
        self._active_sectors -= sectors
        if not ok:
            self.interrupted = True
        self.wake()

    @property
    def sectors_done(self) -> int:
        """Sectors of each member that are dealt with."""
        return self.position - self._active_sectors

    def _run(self) -> None:
        self._running = False
        mddev = self.mddev
        if self.finished or mddev.sb_change_pending:
            return
        one_at_a_time = not mddev.machine.sim.timed
        checkpoint = self.completed + mddev.dev_sectors // _CHECKPOINTS
        checkpoint += 8 - checkpoint % 8
        while not self.interrupted and self.position < self.end_sector:
            if self._active_sectors and one_at_a_time:
                return
            if self.position >= checkpoint:
                if not self._active_sectors:
                    self._checkpoint()
                return
            limit = min(self.end_sector, checkpoint)
            sectors = mddev.personality.sync_request(self.position, limit, self.wake)
            if not sectors:
                return
            self.position += sectors
            self._active_sectors += sectors
        if not self._active_sectors:
            self._finish()

    def _checkpoint(self) -> None:
        """Write down how far it has got; ``wake`` comes when that is done."""
        self.completed = self.position
        mddev = self.mddev
        if self.action != "recover" and self.position > mddev.recovery_cp:
            mddev.recovery_cp = self.position
        mddev.update_superblocks(MD_SB_CHANGE_CLEAN)

    def _finish(self) -> None:
        self.finished = True
        mddev = self.mddev
        if self.action == "recover":
            reached = self.position if self.interrupted else MAX_SECTOR
            for rdev in mddev.rdevs:
                if rdev.recovering:
                    rdev.recovery_offset = max(rdev.recovery_offset, reached)
        elif self.action != "check":
            if not self.interrupted:
                mddev.recovery_cp = MAX_SECTOR
            elif self.position >= mddev.recovery_cp:
                mddev.recovery_cp = self.position
        self.completed = self.position
        mddev.sync_thread = None
        mddev.sync_requested = mddev.sync_check = mddev.sync_recover = False
        mddev.update_superblocks(MD_SB_CHANGE_DEVS)
        if self.action == "recover" and not self.interrupted:
            spare_active(mddev)
        else:
            mddev.update_superblocks(MD_SB_CHANGE_DEVS)


def _start_sector(mddev: Mddev, action: str) -> int:
    if action == "resync":
        return min(mddev.recovery_cp, mddev.dev_sectors)
    if action == "recover":
        return min(
            (rdev.recovery_offset for rdev in mddev.rdevs if rdev.recovering),
            default=mddev.dev_sectors,
        )
    return 0
