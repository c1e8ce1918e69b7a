"""Moving bytes between an array and a stream, in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raidsim.array.snapshot import ArraySnapshot

_PIECE_BYTES = 8 << 20


def piece_bytes(snapshot: ArraySnapshot) -> int:
    """Size of a good piece: some MiB of whole rows."""
    data_disks = snapshot.raid_disks - snapshot.max_degraded
    row_bytes = (snapshot.chunk_sectors << 9) * data_disks
    return max(row_bytes, _PIECE_BYTES // row_bytes * row_bytes)


def next_piece(piece: int, offset: int, end: int) -> int:
    """How much to move at ``offset`` so that the next piece begins at a multiple of ``piece``."""
    return min(piece - offset % piece, end - offset)
