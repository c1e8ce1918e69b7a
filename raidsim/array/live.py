"""An array that runs by itself, as in a kernel: what is pending begins, calls act and return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.sync import SyncThread
from raidsim.md.sync_control import next_action

if TYPE_CHECKING:
    from raidsim.md.mddev import Mddev


def go_live(mddev: Mddev) -> None:
    """From now on, begin by itself whatever sync is pending (md_check_recovery)."""

    def begin_sync() -> None:
        if mddev.sync_thread is None and not mddev.sb_change_pending:
            action = next_action(mddev)
            if action is not None:
                SyncThread(mddev, action).start()

    mddev.begin_sync = begin_sync
    mddev.check_recovery()


def settle(mddev: Mddev) -> None:
    """Let what was begun take effect.

    An array that is not live comes to rest. One that is goes on: only what has to be written
    down is waited for, unless the array is broken: then nobody is in a hurry.
    """
    sim = mddev.machine.sim
    if mddev.begin_sync is None:
        sim.run()
    else:
        sim.run_until(lambda: mddev.broken or not mddev.sb_change_pending, "superblocks")


def come_to_rest(mddev: Mddev) -> None:
    """Begin nothing more, end a sync where it is, and wait for all that is under way."""
    mddev.begin_sync = None
    if mddev.sync_thread is not None:
        mddev.sync_thread.stop()
    mddev.machine.sim.run()
