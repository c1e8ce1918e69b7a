"""What a workload asks of an array: the same few words that fio uses for its jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A closed loop: so many requests are under way at any time, each followed by another.

    Attributes:
        name: what it is called.
        writes: it writes; otherwise it reads.
        random: blocks in random order, each of them any number of times; otherwise from the
            first to the last, and again.
        block_bytes: size of each request.
        depth: requests under way.
    """

    name: str
    writes: bool
    random: bool
    block_bytes: int
    depth: int

    def blocks(self, count: int, rng: Random) -> Iterator[int]:
        """The blocks to ask for, without end.

        Args:
            count: whole blocks that the array has.
            rng: where random order comes from.
        """
        if self.random:
            while True:
                yield rng.randrange(count)
        while True:
            yield from range(count)


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload(name="read", writes=False, random=False, block_bytes=1 << 20, depth=4),
        Workload(name="randread-4k", writes=False, random=True, block_bytes=4 << 10, depth=32),
        Workload(name="write", writes=True, random=False, block_bytes=1 << 20, depth=4),
        Workload(name="randwrite-4k", writes=True, random=True, block_bytes=4 << 10, depth=32),
        Workload(name="randwrite-64k", writes=True, random=True, block_bytes=64 << 10, depth=32),
    )
}
