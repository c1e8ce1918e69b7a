"""Which bytes are being read and written, so that no two requests meet in them.

Of two writes at once it is not defined which one stays, nor what a read beside a write finds, so
workloads avoid both.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.md.bio import Bio


class UnderWay:
    """The requests under way on one array, of all its workloads."""

    __slots__ = ("_reads", "_waiting", "_writes")

    def __init__(self) -> None:
        self._writes: list[tuple[int, int]] = []  # first and end, in order; no two overlap
        self._reads: set[Bio] = set()
        self._waiting: list[Callable[[], object]] = []

    def admits(self, offset: int, length: int, *, write: bool) -> bool:
        """Whether a request would meet no other that it must not."""
        end = offset + length
        writes = self._writes
        if writes:
            behind = bisect_right(writes, (offset, end))
            if behind and writes[behind - 1][1] > offset:
                return False
            if behind < len(writes) and writes[behind][0] < end:
                return False
        if not write or not self._reads:
            return True
        return not any(
            bio.sector << 9 < end and offset < (bio.sector << 9) + len(bio.buffer)
            for bio in self._reads
        )

    def begin_read(self, bio: Bio) -> None:
        """A read that was admitted begins."""
        self._reads.add(bio)

    def begin_write(self, offset: int, length: int) -> None:
        """A write that was admitted begins."""
        insort(self._writes, (offset, offset + length))

    def end_read(self, bio: Bio) -> None:
        """A read has ended."""
        self._reads.remove(bio)
        if self._waiting:
            self._try_again()

    def end_write(self, offset: int, length: int) -> None:
        """A write has ended."""
        del self._writes[bisect_left(self._writes, (offset, offset + length))]
        if self._waiting:
            self._try_again()

    def wait(self, retry: Callable[[], object]) -> None:
        """Call ``retry`` once, when a request has ended."""
        self._waiting.append(retry)

    def _try_again(self) -> None:
        waiting, self._waiting = self._waiting, []
        for retry in waiting:
            retry()
