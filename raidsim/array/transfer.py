"""Bytes into an opened array and out of it: whole sectors, in bios that end at row borders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from raidsim.errors import UsageError
from raidsim.md.bio import READ, WRITE, Bio
from raidsim.md.mddev import ArrayStateError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from raidsim.array.array import Array

# One bio covers about this much of the array, in whole rows: enough for tall stripe heads, little
# enough that its data are still in the CPU's cache when they are written.
_BIO_BYTES = 1 << 20


def read_into(array: Array, offset: int, buffer: NDArray[np.uint8]) -> None:
    """Fill ``buffer``; see ``Array.read_into``."""
    check_range(array, offset, len(buffer))
    if not len(buffer):
        return
    first, last = offset & ~511, -(-(offset + len(buffer)) // 512) * 512
    if (first, last) == (offset, offset + len(buffer)):
        _transfer(array, READ, offset, buffer)
        return
    whole = np.empty(last - first, np.uint8)
    _transfer(array, READ, first, whole)
    buffer[:] = whole[offset - first : offset - first + len(buffer)]


def write(array: Array, offset: int, source: NDArray[np.uint8]) -> None:
    """Write ``source``; see ``Array.write``."""
    check_range(array, offset, len(source))
    array.check_writable()
    if not len(source):
        return
    end = offset + len(source)
    _check_not_suspended(array, offset, end)
    first, last = offset & ~511, -(-end // 512) * 512
    if (first, last) != (offset, end):
        whole = np.empty(last - first, np.uint8)
        _transfer(array, READ, first, whole[:512])
        if last - first > 512:
            _transfer(array, READ, last - 512, whole[-512:])
        whole[offset - first : end - first] = source
        source = whole
    _transfer(array, WRITE, first, source)


def run_bio(array: Array, bio: Bio) -> None:
    """Let a bio run to its end."""
    array.mddev.submit_bio(bio)
    if not bio.done:
        array.machine.sim.run_until(lambda: bio.done, "a bio")


def check_range(array: Array, offset: int, length: int) -> None:
    """Refuse bytes that the array has not.

    Raises:
        UsageError: some lie beyond its end.
    """
    if offset < 0 or length < 0 or offset + length > array.size:
        raise UsageError(
            f"{length} bytes at {offset} lie beyond the end of the array, which has"
            f" {array.size} bytes"
        )


def _transfer(array: Array, operation: int, offset: int, buffer: NDArray[np.uint8]) -> None:
    """Read or write whole sectors, in bios that end at the array's row borders."""
    geometry = array.mddev.geometry
    row_bytes = geometry.chunk_sectors * 512 * geometry.data_disks
    step = max(row_bytes, _BIO_BYTES // row_bytes * row_bytes)
    start, end = offset, offset + len(buffer)
    while start < end:
        stop = min(end, start - start % row_bytes + step)
        bio = Bio(operation, start >> 9, buffer[start - offset : stop - offset])
        run_bio(array, bio)
        if bio.status:
            verb = "read" if operation == READ else "written"
            raise ArrayStateError(
                f"{array.directory.path}: input/output error: bytes {start} to {stop} can not all"
                f" be {verb}; more members are gone, or have bad blocks there, than parity bears"
            )
        start = stop


def _check_not_suspended(array: Array, offset: int, end: int) -> None:
    """Refuse a write that would wait for ever."""
    mddev = array.mddev
    if mddev.suspended(offset >> 9, -(-end // 512)):
        path = array.directory.path
        raise ArrayStateError(
            f"{path}: writes to sectors {mddev.suspend_lo} to {mddev.suspend_hi} are suspended;"
            f" `raidsim set {path} suspend_hi 0` lets them go on"
        )
