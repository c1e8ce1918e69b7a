"""What Ctrl-C does to work that should not be left half done."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from raidsim.control.attach import AnyArray


@contextmanager
def interrupt_after() -> Iterator[None]:
    """Let Ctrl-C take effect only when the block is through.

    A write that is cut short leaves its array dirty; one that is let finish does not.
    """
    interrupted = False

    def note(_number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted:
        raise KeyboardInterrupt


@contextmanager
def interrupt_stops_sync(array: AnyArray) -> Iterator[None]:
    """Let Ctrl-C end the sync that ``array`` runs, so that it can go on where it was."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        if not array.interrupt():
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
