"""What a workload asks of an array: one description, in the words of fio's jobs.

References: fio's HOWTO, "Job file parameters".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raidsim.bench.distribution import distribution_mistake
from raidsim.bench.traces import Trace  # noqa: TC001  from_table asks for it at run time
from raidsim.tables import TableError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator

SECTOR_BYTES = 512
RW = ("read", "write", "rw", "randread", "randwrite", "randrw")
ARRIVALS = ("constant", "poisson")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Requests to an array: which, where, and when.

    In a closed loop, so many requests are under way at any time, each followed by another. With a
    rate, or the times of a trace, requests come whether or not those before them have ended.

    Attributes:
        name: What it is called.
        rw: Sequential ``read``, ``write`` or ``rw`` for both, from the first byte to the last and
            again; ``randread``, ``randwrite``, ``randrw`` in random order, any place any number of
            times.
        read_percent: How many of a hundred requests read, where both is done.
        block_bytes: Size of each request.
        block_split: Instead: pairs of a size and its share among the requests.
        distribution: Where random requests go: ``uniform``, ``zipf:THETA`` or ``pareto:H``.
        offset_bytes: Where on the array its region begins.
        size_bytes: Size of its region; 0 for all up to the array's end.
        depth: Requests under way at most; by default 1, or any number with a rate or a trace's
            times.
        rate_per_second: Requests that come each second; 0 for a closed loop.
        arrivals: How they come: ``constant`` or ``poisson``.
        think_ns: In a closed loop, how long a request that ended is not followed by another.
        flush_every: A flush follows every so many writes; 0 for none.
        fua_every: Every so many writes, one is to be on stable storage when it ends; 0 for none.
        passes: It ends when as many bytes were asked for as its region has, so often; 0 for no
            end, or 1 where nothing else ends it.
        requests: It ends after so many; 0 for no such end.
        duration_ns: It ends after so long; 0 for no such end.
        start_ns: How long after it was started it begins.
        verify: Whether reads are compared with what was written.
        continue_on_error: Whether it goes on when a request failed.
        trace: Replay this instead of ``rw``.

    Raises:
        TableError: It makes no sense; all that is wrong is said at once.
    """

    name: str = "workload"
    rw: str = "read"
    read_percent: int = 50
    block_bytes: int = 4096
    block_split: tuple[tuple[int, int], ...] = ()
    distribution: str = "uniform"
    offset_bytes: int = 0
    size_bytes: int = 0
    depth: int | None = None
    rate_per_second: float = 0.0
    arrivals: str = "constant"
    think_ns: int = 0
    flush_every: int = 0
    fua_every: int = 0
    passes: int = 0
    requests: int = 0
    duration_ns: int = 0
    start_ns: int = 0
    verify: bool = True
    continue_on_error: bool = False
    trace: Trace | None = None

    def __post_init__(self) -> None:
        mistakes = [*self._mistakes()]
        if mistakes:
            raise TableError(f"workload {self.name!r}", mistakes)

    @property
    def random(self) -> bool:
        """Whether its requests are in random order."""
        return self.rw.startswith("rand")

    @property
    def writes(self) -> bool:
        """Whether it may change what the array holds."""
        return self.trace is not None or "read" not in self.rw

    @property
    def open_loop(self) -> bool:
        """Whether requests come when they are due, ended or not those before them."""
        return self.rate_per_second > 0 or (self.trace is not None and self.trace.time_scale > 0)

    @property
    def needs_time(self) -> bool:
        """Whether it makes sense in virtual time only."""
        return self.open_loop or self.think_ns > 0 or self.start_ns > 0

    @property
    def block_sizes(self) -> tuple[tuple[int, int], ...]:
        """Pairs of a size and its share."""
        return self.block_split or ((self.block_bytes, 1),)

    @property
    def smallest_block(self) -> int:
        """What requests are aligned to."""
        return min(size for size, _ in self.block_sizes)

    @property
    def largest_block(self) -> int:
        """The most bytes that one of its own requests has."""
        return max(size for size, _ in self.block_sizes)

    def _mistakes(self) -> Iterator[str]:
        if self.rw not in RW:
            yield f"rw = {self.rw!r}: {suggest(self.rw, RW)}"
        if self.arrivals not in ARRIVALS:
            yield f"arrivals = {self.arrivals!r}: {suggest(self.arrivals, ARRIVALS)}"
        if not 0 <= self.read_percent <= 100:
            yield f"read_percent = {self.read_percent}: from 0 to 100"
        if self.depth is not None and self.depth < 1:
            yield f"depth = {self.depth}: at least 1"
        if mistake := distribution_mistake(self.distribution):
            yield f"distribution = {self.distribution!r}: {mistake}"
        for name in (
            *("offset_bytes", "size_bytes", "rate_per_second", "think_ns", "flush_every"),
            *("fua_every", "passes", "requests", "duration_ns", "start_ns"),
        ):
            if not 0 <= getattr(self, name) < math.inf:
                yield f"{name} = {getattr(self, name)}: a number, at least 0"
        for name, size in (("offset_bytes", self.offset_bytes), ("size_bytes", self.size_bytes)):
            if size % SECTOR_BYTES:
                yield f"{name} = {size}: a multiple of {SECTOR_BYTES}"
        for size, share in self.block_sizes:
            name = "block_split" if self.block_split else "block_bytes"
            if size < SECTOR_BYTES or size % SECTOR_BYTES:
                yield f"{name} = {size}: a multiple of {SECTOR_BYTES}, at least that"
            if share < 1:
                yield f"block_split = {share}: a share is at least 1"
        if self.rate_per_second and self.think_ns:
            yield "think_ns: there is no thinking where requests come at a rate"
        if self.rate_per_second and self.trace is not None:
            yield "rate_per_second: a trace has its own times; see its time_scale"


def _job(name: str, rw: str, block_bytes: int, depth: int) -> Workload:
    return Workload(name=name, rw=rw, block_bytes=block_bytes, depth=depth, verify=False)


WORKLOADS = {
    workload.name: workload
    for workload in (
        _job("read", "read", 1 << 20, 4),
        _job("randread-4k", "randread", 4 << 10, 32),
        _job("write", "write", 1 << 20, 4),
        _job("randwrite-4k", "randwrite", 4 << 10, 32),
        _job("randwrite-64k", "randwrite", 64 << 10, 32),
    )
}
"""What ``raidsim bench`` runs, and the comparison with real md."""
