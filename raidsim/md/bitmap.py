"""The write-intent bitmap: which chunks of the members may be out of sync (md-bitmap.c).

A bit is on the members before the first write to its chunk goes out, and stays a while after the
last has ended: two sweeps of a daemon, some seconds apart, clear it lazily. What a degraded array
writes keeps its bits. After a crash, and for a member that comes back, only chunks whose bits are
set have to be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from raidsim.md.bitmap_storage import BitmapStorage
from raidsim.md.bitmap_superblock import BITMAP_STALE, PAGE_COUNTERS, BitmapSuperblock

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.md.mddev import Mddev

# A chunk's counter: 2 plus the writes in flight; then 2, 1 and 0 as sweeps go by. The kernel's has
# 16 bits, and writers wait while it is full; this one cannot fill up.
_NEEDED = 1 << 31
_RESYNC = 1 << 30


class Bitmap:
    """The bitmap of one running array.

    Args:
        mddev: the array.
        offset: where it lies, in sectors from each member's superblock.
        raw: what a member holds there.

    Attributes:
        superblock: as last written.
        storage: its pages.
        events_cleared: see ``BitmapSuperblock``.
    """

    def __init__(self, mddev: Mddev, offset: int, raw: bytes) -> None:
        """Take the bits over.

        Raises:
            BitmapError: they are not this array's, or make no sense.
        """
        self._mddev = mddev
        self.superblock = superblock = BitmapSuperblock.from_bytes(raw)
        superblock.check(mddev.superblock.set_uuid)
        superblock.sync_size = mddev.dev_sectors
        self.storage = BitmapStorage(mddev, offset, raw, superblock.size_bytes)
        self.events_cleared = superblock.events_cleared
        self.chunks = superblock.chunks
        self._shift = superblock.chunksize.bit_length() - 10
        self._counters = np.zeros(self.chunks, np.uint32)
        self._cells = memoryview(self._counters)
        self._in_use = [0] * -(-self.chunks // PAGE_COUNTERS)
        self._pending: set[int] = set()
        self._allclean = True
        self._need_sync = False
        self._daemon_armed = False

    def load(self) -> None:
        """Let what the bits say become what has to be synced (md_bitmap_load)."""
        mddev = self._mddev
        superblock = self.superblock
        if superblock.out_of_date(mddev.events):
            superblock.state &= ~BITMAP_STALE
            self.events_cleared = mddev.events
            self.storage.set_all()
        start = 0
        if not mddev.degraded or self.events_cleared == mddev.events:
            start = mddev.recovery_cp  # no member is missing that the bits would help back
        dirty = self.storage.chunks_set(self.chunks)
        self._counters[dirty] = 2
        self._counters[dirty[dirty + 1 >= -(-start >> self._shift)]] |= _NEEDED
        for page, count in zip(*np.unique(dirty // PAGE_COUNTERS, return_counts=True), strict=True):
            self._in_use[int(page)] = int(count)
            self._set_pending(int(page))
        pages, self.storage.needwrite = self.storage.needwrite, 0
        self.storage.write(pages)
        self.update_sb()

    # -- writes ---------------------------------------------------------------------------------

    def startwrite(self, sector: int, sectors: int, writes: int) -> None:
        """Count writes that begin, and set the bits that are not set yet.

        The writes have to wait for ``unplug``.

        Args:
            sector: first sector they cover, from the start of a member's data.
            sectors: how many they cover.
            writes: how many writes there are.
        """
        cells = self._cells
        for chunk in range(sector >> self._shift, (sector + sectors - 1 >> self._shift) + 1):
            value = cells[chunk]
            if value < 2:
                if not value:
                    self.storage.set_bit(chunk)
                    self._in_use[chunk // PAGE_COUNTERS] += 1
                value = 2
            cells[chunk] = value + writes

    def unplug(self, then: Callable[[], object]) -> None:
        """Bring the bits set so far to the members, then call ``then``."""
        self.storage.unplug(then)

    def endwrite(self, sector: int, sectors: int, writes: int, *, success: bool) -> None:
        """Count writes that have ended.

        Args:
            sector: as for ``startwrite``, like the next two.
            sectors: as above.
            writes: as above.
            success: every member that should hold them does.
        """
        mddev = self._mddev
        if success and self.events_cleared < mddev.events and not mddev.degraded:
            self.events_cleared = mddev.events
            self._need_sync = True
        self._uncount(sector, sectors, writes, 0 if success else _NEEDED)

    def splitwrite(self, sector: int, sectors: int, writes: int, parts: int) -> None:
        """Count each of ``parts`` equal parts of what ``startwrite`` counted by itself."""
        part_sectors = sectors // parts
        for part in range(sector, sector + sectors, part_sectors):
            self.startwrite(part, part_sectors, writes)
        self._uncount(sector, sectors, writes, 0)

    def _uncount(self, sector: int, sectors: int, writes: int, flag: int) -> None:
        cells = self._cells
        for chunk in range(sector >> self._shift, (sector + sectors - 1 >> self._shift) + 1):
            value = cells[chunk] - writes | flag
            cells[chunk] = value
            if value <= 2:
                self._set_pending(chunk // PAGE_COUNTERS)

    # -- the daemon -----------------------------------------------------------------------------

    def _set_pending(self, page: int) -> None:
        """Let the next sweep look at a page of counters."""
        self._pending.add(page)
        if self._allclean:
            self._allclean = False
            self._arm_daemon()

    def _arm_daemon(self) -> None:
        sim = self._mddev.machine.sim
        if sim.timers and not self._daemon_armed:
            self._daemon_armed = True
            sim.call_after(self.superblock.daemon_sleep * 1_000_000_000, self._sweep)

    def _sweep(self) -> None:
        self._daemon_armed = False
        if self._mddev.bitmap is self:
            self.daemon_work()

    def daemon_work(self) -> None:
        """One sweep: chunks that had no write since the last one come closer to being clean.

        Timed, it runs by itself every ``daemon_sleep`` seconds while there is anything to do.
        """
        if self._allclean:
            return
        self._allclean = True
        storage = self.storage
        storage.needwrite |= storage.pending
        storage.pending = 0
        if self._need_sync:
            self._need_sync = False
            self.superblock.events_cleared = self.events_cleared
            storage.set_superblock(self.superblock.to_bytes())
            storage.needwrite |= 1
        pages, self._pending = self._pending, set()
        for page in pages:
            self._age(page)
        if storage.pending:
            self._allclean = False
        # What is dirty is awaited, so unplug writes it, and nothing may overtake its first page.
        dirty = storage.dirty
        pages_due = storage.needwrite & ((dirty & -dirty) - 1 if dirty else storage.all_pages)
        storage.needwrite &= ~pages_due
        if pages_due:
            storage.write(pages_due)
        if not self._allclean:
            self._arm_daemon()

    def _age(self, page: int) -> None:
        """Count the idle chunks of a page of counters down, and clear bits at 0."""
        start = page * PAGE_COUNTERS
        counters = self._counters[start : start + PAGE_COUNTERS]
        ended = np.flatnonzero(counters == 1)
        resting = counters == 2
        if len(ended):
            counters[ended] = 0
            self._in_use[page] -= len(ended)
            self.storage.clear_bits(ended + start)
        if resting.any():
            counters[resting] = 1
            self._pending.add(page)
            self._allclean = False

    def flush(self) -> None:
        """Clear all bits that can be, as when an array is stopped (md_bitmap_flush)."""
        for _ in range(3):
            self.daemon_work()
        self.update_sb()

    def update_sb(self, then: Callable[[], object] | None = None) -> None:
        """Write the bitmap's superblock with the array's events, then call ``then``."""
        superblock = self.superblock
        superblock.events = self._mddev.events
        # Events may have gone back when the array became clean.
        self.events_cleared = min(self.events_cleared, superblock.events)
        superblock.events_cleared = self.events_cleared
        self.storage.set_superblock(superblock.to_bytes())
        self.storage.write(1, then)

    # -- sync -----------------------------------------------------------------------------------

    def sync_run(self, sector: int, limit: int) -> tuple[bool, int]:
        """Whether a resync needs ``sector``, and up to which sector that holds at least.

        What holds is told in steps like the kernel's: never beyond a page of counters, and, where
        nothing is needed and some counter of the page is in use, not beyond the chunk of ``limit``.
        """
        shift = self._shift
        chunk = sector >> shift
        page = chunk // PAGE_COUNTERS
        end = min((page + 1) * PAGE_COUNTERS, self.chunks)
        if not self._in_use[page]:
            return False, end << shift
        needed = self._counters[chunk:end] >= _RESYNC
        first = bool(needed[0])
        change = int(np.argmin(needed) if first else np.argmax(needed))
        if change:
            end = chunk + change
        if not first:
            end = min(end, -(-limit >> shift))
        return first, end << shift

    def start_sync(self, sector: int, sectors: int) -> None:
        """A sync takes these sectors up, and no member lacks them when it is done."""
        cells = self._cells
        for chunk in range(sector >> self._shift, (sector + sectors - 1 >> self._shift) + 1):
            value = cells[chunk]
            if value & (_NEEDED | _RESYNC) == _NEEDED:
                cells[chunk] = value ^ (_NEEDED | _RESYNC)

    def cond_end_sync(self, sector: int) -> None:
        """A sync under way has dealt with all chunks that end at ``sector`` or before."""
        self._end_sync(sector >> self._shift)

    def close_sync(self, stopped_at: int | None = None) -> None:
        """A sync has ended.

        Args:
            stopped_at: where it was stopped; the chunk there is needed still.
        """
        if stopped_at is not None:
            chunk = stopped_at >> self._shift
            if chunk < self.chunks and self._cells[chunk] & _RESYNC:
                self._cells[chunk] = self._cells[chunk] & ~_RESYNC | _NEEDED
        self._end_sync(self.chunks)

    def _end_sync(self, chunks: int) -> None:
        synced = np.flatnonzero(self._counters[:chunks] & np.uint32(_RESYNC))
        self._counters[synced] ^= np.uint32(_RESYNC)
        for page in np.unique(synced // PAGE_COUNTERS):
            self._set_pending(int(page))

    # -- for reports ----------------------------------------------------------------------------

    @property
    def can_clear(self) -> bool:
        """Whether the bitmap's superblock has caught up with ``events_cleared``."""
        return not self._need_sync

    @property
    def pages(self) -> tuple[int, int]:
        """Pages of counters in use, and in all."""
        return sum(map(bool, self._in_use)), len(self._in_use)
