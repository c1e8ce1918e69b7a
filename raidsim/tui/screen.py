"""A terminal that shows frames and takes keys, within a ``with`` statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.console import Group
from rich.live import Live

from raidsim.tui.frame import frame
from raidsim.tui.keys import Keyboard
from raidsim.tui.state import ScreenState

if TYPE_CHECKING:
    from rich.console import Console

    from raidsim.tui.history import History
    from raidsim.tui.state import Action


class Screen:
    """The terminal and what its user has chosen.

    Args:
        console: the terminal.

    Attributes:
        state: what the user has chosen.
    """

    def __init__(self, console: Console) -> None:
        self.state = ScreenState()
        self._console = console
        self._keyboard = Keyboard()
        self._live = Live(console=console, screen=True, auto_refresh=False)

    def __enter__(self) -> Self:
        self._keyboard.__enter__()
        try:
            self._live.start()
        except BaseException:
            self._keyboard.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._live.stop()
        finally:
            self._keyboard.__exit__()

    def show(self, history: History) -> None:
        """Show a frame."""
        width, height = self._console.size
        self._live.update(Group(*frame(history, self.state, width, height)), refresh=True)

    def wait(self, seconds: float, history: History) -> list[Action]:
        """Take the keys that are pressed, or wait so long for one; return what they ask for."""
        rates = history.rates[-1] if history.rates else None
        keys = self._keyboard.wait(seconds)
        actions = [self.state.press(key, history.activity, rates) for key in keys]
        return [action for action in actions if action is not None]
