"""Bytes into an opened array and out of it: whole sectors, in bios that end at row borders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from raidsim.errors import UsageError
from raidsim.md.bio import READ, WRITE, Bio
from raidsim.md.mddev import ArrayStateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from raidsim.array.array import Array

    Buffer = NDArray[np.uint8]
    # Reads or writes whole sectors: the operation, the first byte, and the buffer.
    Transfer = Callable[[int, int, Buffer], None]

# One bio covers about this much of the array, in whole rows: enough for tall stripe heads, little
# enough that its data are still in the CPU's cache when they are written.
_BIO_BYTES = 1 << 20


def read_into(array: Array, offset: int, buffer: Buffer) -> None:
    """Fill ``buffer``; see ``Array.read_into``."""
    check_range(array.size, offset, len(buffer))
    read_bytes(_transfer_of(array), offset, buffer)


def write(array: Array, offset: int, source: Buffer) -> None:
    """Write ``source``; see ``Array.write``."""
    check_range(array.size, offset, len(source))
    array.check_writable()
    check_not_suspended(array, offset, len(source))
    write_bytes(_transfer_of(array), offset, source)


def read_bytes(transfer: Transfer, offset: int, buffer: Buffer) -> None:
    """Fill ``buffer`` with bytes from ``offset`` on, by reading whole sectors."""
    if not len(buffer):
        return
    first, last = offset & ~511, -(-(offset + len(buffer)) // 512) * 512
    if (first, last) == (offset, offset + len(buffer)):
        transfer(READ, offset, buffer)
        return
    whole = np.empty(last - first, np.uint8)
    transfer(READ, first, whole)
    buffer[:] = whole[offset - first : offset - first + len(buffer)]


def write_bytes(transfer: Transfer, offset: int, source: Buffer) -> None:
    """Write ``source`` at byte ``offset``; sectors that are covered in part are read first."""
    if not len(source):
        return
    end = offset + len(source)
    first, last = offset & ~511, -(-end // 512) * 512
    if (first, last) != (offset, end):
        whole = np.empty(last - first, np.uint8)
        transfer(READ, first, whole[:512])
        if last - first > 512:
            transfer(READ, last - 512, whole[-512:])
        whole[offset - first : end - first] = source
        source = whole
    transfer(WRITE, first, source)


def run_bio(array: Array, bio: Bio) -> None:
    """Let a bio run to its end."""
    array.mddev.submit_bio(bio)
    if not bio.done:
        array.machine.sim.run_until(lambda: bio.done, "a bio")


def bios(array: Array, operation: int, offset: int, buffer: Buffer) -> Iterator[Bio]:
    """Make bios of a read or write of whole sectors, which end at the array's row borders."""
    geometry = array.mddev.geometry
    row_bytes = geometry.chunk_sectors * 512 * geometry.data_disks
    step = max(row_bytes, _BIO_BYTES // row_bytes * row_bytes)
    start, end = offset, offset + len(buffer)
    while start < end:
        stop = min(end, start - start % row_bytes + step)
        yield Bio(operation, start >> 9, buffer[start - offset : stop - offset])
        start = stop


def check_bio(array: Array, bio: Bio) -> None:
    """Refuse to go on after a bio that has failed.

    Raises:
        ArrayStateError: it has.
    """
    if bio.status:
        verb = "read" if bio.operation == READ else "written"
        start = bio.sector << 9
        raise ArrayStateError(
            f"{array.directory.path}: input/output error: bytes {start} to"
            f" {start + len(bio.buffer)} can not all be {verb}; more members are gone, or have bad"
            " blocks there, than parity bears"
        )


def check_range(size: int, offset: int, length: int) -> None:
    """Refuse bytes that an array of ``size`` bytes has not.

    Raises:
        UsageError: some lie beyond its end.
    """
    if offset < 0 or length < 0 or offset + length > size:
        raise UsageError(
            f"{length} bytes at {offset} lie beyond the end of the array, which has {size} bytes"
        )


def check_not_suspended(array: Array, offset: int, length: int) -> None:
    """Refuse a write that would wait for ever.

    Raises:
        ArrayStateError: it would.
    """
    mddev = array.mddev
    if length and mddev.suspended(offset >> 9, -(-(offset + length) // 512)):
        path = array.directory.path
        raise ArrayStateError(
            f"{path}: writes to sectors {mddev.suspend_lo} to {mddev.suspend_hi} are suspended;"
            f" `raidsim set {path} suspend_hi 0` lets them go on"
        )


def _transfer_of(array: Array) -> Transfer:
    def transfer(operation: int, offset: int, buffer: Buffer) -> None:
        for bio in bios(array, operation, offset, buffer):
            run_bio(array, bio)
            check_bio(array, bio)

    return transfer
