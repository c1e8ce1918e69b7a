"""The pages of a write-intent bitmap: one copy in memory, one on every member that has a slot.

References: write_page, md_bitmap_file_set_bit, md_bitmap_file_clear_bit and md_bitmap_unplug in
Linux drivers/md/md-bitmap.c.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from raidsim.disk import FLUSH, WRITE, DiskRequest
from raidsim.md.bitmap_superblock import BITMAP_SUPER_BYTES
from raidsim.md.events import BitmapBegun, BitmapWritten

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from raidsim.md.mddev import Mddev
    from raidsim.md.rdev import Rdev

_PAGE_BYTES = 4096
_PAGE_SECTORS = 8


class BitmapStorage:
    """Superblock and bits, in whole pages.

    Args:
        mddev: the array.
        offset: where the bitmap lies, in sectors from each member's superblock.
        raw: what a member holds there.
        size_bytes: how much of it is superblock and bits.

    Attributes:
        dirty: pages with bits set that have to be on the members before the data, bit i for page i.
        pending: pages with bits cleared, which the sweep after the next may write.
        needwrite: pages that the next sweep writes.
    """

    def __init__(self, mddev: Mddev, offset: int, raw: bytes, size_bytes: int) -> None:
        self._mddev = mddev
        self.offset = offset
        self._size_bytes = size_bytes
        self._pages = -(-size_bytes // _PAGE_BYTES)
        self._bytes = np.zeros(self._pages * _PAGE_BYTES, np.uint8)
        self._bytes[: len(raw)] = np.frombuffer(raw, np.uint8)[: len(self._bytes)]
        self._bits = self._bytes[BITMAP_SUPER_BYTES:]
        self.dirty = self.pending = self.needwrite = 0
        self._queue: deque[tuple[int, Callable[[], object]]] = deque()
        self._writes_pending = 0
        self._number = 0

    # -- in memory ------------------------------------------------------------------------------

    def set_superblock(self, raw: bytes) -> None:
        """Put a new superblock before the bits."""
        self._bytes[:BITMAP_SUPER_BYTES] = np.frombuffer(raw, np.uint8)

    def chunks_set(self, chunks: int) -> NDArray[np.intp]:
        """The numbers of the bits that are set, of the first ``chunks``."""
        bits = np.unpackbits(self._bits, count=chunks, bitorder="little")
        return np.flatnonzero(bits)

    def set_bit(self, chunk: int) -> None:
        """Set a bit; ``unplug`` brings it to the members."""
        self._bits[chunk >> 3] |= 1 << (chunk & 7)
        self.dirty |= 1 << ((BITMAP_SUPER_BYTES + (chunk >> 3)) // _PAGE_BYTES)

    def clear_bits(self, chunks: NDArray[np.intp]) -> None:
        """Clear bits; a later sweep brings that to the members."""
        places = chunks >> 3
        np.bitwise_and.at(self._bits, places, ~(1 << (chunks & 7)).astype(np.uint8))
        for page in np.unique((places + BITMAP_SUPER_BYTES) // _PAGE_BYTES):
            if not self.needwrite >> int(page) & 1:
                self.pending |= 1 << int(page)

    def set_all(self) -> None:
        """Set every bit, those beyond the last too."""
        self._bits[:] = 0xFF
        self.needwrite |= self.all_pages

    @property
    def all_pages(self) -> int:
        """A bit for each page."""
        return (1 << self._pages) - 1

    # -- on the members -------------------------------------------------------------------------

    def unplug(self, then: Callable[[], object]) -> None:
        """Write the pages whose bits are awaited, then call ``then``."""
        pages = self.dirty | self.needwrite
        self.dirty = self.needwrite = 0
        self.pending &= ~pages
        if pages or self._writes_pending:
            self.write(pages, then)
        else:
            then()

    def write(self, pages: int, then: Callable[[], object] | None = None) -> None:
        """Write ``pages`` to all members that have a slot, after whatever is being written."""
        self._queue.append((pages, then or _nothing))
        if not self._writes_pending:
            self._write_next()

    def _write_next(self) -> None:
        pages, _ = self._queue[0]
        mddev = self._mddev
        written = [r for r in mddev.rdevs if r.raid_disk >= 0 and not r.faulty]
        self._writes_pending = 1
        if pages and not mddev.readonly:
            # What is written is what the pages hold now, whatever becomes of them meanwhile.
            runs = [self._page(page) for page in range(self._pages) if pages >> page & 1]
            hook = mddev.machine.sim.hook
            if hook.listeners:
                self._number = hook.next_number()
                hook.emit(BitmapBegun(self._number, hook.origin, len(runs)))
            with hook.working_for(self._number):
                for rdev in written:
                    self._write_member(rdev, runs)
        self._end_write()

    def _page(self, page: int) -> tuple[int, NDArray[np.uint8]]:
        """Where a page lies in the bitmap, in sectors, and its bytes up to the last sector."""
        start = page * _PAGE_BYTES
        end = min(start + _PAGE_BYTES, -(-self._size_bytes // 512) * 512)
        return page * _PAGE_SECTORS, self._bytes[start:end].copy()

    def _write_member(self, rdev: Rdev, pages: list[tuple[int, NDArray[np.uint8]]]) -> None:
        self._writes_pending += len(pages)
        base = rdev.superblock.super_offset + self.offset

        def end_flush(flush: DiskRequest) -> None:
            for sector, page in pages:
                write = DiskRequest(WRITE, base + sector, page, end_write, fua=True)
                if flush.status:
                    write.status = flush.status
                    end_write(write)
                else:
                    rdev.disk.submit(write)

        def end_write(request: DiskRequest) -> None:
            if request.status:
                self._mddev.error(rdev)
            self._end_write()

        # A bit may be cleared only once the data it stood for are on stable storage.
        rdev.disk.submit(DiskRequest(FLUSH, 0, None, end_flush))

    def _end_write(self) -> None:
        self._writes_pending -= 1
        if self._writes_pending:
            return
        pages, then = self._queue.popleft()
        hook = self._mddev.machine.sim.hook
        if pages and hook.listeners:
            hook.emit(BitmapWritten(self._number))
        then()
        if self._queue and not self._writes_pending:
            self._write_next()


def _nothing() -> None:
    """Nobody waits for the write."""
