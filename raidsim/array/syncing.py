"""Running a resync, recovery, check or repair to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from raidsim.array.live import settle
from raidsim.errors import UsageError
from raidsim.md.mddev import ArrayStateError
from raidsim.md.sync import ACTION_WORDS, SyncThread, start_sync
from raidsim.md.sync_control import next_action

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.array.array import Array
    from raidsim.md.mddev import Mddev
    from raidsim.md.raid5.mismatch import MismatchLog

    # Called with the action, the sectors done and the sectors in all.
    Progress = Callable[[str, int, int], object]

# How often progress is told.
_STEPS = 200

# How a sync may end: at its end, at sync_max, for it was told to, or because a member failed.
DONE, PAUSED, STOPPED, FAILED = "done", "paused", "stopped", "failed"


@dataclass(frozen=True, slots=True)
class SyncReport:
    """How a resync, recovery, check or repair ended.

    Attributes:
        action: "resync", "recover", "check" or "repair".
        mismatch_sectors: sectors found inconsistent, as md counts them.
        ended: "done"; "paused" at ``sync_max``, which is where it goes on next time; "stopped"
            by ``Array.interrupt``; or "failed" because a member did.
        sector: how far on the members it got.
        end_sector: how far it was to go.
        mismatches: where they lie and which member is wrong, if the action was to find out.
    """

    action: str
    mismatch_sectors: int
    ended: str
    sector: int
    end_sector: int
    mismatches: MismatchLog | None = None

    @property
    def word(self) -> str:
        """What md's attributes call the action: "recovery" instead of "recover"."""
        return ACTION_WORDS.get(self.action, self.action)

    @property
    def requested(self) -> bool:
        """It was asked for: a check or repair (``MD_RECOVERY_REQUESTED``)."""
        return self.action in {"check", "repair"}

    @property
    def interrupted(self) -> bool:
        """It ended early."""
        return self.ended != DONE


def refuse_frozen(array: Array) -> None:
    """Refuse to begin anything while syncs are frozen.

    Raises:
        ArrayStateError: they are.
    """
    if array.mddev.sync_control.frozen:
        path = array.directory.path
        raise ArrayStateError(
            f"{path}: sync_action is frozen; `raidsim set {path} sync_action idle` lets the"
            " array rebuild"
        )


def run_pending(mddev: Mddev, progress: Progress | None) -> list[SyncReport]:
    """Run what md would run by itself, one action after the other, until nothing is left."""
    reports = []
    while action := next_action(mddev):
        thread = SyncThread(mddev, action)
        thread.start()
        reports.append(run_sync(thread, progress))
        if reports[-1].ended in {PAUSED, STOPPED}:
            break
    return reports


def run_requested(
    mddev: Mddev,
    action: str,
    progress: Progress | None,
    mismatches: MismatchLog | None = None,
) -> SyncReport:
    """Run a check or repair.

    Args:
        mddev: the array.
        action: "check" or "repair".
        progress: called with the action, the sectors done and the sectors in all.
        mismatches: where to note mismatches. A repair that has one rewrites the member that is
            wrong where that can be told, and nothing where it cannot.

    Raises:
        ArrayStateError: a member has to be rebuilt first.
    """
    thread = start_sync(mddev, action)
    assert thread is not None
    return run_sync(thread, progress, mismatches)


def run_sync(
    thread: SyncThread, progress: Progress | None, mismatches: MismatchLog | None = None
) -> SyncReport:
    """Run what was begun until it ends or pauses, telling ``progress`` as it goes."""
    mddev = thread.mddev
    action = thread.action
    mddev.mismatch_log = mismatches
    sim = mddev.machine.sim
    step = max(1, thread.end_sector // _STEPS)
    while not thread.finished and not thread.paused:
        target = thread.sectors_done + step if progress is not None else thread.end_sector + 1

        def reached(target: int = target) -> bool:
            return thread.finished or thread.paused or thread.sectors_done >= target

        sim.run_until(reached, action)
        if progress is not None:
            progress(action, thread.sectors_done, thread.end_sector)
    paused = thread.paused
    if paused:
        thread.stop()  # nothing runs once this returns
    settle(mddev)
    return sync_report(thread, mismatches, paused=paused)


def sync_report(
    thread: SyncThread, mismatches: MismatchLog | None = None, *, paused: bool
) -> SyncReport:
    """How a sync ended, or paused."""
    return SyncReport(
        thread.action,
        thread.mddev.resync_mismatches,
        _how_it_ended(thread, paused=paused),
        thread.position,
        thread.end_sector,
        mismatches,
    )


def require_two_right_parities(mddev: Mddev) -> None:
    """Refuse to search for wrong members where P and Q cannot be relied on to find them.

    Raises:
        UsageError: the level has no Q.
        ArrayStateError: a member is missing, or a resync has yet to make parity right.
    """
    if mddev.geometry.level != 6:
        raise UsageError(
            f"raid{mddev.geometry.level} has one parity, which cannot tell which member is wrong;"
            " repair without --locate makes the parity fit the data"
        )
    if mddev.degraded:
        raise ArrayStateError(
            "a degraded array cannot tell which member is wrong; add a member and rebuild first"
        )
    if mddev.recovery_cp < mddev.dev_sectors:
        raise ArrayStateError("parity is not in sync yet; run `raidsim rebuild` first")


def _how_it_ended(thread: SyncThread, *, paused: bool) -> str:
    if paused:
        return PAUSED
    if not thread.interrupted:
        return DONE
    return STOPPED if thread.stopped else FAILED
