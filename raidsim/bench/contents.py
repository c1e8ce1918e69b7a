"""What an array should hold: random sectors whose place and age can be told from their bytes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from raidsim.bench.under_way import UnderWay
from raidsim.bench.workload import SECTOR_BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from raidsim.array import Array

# One run of random sectors, that repeats, is the source of everything. What is written begins in
# it at the sector's own place, moved on by so many blocks of 4 KiB as the write's version says: so
# nothing is copied, and data keep the alignment that they have on the array. The run has a prime
# number of blocks, so that a block which lands in the wrong place, wrong by a power of two or a
# multiple of a chunk, does not look right there.
_RUN_BLOCKS = 509
_BLOCK_SECTORS = 8
_RUN_SECTORS = _RUN_BLOCKS * _BLOCK_SECTORS
# Versions of consecutive writes lie far apart, lest neighbours look alike.
_STRIDE = 197
# What is known of a sector: nothing, zeros, or its version.
_UNKNOWN, _ZEROS, _FIRST_VERSION = range(3)
_ZEROS_ROW = _RUN_SECTORS
_PIECE_BYTES = 8 << 20

_Alternatives = dict[int, set[int]]


class _Unflushed(NamedTuple):
    """What a power cut may bring back: the versions that a write replaced.

    Attributes:
        first: The first sector.
        versions: Of each sector.
        alternatives: What else the sectors might have held.
    """

    first: int
    versions: NDArray[np.uint16]
    alternatives: _Alternatives


class Contents:
    """Which write each sector of an array was written by last.

    A write that failed leaves each of its sectors old or new, and so does a power cut with those
    that no flush followed; both are right from then on.

    Args:
        array_bytes: Size of the array.
        seed: Of the random bytes.
        zeros: The array is new and holds nothing else; otherwise what it holds is unknown, and
            never wrong.
        volatile: Writes are on stable storage only once they were flushed.

    Attributes:
        array_bytes: As given.
        under_way: What workloads are reading and writing just now.
    """

    def __init__(
        self, array_bytes: int, seed: int = 0, *, zeros: bool = False, volatile: bool = False
    ) -> None:
        self.array_bytes = array_bytes
        self._volatile = volatile
        random = np.random.default_rng(abs(seed))  # NumPy's seeds are not negative
        run = random.integers(0, 256, _RUN_SECTORS * SECTOR_BYTES, np.uint8)
        # By sector, with a sector of zeros behind the run.
        self._sectors = np.append(run, np.zeros(SECTOR_BYTES, np.uint8)).reshape(-1, SECTOR_BYTES)
        self._run = run
        self._writes = 0
        count = array_bytes // SECTOR_BYTES
        self._versions = np.full(count, _ZEROS, np.uint16) if zeros else np.zeros(count, np.uint16)
        self._alternatives: _Alternatives = {}
        self._unflushed: deque[_Unflushed] = deque()
        self._flushed = 0
        self.under_way = UnderWay()

    # -- writing --------------------------------------------------------------------------------

    def new_write(self, offset: int, length: int) -> tuple[int, NDArray[np.uint8]]:
        """Choose what to write: a version, and its bytes, not to be changed."""
        self._writes += 1
        version = self._writes * _STRIDE % _RUN_BLOCKS
        start = (offset // SECTOR_BYTES + version * _BLOCK_SECTORS) % _RUN_SECTORS * SECTOR_BYTES
        if start + length > len(self._run):
            self._lengthen(_RUN_SECTORS * SECTOR_BYTES + length)
        return version + _FIRST_VERSION, self._run[start : start + length]

    def wrote(self, version: int, offset: int, length: int, *, fua: bool = False) -> None:
        """A write of ``version`` has ended well."""
        first = offset // SECTOR_BYTES
        end = first + length // SECTOR_BYTES
        replaced: _Alternatives = {}
        if self._alternatives:
            replaced = {
                sector: self._alternatives.pop(sector)
                for sector in range(first, end)
                if sector in self._alternatives
            }
        if self._volatile:
            if fua:
                self._make_stable(version, first, end)
            else:
                old = self._versions[first:end].copy()
                self._unflushed.append(_Unflushed(first, old, replaced))
        self._versions[first:end] = version

    def may_have_written(self, version: int, offset: int, length: int) -> None:
        """A write of ``version`` failed, or its end is not known: each sector is old or new."""
        first = offset // SECTOR_BYTES
        for sector in range(first, first + length // SECTOR_BYTES):
            self._alternatives.setdefault(sector, set()).add(version)

    def begin_flush(self) -> int:
        """A flush is being submitted; ``flushed`` wants what this returns."""
        return self._flushed + len(self._unflushed)

    def flushed(self, mark: int) -> None:
        """A flush has ended well: what had ended when it began is on stable storage."""
        while self._flushed < mark and self._unflushed:
            self._unflushed.popleft()
            self._flushed += 1

    def power_cut(self) -> None:
        """The power was cut: what was not flushed is there, or what it replaced."""
        for first, versions, alternatives in self._unflushed:
            for sector, version in enumerate(versions.tolist(), first):
                possible = self._alternatives.setdefault(sector, set())
                possible.add(version)
                possible |= alternatives.get(sector, set())
        self._flushed += len(self._unflushed)
        self._unflushed.clear()

    # -- comparing ------------------------------------------------------------------------------

    @property
    def written(self) -> bool:
        """Whether anything is known of the array."""
        return bool(self._writes)

    def wrong_sectors(self, offset: int, found: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Which sectors of the array in ``found``, read at ``offset``, are not as they should be.

        Sectors of which nothing is known are never wrong.
        """
        first = offset // SECTOR_BYTES
        sectors = found.reshape(-1, SECTOR_BYTES)
        versions = self._versions[first : first + len(sectors)]
        numbers = np.arange(first, first + len(sectors))
        differ = (sectors != self._sectors[self._rows(numbers, versions)]).any(axis=1)
        wrong = numbers[differ & (versions != _UNKNOWN)].tolist()
        if self._alternatives:
            wrong = [
                sector for sector in wrong if not self._may_be(sector, sectors[sector - first])
            ]
        return np.array(wrong, np.int64)

    def wrong_sectors_of(self, array: Array) -> NDArray[np.int64]:
        """Read all of ``array`` and return which of its sectors are not as they should be.

        Raises:
            RaidsimError: It cannot be read.
        """
        buffer = np.empty(min(_PIECE_BYTES, self.array_bytes), np.uint8)
        wrong = []
        for offset in range(0, self.array_bytes, len(buffer)):
            window = buffer[: self.array_bytes - offset]
            array.read_into(offset, window)
            wrong.append(self.wrong_sectors(offset, window))
        return np.concatenate(wrong)

    def _may_be(self, sector: int, found: NDArray[np.uint8]) -> bool:
        """Whether a sector holds something else that it may hold."""
        possible = np.array(sorted(self._alternatives.get(sector, ())), np.uint16)
        if _UNKNOWN in possible:
            return True
        rows = self._rows(np.full(len(possible), sector), possible)
        return bool((self._sectors[rows] == found).all(axis=1).any())

    @staticmethod
    def _rows(numbers: NDArray[np.int64], versions: NDArray[np.uint16]) -> NDArray[np.int64]:
        """The rows of ``_sectors`` that sectors of the array should be like."""
        blocks = versions.astype(np.int64) - _FIRST_VERSION
        rows = (numbers + blocks * _BLOCK_SECTORS) % _RUN_SECTORS
        rows[versions == _ZEROS] = _ZEROS_ROW
        return rows

    def _lengthen(self, length: int) -> None:
        """Let the run repeat itself, so that it has ``length`` bytes."""
        self._run = np.resize(self._run[: _RUN_SECTORS * SECTOR_BYTES], length)

    def _make_stable(self, version: int, first: int, end: int) -> None:
        """Nothing older than ``version`` comes back in these sectors."""
        for entry in self._unflushed:
            start, stop = max(first, entry.first), min(end, entry.first + len(entry.versions))
            if start < stop:
                entry.versions[start - entry.first : stop - entry.first] = version
                for sector in range(start, stop):
                    entry.alternatives.pop(sector, None)
