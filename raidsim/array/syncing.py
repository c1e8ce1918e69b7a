"""Running a resync, recovery, check or repair to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from raidsim.md.sync import SyncThread

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.md.mddev import Mddev

    # Called with the action, the sectors done and the sectors in all.
    Progress = Callable[[str, int, int], object]

# How often progress is told.
_STEPS = 200


@dataclass(frozen=True, slots=True)
class SyncReport:
    """How a resync, recovery, check or repair ended.

    Attributes:
        action: "resync", "recover", "check" or "repair".
        mismatch_sectors: sectors found inconsistent, as md counts them.
        interrupted: a member failed, so that it ended early.
    """

    action: str
    mismatch_sectors: int
    interrupted: bool


def run_sync(mddev: Mddev, action: str, progress: Progress | None) -> SyncReport:
    """Run ``action`` on all of ``mddev``, telling ``progress`` as it goes.

    Raises:
        ArrayStateError: another action is under way.
    """
    thread = SyncThread(mddev, action)
    thread.start()
    sim = mddev.machine.sim
    step = max(1, thread.end_sector // _STEPS)
    while not thread.finished:
        target = thread.sectors_done + step if progress is not None else thread.end_sector + 1

        def reached(target: int = target) -> bool:
            return thread.finished or thread.sectors_done >= target

        sim.run_until(reached, action)
        if progress is not None:
            progress(action, thread.sectors_done, thread.end_sector)
    sim.run()
    return SyncReport(action, mddev.resync_mismatches, thread.interrupted)
