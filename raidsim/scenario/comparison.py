"""What an array gives back in the end, against what was written to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from raidsim.array.transfer import run_bio
from raidsim.md.bio import READ, Bio

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from raidsim.array import Array
    from raidsim.bench import Contents
    from raidsim.md.layout import Geometry, Row

_PIECE_BYTES = 1 << 20
_UNIT_BYTES = 4096
_UNIT_SECTORS = 8
# The field's, x^8 + x^4 + x^3 + x^2 + 1, without what overflows.
_POLYNOMIAL = np.uint8(0x1D)

Ranges = list[tuple[int, int]]
"""Pairs of a first byte and a length, in order, none touching the next."""


def compare(array: Array, contents: Contents) -> tuple[Ranges, Ranges]:
    """Read all of ``array``.

    Returns:
        The bytes that it says it cannot read, and those that are not what was written.
    """
    lost: list[tuple[int, int]] = []
    wrong: list[tuple[int, int]] = []
    for offset, found in _read_all(array):
        if found is None:
            lost.append((offset, _UNIT_BYTES))
        else:
            wrong += [(int(s) << 9, 512) for s in contents.wrong_sectors(offset, found)]
    return merged(lost), merged(wrong)


def _read_all(array: Array) -> Iterator[tuple[int, NDArray[np.uint8] | None]]:
    """Pieces of the array with their offsets; None for a unit that cannot be read."""
    buffer = np.empty(_PIECE_BYTES, np.uint8)
    for start in range(0, array.size, _PIECE_BYTES):
        piece = buffer[: array.size - start]
        if _read(array, start, piece):
            yield start, piece
            continue
        for offset in range(start, start + len(piece), _UNIT_BYTES):
            unit = piece[offset - start : offset - start + _UNIT_BYTES]
            yield offset, unit if _read(array, offset, unit) else None


def _read(array: Array, offset: int, buffer: NDArray[np.uint8]) -> bool:
    bio = Bio(READ, offset >> 9, buffer)
    run_bio(array, bio)
    return not bio.status


def merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Ranges in order, those that touch made one."""
    found: Ranges = []
    for offset, length in sorted(ranges):
        if found and offset <= sum(found[-1]):
            first, before = found[-1]
            found[-1] = (first, max(before, offset + length - first))
        else:
            found.append((offset, length))
    return found


def parity_mismatches(array: Array) -> int | None:
    """Compute all parity anew from the images, and count the 4 KiB units where it differs.

    Nothing of md is asked but where its data are, and its bad blocks, of which nothing is expected.
    The array must have been stopped.

    Returns:
        None where a member is missing, or not all of it is in sync.
    """
    mddev = array.mddev
    geometry = mddev.geometry
    if mddev.degraded:
        return None
    chunk_bytes = geometry.chunk_sectors << 9
    members: list[NDArray[np.uint8]] = [np.empty(0, np.uint8)] * geometry.raid_disks
    bad = np.zeros(mddev.dev_sectors // _UNIT_SECTORS, bool)
    for rdev, image in array.images.items():
        if rdev.raid_disk >= 0 and rdev.in_sync:
            for block in rdev.bad_blocks:
                first, end = block.start - rdev.data_offset, block.end - rdev.data_offset
                bad[first // _UNIT_SECTORS : -(-end // _UNIT_SECTORS)] = True
            raw = np.fromfile(
                image.path, np.uint8, mddev.dev_sectors << 9, offset=rdev.data_offset << 9
            )
            members[rdev.raid_disk] = raw.reshape(-1, chunk_bytes)
    unlike = np.zeros_like(bad).reshape(len(members[0]), -1)
    for number, row in enumerate(geometry.rows):
        rows = slice(number, None, geometry.period)
        unlike[rows] = _unlike(geometry, row, [chunks[rows] for chunks in members])
    return int((unlike.reshape(-1) & ~bad).sum())


def _unlike(geometry: Geometry, row: Row, chunks: list[NDArray[np.uint8]]) -> NDArray[np.bool_]:
    """Which units differ in the rows of one kind; ``chunks`` are the members' chunks of them."""
    differ = chunks[row.pd_idx].copy()
    for disk in row.data_disks:
        differ ^= chunks[disk]
    if geometry.level == 6:
        q = np.zeros_like(differ)
        for disk in reversed(row.syndrome_slots):
            q = q * np.uint8(2) ^ q // np.uint8(128) * _POLYNOMIAL  # times 2 in the field
            if disk >= 0:
                q ^= chunks[disk]
        differ |= q ^ chunks[row.qd_idx]
    rows, chunk_bytes = differ.shape  # an array with few rows has none of some kinds
    return np.asarray(differ.reshape(rows, chunk_bytes // _UNIT_BYTES, _UNIT_BYTES).any(axis=2))
