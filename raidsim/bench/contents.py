"""What an array should hold: random blocks whose place can be told from their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from raidsim.array import Array

BLOCK_BYTES = 4096

# Blocks after which a source begins again. As they are prime, a block that lands in the wrong
# place, which is wrong by a power of two or a multiple of a chunk, does not look right there.
_PERIODS = (17, 257)
_PIECE_BYTES = 8 << 20


class Contents:
    """Which source each block of an array was written from last.

    A source is a run of random blocks that repeats; block number b of the array, written from it,
    holds its block ``b % period``. A write from it needs no copying, and noting one costs no more
    than the number of its source.

    Args:
        array_bytes: size of the array; what lies behind its last whole block is not looked at.
        seed: of the random blocks.
    """

    def __init__(self, array_bytes: int, seed: int = 0) -> None:
        self.array_bytes = array_bytes - array_bytes % BLOCK_BYTES
        self._rng = np.random.default_rng(seed)
        self._sources: list[tuple[int, NDArray[np.uint8]]] = []
        # Number of the source plus one; 0 where nothing is known.
        self._writers = np.zeros(array_bytes // BLOCK_BYTES, np.uint16)

    def add_source(self, request_bytes: int) -> int:
        """Make a source for requests of up to ``request_bytes`` and return its number.

        Raises:
            ValueError: no source is as large.
        """
        blocks = request_bytes // BLOCK_BYTES
        period = next((period for period in _PERIODS if period > blocks), 0)
        if not period:
            raise ValueError(f"requests of {request_bytes} bytes are too large for a source")
        run = self._rng.integers(0, 256, period * BLOCK_BYTES, np.uint8)
        self._sources.append((period, np.concatenate((run, run[: blocks * BLOCK_BYTES]))))
        return len(self._sources) - 1

    @property
    def written(self) -> bool:
        """Whether anything is known of the array."""
        return bool(self._sources)

    def data(self, source: int, offset: int, length: int) -> NDArray[np.uint8]:
        """The bytes to write at byte ``offset`` of the array from ``source``, not to be changed."""
        period, run = self._sources[source]
        start = offset // BLOCK_BYTES % period * BLOCK_BYTES
        return run[start : start + length]

    def note_write(self, source: int, offset: int, length: int) -> None:
        """Bytes from ``offset`` on are being written from ``source``."""
        first = offset // BLOCK_BYTES
        self._writers[first : first + length // BLOCK_BYTES] = source + 1

    def wrong_blocks(self, offset: int, found: NDArray[np.uint8]) -> int:
        """How many of the whole blocks in ``found``, read at ``offset``, are not as written.

        Blocks of which nothing is known are never wrong.
        """
        first = offset // BLOCK_BYTES
        count = len(found) // BLOCK_BYTES
        writers = self._writers[first : first + count]
        blocks = found[: count * BLOCK_BYTES].reshape(count, BLOCK_BYTES)
        wrong = 0
        for writer in np.unique(writers):
            if not writer:
                continue
            period, run = self._sources[writer - 1]
            places = np.flatnonzero(writers == writer)
            expected = run.reshape(-1, BLOCK_BYTES)[(places + first) % period]
            wrong += int((blocks[places] != expected).any(axis=1).sum())
        return wrong

    def wrong_blocks_of(self, array: Array) -> int:
        """Read all of ``array`` and return how many of its blocks are not as written.

        Raises:
            RaidsimError: it cannot be read.
        """
        buffer = np.empty(min(_PIECE_BYTES, self.array_bytes), np.uint8)
        wrong = 0
        for offset in range(0, self.array_bytes, len(buffer)):
            window = buffer[: self.array_bytes - offset]
            array.read_into(offset, window)
            wrong += self.wrong_blocks(offset, window)
        return wrong
