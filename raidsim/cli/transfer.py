"""Moving bytes between an array and a stream, in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
