"""Moving bytes between an array and a stream, in pieces."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from raidsim.array import Array

_PIECE_BYTES = 8 << 20


def piece_bytes(array: Array) -> int:
    """Size of a good piece: some MiB of whole rows."""
    geometry = array.mddev.geometry
    row_bytes = (geometry.chunk_sectors << 9) * geometry.data_disks
    return max(row_bytes, _PIECE_BYTES // row_bytes * row_bytes)


def next_piece(piece: int, offset: int, end: int) -> int:
    """How much to move at ``offset`` so that the next piece begins at a multiple of ``piece``."""
    return min(piece - offset % piece, end - offset)


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
