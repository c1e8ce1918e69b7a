"""A scenario watched while it is played: at the pace of the clock on the wall, or paused."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol, Self

from raidsim.array.monitor import Monitor
from raidsim.array.requests import RequestMeter
from raidsim.disk import OPERATION_NAMES
from raidsim.md.events import BioEnded, BioSubmitted
from raidsim.tui.history import History
from raidsim.tui.screen import Screen

if TYPE_CHECKING:
    from rich.console import Console

    from raidsim.array import Array


class Stage(Protocol):
    """What a scenario is played on, as the live view needs it."""

    @property
    def array(self) -> Array | None:
        """The array; None while it is stopped."""


class LivePlay:
    """Shows what a scenario does, within a ``with`` statement.

    Args:
        console: the terminal.
        step_seconds: the virtual time between two frames; they take as long on the wall.
    """

    def __init__(self, console: Console, step_seconds: float) -> None:
        self._screen = Screen(console)
        self._step_seconds = step_seconds
        self._requests = RequestMeter()
        self._begun: dict[int, int] = {}
        self._array: Array | None = None
        self._monitor: Monitor | None = None
        self._history: History | None = None
        self._due = time.monotonic()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._screen)
        return self

    def __exit__(self, *_: object) -> None:
        self._forget()
        self._stack.close()

    def listen(self, time_ns: int, event: object) -> None:
        """Hear of the requests."""
        if isinstance(event, BioSubmitted):
            self._begun[event.number] = time_ns
            self._requests.in_flight += 1
        elif isinstance(event, BioEnded) and event.number in self._begun:
            latency_ns = time_ns - self._begun.pop(event.number)
            operation = OPERATION_NAMES.index(event.operation)
            length_bytes = event.sectors << 9
            self._requests.end(operation, length_bytes, latency_ns, failed=bool(event.status))

    def observe(self, stage: Stage) -> None:
        """Look at the array and show it; without a user who looks the scenario goes on."""
        if stage.array is None or self._screen.state.quit:
            return
        if stage.array is not self._array:
            self._forget()
            self._array = stage.array
            self._monitor = Monitor(stage.array, self._requests)
            self._history = History(self._monitor.activity())
        assert self._monitor is not None
        assert self._history is not None
        self._monitor.watch()
        self._history.add(self._monitor.activity())
        self._show_until_due(self._history)

    def _show_until_due(self, history: History) -> None:
        state = self._screen.state
        self._due = max(self._due + self._step_seconds, time.monotonic())
        while not state.quit:
            self._screen.show(history)
            left = self._due - time.monotonic()
            if left <= 0 and not state.paused:
                return
            if self._screen.wait(left if left > 0 else 60, history):
                state.message = "the scenario alone fails and adds disks"
        self._stack.close()

    def _forget(self) -> None:
        if self._monitor is not None:
            self._monitor.close()
            # What was under way on a machine that is gone does not end.
            self._begun.clear()
            self._requests.in_flight = 0
