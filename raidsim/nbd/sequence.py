"""Requests that take several bios, one after the other.

A write that covers its first or last sector in part reads those first. Zeros are written, and what
is to be cached is read, in pieces of bounded size, however long the request is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from raidsim.md.bio import READ, WRITE, Bio
from raidsim.nbd.protocol import NBD_CMD_CACHE, NBD_CMD_WRITE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from raidsim.nbd.request import Request

_SECTOR = 512
_PIECE_BYTES = 1 << 20


def bios_of(request: Request) -> Iterator[Bio]:
    """The bios that make up ``request``: each is to be submitted once the one before has ended.

    There is no next one after one that failed.
    """
    if request.command == NBD_CMD_WRITE:
        assert request.buffer is not None
        return _write(request.offset, request.length, request.buffer, fua=request.fua)
    if request.command == NBD_CMD_CACHE:
        return _cache(request)
    return _write_zeroes(request)


def _write(offset: int, length: int, buffer: NDArray[np.uint8], *, fua: bool) -> Iterator[Bio]:
    """Write part of ``buffer``, whose other bytes are first made those that are there."""
    end = offset + length
    first = offset & -_SECTOR
    for start in sorted({first, first + len(buffer) - _SECTOR}):
        head, tail = max(offset - start, 0), min(end - start, _SECTOR)
        if (head, tail) != (0, _SECTOR):
            sector = np.empty(_SECTOR, np.uint8)
            yield Bio(READ, start >> 9, sector)
            ours = buffer[start - first : start - first + _SECTOR]
            ours[:head] = sector[:head]
            ours[tail:] = sector[tail:]
    yield Bio(WRITE, first >> 9, buffer, fua=fua)


def _write_zeroes(request: Request) -> Iterator[Bio]:
    offset, end = request.offset, request.offset + request.length
    zeros = np.zeros(min(_PIECE_BYTES, request.last - request.first), np.uint8)
    while offset < end:
        sector_end = offset - offset % _SECTOR + _SECTOR
        whole_end = end & -_SECTOR
        if offset % _SECTOR or whole_end <= offset:
            stop = min(end, sector_end)
            part = np.zeros(_SECTOR, np.uint8)
            yield from _write(offset, stop - offset, part, fua=request.fua)
        else:
            stop = min(whole_end, offset - offset % _PIECE_BYTES + _PIECE_BYTES)
            yield Bio(WRITE, offset >> 9, zeros[: stop - offset], fua=request.fua)
        offset = stop


def _cache(request: Request) -> Iterator[Bio]:
    buffer = np.empty(min(_PIECE_BYTES, request.last - request.first), np.uint8)
    for start in range(request.first, request.last, _PIECE_BYTES):
        yield Bio(READ, start >> 9, buffer[: request.last - start])
