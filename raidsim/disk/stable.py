"""What is on stable storage: a disk that remembers what a power cut could take back.

It stands directly above an image. The image always has the newest bytes, so reads need no look
into a cache; of each write that nothing has flushed, the bytes it replaced are kept.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from raidsim.disk.request import FLUSH, READ, WRITE, DiskRequest
from raidsim.disk.wrapper import DiskWrapper
from raidsim.errors import RaidsimError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from numpy.typing import NDArray

    from raidsim.disk.request import Disk

# A physical sector of 4 KiB is written whole or not at all.
_BLOCK_SECTORS = 8


class _Write(NamedTuple):
    """A write, and what it replaced; nothing where it can not be taken back."""

    sector: int
    sectors: int
    replaced: NDArray[np.uint8] | None


class StableStorage(DiskWrapper):
    """A disk behind a volatile write cache: only a flush, or FUA, makes bytes stay.

    Args:
        disk: A disk that carries requests out at once, and whose writes stay.
        cache_bytes: The most that is not flushed: beyond it the oldest writes have been destaged.
            0 for a drive without a volatile cache.

    Attributes:
        cache_bytes: As given.
    """

    __slots__ = ("_unflushed", "_unflushed_bytes", "cache_bytes", "is_on")

    def __init__(self, disk: Disk, cache_bytes: int) -> None:
        super().__init__(disk)
        self.cache_bytes = cache_bytes
        self.is_on = True
        self._unflushed: deque[_Write] = deque()
        self._unflushed_bytes = 0

    @property
    def unflushed_writes(self) -> int:
        """How many writes a power cut could take back."""
        return sum(write.replaced is not None for write in self._unflushed)

    def submit(self, request: DiskRequest) -> None:
        """Carry ``request`` out; without power nothing happens at all."""
        if not self.is_on:
            return
        if request.operation == FLUSH:
            self._unflushed.clear()
            self._unflushed_bytes = 0
        elif request.operation == WRITE and self.cache_bytes:
            self._remember(request, stays=request.fua)
        self.disk.submit(request)

    def cut_power(self, random: Random, keep: float, under_way: Iterable[DiskRequest]) -> None:
        """Lose the power, and what was in the cache.

        Each 4 KiB block of each unflushed write is lost or kept, as chance has it; so it is with
        writes that had not completed, which may be torn that way.

        Args:
            random: Decides.
            keep: How likely a block is kept.
            under_way: Requests that had not completed; only writes matter.
        """
        for request in under_way:
            if request.operation == WRITE and self._fits(request):
                assert request.buffer is not None
                self._remember(request, stays=False)
                self._access(WRITE, request.sector, request.buffer)
        # From the newest back, what was kept of a sector hides what is older.
        settled: set[int] = set()
        while self._unflushed:
            write = self._unflushed.pop()
            for start in range(0, write.sectors, _BLOCK_SECTORS):
                count = min(_BLOCK_SECTORS, write.sectors - start)
                block = range(write.sector + start, write.sector + start + count)
                if write.replaced is None or random.random() < keep:
                    settled.update(block)
                else:
                    self._take_back(block, write, settled)
        self._unflushed_bytes = 0
        self.is_on = False

    def _take_back(self, block: range, write: _Write, settled: set[int]) -> None:
        assert write.replaced is not None
        for sector in block:
            if sector not in settled:
                at = (sector - write.sector) * 512
                self._access(WRITE, sector, write.replaced[at : at + 512])

    def _remember(self, request: DiskRequest, *, stays: bool) -> None:
        buffer = request.buffer
        assert buffer is not None
        if not self._fits(request):
            return  # it will fail
        replaced = None
        if not stays:
            replaced = np.empty(len(buffer), np.uint8)
            self._access(READ, request.sector, replaced)
            self._unflushed_bytes += len(buffer)
        elif not self._unflushed:
            return  # nothing older that would come back over it
        self._unflushed.append(_Write(request.sector, len(buffer) >> 9, replaced))
        while self._unflushed_bytes > max(self.cache_bytes, len(buffer)):
            oldest = self._unflushed.popleft()
            if oldest.replaced is not None:
                self._unflushed_bytes -= len(oldest.replaced)

    def _fits(self, request: DiskRequest) -> bool:
        assert request.buffer is not None
        return request.sector + (len(request.buffer) >> 9) <= self.sectors

    def _access(self, operation: int, sector: int, buffer: NDArray[np.uint8]) -> None:
        """Read or write directly below, at once."""
        ended: list[int] = []
        self.disk.submit(
            DiskRequest(operation, sector, buffer, lambda request: ended.append(request.status))
        )
        if ended != [0]:
            raise RaidsimError(
                f"{self.name}: stable storage needs a disk below that does everything at once and"
                f" never fails; put models and faults above it"
            )
