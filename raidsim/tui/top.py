"""A served array, looked at again and again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from raidsim.errors import RaidsimError
from raidsim.tui.frame import frame
from raidsim.tui.history import History
from raidsim.tui.screen import Screen
from raidsim.tui.state import ScreenState

if TYPE_CHECKING:
    from rich.console import Console

    from raidsim.array.activity import Activity
    from raidsim.tui.state import Action


class WatchedArray(Protocol):
    """An array as the live view needs it."""

    def activity(self) -> Activity:
        """What it is doing now."""

    def fail(self, disk: str) -> None:
        """Fail a member."""

    def add(self, image: str) -> bool:
        """Take a new member on."""


def show_once(array: WatchedArray, interval_seconds: float, console: Console) -> None:
    """Print one frame, with the rates of one interval."""
    history = History(array.activity())
    time.sleep(interval_seconds)
    history.add(array.activity())
    for text in frame(history, ScreenState(), console.width, console.height):
        text.rstrip()
        console.print(text)


def run_top(array: WatchedArray, interval_seconds: float, console: Console) -> None:
    """Show frames until the user has enough.

    Raises:
        RaidsimError: the array's server has gone.
    """
    history = History(array.activity())
    due = time.monotonic()
    with Screen(console) as screen:
        state = screen.state
        while not state.quit:
            now = time.monotonic()
            if now >= due:
                if not state.paused:
                    history.add(array.activity())
                due = max(due + interval_seconds, now)
            screen.show(history)
            for action in screen.wait(due - time.monotonic(), history):
                state.message = _carry_out(array, action)
                due = time.monotonic()


def _carry_out(array: WatchedArray, action: Action) -> str:
    kind, disk = action
    try:
        if kind == "fail":
            array.fail(disk)
            return f"set {disk} faulty"
        re_added = array.add(disk)
    except RaidsimError as error:
        return str(error)
    return f"{'re-added' if re_added else 'added'} {Path(disk).name}"
