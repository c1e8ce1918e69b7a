"""Resync, recovery, check and repair: one walk over all stripes (md_do_sync, drivers/md/md.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.events import SyncBegan, SyncCheckpoint, SyncEnded
from raidsim.md.mddev import ArrayStateError
from raidsim.md.spares import spare_active
from raidsim.md.superblock import MAX_SECTOR
from raidsim.md.superblock_update import MD_SB_CHANGE_CLEAN, MD_SB_CHANGE_DEVS
from raidsim.md.sync_control import next_action, recovery_pending
from raidsim.md.sync_speed import GO, SLEEP, SLEEP_NS, SyncSpeed

if TYPE_CHECKING:
    from raidsim.md.mddev import Mddev

# A sync's place is written down each time it got a sixteenth of the way further, and every 5
# minutes (UPDATE_FREQUENCY).
_CHECKPOINTS = 16
_UPDATE_FREQUENCY_NS = 5 * 60 * 1_000_000_000

# What last_sync_action calls an action, and what the kernel's messages do.
ACTION_WORDS = {"recover": "recovery"}
_MESSAGE_WORDS = {"recover": "recovery", "check": "data-check", "repair": "requested-resync"}


class SyncThread:
    """One sync action from its start to its end.

    Untimed, one stripe is taken through all its steps before the next begins, which keeps its
    buffers in the CPU's cache. Timed, as many are under way as the stripe cache holds, so that
    all members work at once, and the speed limits count.

    Args:
        mddev: the array.
        action: "resync", "recover", "check" or "repair".

    Attributes:
        position: member sector up to which stripes were begun (``curr_resync``).
        completed: member sector of the last checkpoint (``curr_resync_completed``).
        end_sector: where it ends.
        paused: it waits at ``sync_max``.
        finished: it has ended.
        interrupted: it ended early, or will.
        stopped: that is so because somebody said so.
    """

    def __init__(self, mddev: Mddev, action: str) -> None:
        self.mddev = mddev
        self.action = action
        self.end_sector = mddev.dev_sectors
        self.position = self.completed = _start_sector(mddev, action)
        self.paused = False
        self.finished = False
        self.interrupted = False
        self.stopped = False
        self._speed = SyncSpeed(mddev)
        self._active_sectors = 0
        self._running = False
        self._sleeping = False
        self._yielding = False
        self._checkpoint_due = False
        self._update_time_ns = mddev.machine.sim.now_ns
        self._end_sync_time_ns: int | None = None

    def start(self) -> None:
        """Begin.

        Raises:
            ArrayStateError: another action is under way.
        """
        mddev = self.mddev
        if mddev.sync_thread is not None:
            raise ArrayStateError(f"{mddev.sync_thread.action} is under way")
        mddev.log.info("md: %s of RAID array", _MESSAGE_WORDS.get(self.action, self.action))
        mddev.sync_thread = self
        mddev.sync_requested = self.action in {"check", "repair"}
        mddev.sync_check = self.action == "check"
        mddev.sync_recover = self.action == "recover"
        mddev.sync_control.last_sync_action = ACTION_WORDS.get(self.action, self.action)
        if self.action != "recover":
            mddev.resync_mismatches = 0
            if not mddev.redundant:
                self.position = self.end_sector
        mddev.machine.sim.hook.tell(SyncBegan(self.action, self.position))
        self.wake()

    def stop(self) -> None:
        """End at the next opportunity, for somebody said so: ``idle`` or ``frozen``."""
        self.stopped = True
        self.interrupt()

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

    @property
    def kib_per_second(self) -> int:
        """Its speed for each member, over the last 30 seconds."""
        return self._speed.kib_per_second(self._active_sectors)

    def _run(self) -> None:
        self._running = False
        mddev = self.mddev
        if self.finished or mddev.sb_change_pending:
            return
        self.paused = self.paused and not self.interrupted and self._at_sync_max()
        while not self.interrupted and self.position < self.end_sector:
            if self._must_wait():
                return
            checkpoint = self._next_checkpoint()
            if self.position >= checkpoint:
                if self._active_sectors:
                    return
                self._checkpoint()
                if self.paused:
                    self._write_checkpoint()
                    return
                continue
            skipped = mddev.personality.skip_sync(self.position, checkpoint)
            if skipped:
                self.position = min(self.position + skipped, self.end_sector)
                continue
            if self._end_sync_due():
                if self._active_sectors:
                    return
                self._end_sync()
                continue
            if self._checkpoint_due:
                self._write_checkpoint()
                return
            limit = min(self.end_sector, checkpoint)
            sectors = mddev.personality.sync_request(self.position, limit, self.wake)
            if not sectors:
                return
            self.position += sectors
            self._active_sectors += sectors
            self._speed.begun(sectors)
            if self._speed.look() and self.position < self.end_sector:
                self._mind_the_speed()
        if not self._active_sectors:
            self._finish()

    # -- waiting --------------------------------------------------------------------------------

    def _must_wait(self) -> bool:
        """Whether nothing more may be begun now; ``wake`` comes when it may."""
        if self._yielding and not self._active_sectors:
            self._yielding = False
        one_at_a_time = not self.mddev.machine.sim.timed
        return (
            self.paused
            or self._sleeping
            or self._yielding
            or bool(one_at_a_time and self._active_sectors)
        )

    def _at_sync_max(self) -> bool:
        return self.position >= self.mddev.sync_control.resync_max

    def _mind_the_speed(self) -> None:
        """Sleep while it is too fast; else let other i/o have its turn, if there is any."""
        self._sleeping = False
        verdict = self._speed.verdict(self._active_sectors)
        if verdict == SLEEP:
            self._sleeping = True
            self.mddev.machine.sim.call_after(SLEEP_NS, self._sleep_ends)
        else:
            self._yielding = verdict != GO

    def _sleep_ends(self) -> None:
        if not self.finished:
            self._mind_the_speed()
            self.wake()

    # -- checkpoints and the end ----------------------------------------------------------------

    def _next_checkpoint(self) -> int:
        """The next place to write down: a sixteenth further, or half-way to ``sync_max``."""
        completed = self.completed
        sim = self.mddev.machine.sim
        if sim.now_ns >= self._update_time_ns + _UPDATE_FREQUENCY_NS:
            return self.position
        checkpoint = completed + self.end_sector // _CHECKPOINTS + 1
        resync_max = self.mddev.sync_control.resync_max
        if resync_max != MAX_SECTOR:
            checkpoint = min(checkpoint, completed + max(resync_max - completed + 1, 0) // 2)
        return checkpoint + -checkpoint % 8

    def _checkpoint(self) -> None:
        """Note how far it has got; it is written down before the next stripe is begun."""
        self.completed = self.position
        mddev = self.mddev
        self._update_time_ns = mddev.machine.sim.now_ns
        if self.action != "recover" and self.position > mddev.recovery_cp:
            mddev.recovery_cp = self.position
        self._checkpoint_due = True
        self.paused = self._at_sync_max()

    def _write_checkpoint(self) -> None:
        """Write down how far it has got; ``wake`` comes when that is done."""
        self._checkpoint_due = False
        hook = self.mddev.machine.sim.hook
        if hook.listeners:
            hook.emit(SyncCheckpoint(self.action, self.completed))
        self.mddev.update_superblocks(MD_SB_CHANGE_CLEAN)

    def _end_sync_due(self) -> bool:
        """Whether the bitmap has not learned for a while what is in sync by now."""
        bitmap = self.mddev.bitmap
        if bitmap is None:
            return False
        if self._end_sync_time_ns is None:
            return True
        elapsed_ns = self.mddev.machine.sim.now_ns - self._end_sync_time_ns
        return elapsed_ns >= bitmap.superblock.daemon_sleep * 1_000_000_000

    def _end_sync(self) -> None:
        """Let the bitmap know, which counts as a checkpoint (md_bitmap_cond_end_sync)."""
        self._end_sync_time_ns = self.mddev.machine.sim.now_ns
        if self.position and self.mddev.bitmap is not None:
            self.completed = self.position
            self._checkpoint_due = True
            self.mddev.bitmap.cond_end_sync(self.position)

    def _finish(self) -> None:
        self.finished = True
        mddev = self.mddev
        word = _MESSAGE_WORDS.get(self.action, self.action)
        mddev.log.info("md: %s %s.", word, "interrupted" if self.interrupted else "done")
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
        self._remember_range()
        self.completed = self.position
        stopped = self.position < self.end_sector
        mddev.machine.sim.hook.tell(
            SyncEnded(self.action, self.position, self.interrupted, self._speed.begun_sectors)
        )
        if mddev.bitmap is not None:
            mddev.bitmap.close_sync(self.position if stopped else None)
        if self.action == "recover" and not stopped:
            mddev.personality.conf.fullsync = False
        mddev.sync_thread = mddev.mismatch_log = None
        mddev.sync_requested = mddev.sync_check = mddev.sync_recover = False
        mddev.update_superblocks(MD_SB_CHANGE_DEVS)
        if self.action == "recover" and not self.interrupted:
            spare_active(mddev)
        else:
            mddev.update_superblocks(MD_SB_CHANGE_DEVS)

    def _remember_range(self) -> None:
        """Forget a range that was gone through; go on later where one was cut short."""
        control = self.mddev.sync_control
        if not self.interrupted:
            control.resync_max = MAX_SECTOR
        if self.mddev.sync_requested:
            control.resync_min = self.completed if self.interrupted else 0


def start_sync(mddev: Mddev, action: str) -> SyncThread | None:
    """Begin what somebody asked for (action_store); that ends what "frozen" began.

    Args:
        mddev: the array.
        action: "check" or "repair"; or "resync" or "recover", which both mean whatever of the two
            is to be done.

    Returns:
        What was begun, None when there was nothing to do.

    Raises:
        ArrayStateError: a sync is under way; or a member has a slot and has to be rebuilt, which
            under md comes before any check or repair.
    """
    if mddev.sync_thread is not None:
        raise ArrayStateError(f"{mddev.sync_thread.action} is under way")
    requested = action in {"check", "repair"}
    if requested and recovery_pending(mddev):
        raise ArrayStateError(
            f"a recovery is pending, which comes before any {action}; `raidsim rebuild` runs it"
        )
    mddev.sync_control.frozen = False
    mddev.check_recovery()
    pending = action if requested else next_action(mddev)
    if pending is None:
        return None
    thread = SyncThread(mddev, pending)
    thread.start()
    return thread


def _start_sector(mddev: Mddev, action: str) -> int:
    if action == "resync":
        # The bitmap knows better than a checkpoint.
        return min(mddev.recovery_cp, mddev.dev_sectors) if mddev.bitmap is None else 0
    if action == "recover":
        return min(
            (rdev.recovery_offset for rdev in mddev.rdevs if rdev.recovering),
            default=mddev.dev_sectors,
        )
    return min(mddev.sync_control.resync_min, mddev.dev_sectors)
