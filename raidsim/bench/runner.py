"""Running a workload on an array in a closed loop, and its figures."""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from raidsim.md.bio import READ, WRITE, Bio
from raidsim.md.mddev import ArrayStateError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from raidsim.array import Array
    from raidsim.bench.contents import Contents
    from raidsim.bench.workload import Workload

    # What a request under way holds: a source of its data, or a buffer to read into.
    Slot = int | NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadReport:
    """How a workload went.

    Attributes:
        workload: what was run.
        requests: how many requests ended.
        elapsed_ns: how long that took, in virtual time on a timed machine.
        latencies_ns: of each request, in the order in which they ended.
        wrong_blocks: blocks of 4 KiB that reads gave back otherwise than they were written.
    """

    workload: Workload
    requests: int
    elapsed_ns: int
    latencies_ns: NDArray[np.int64]
    wrong_blocks: int

    @property
    def bytes_per_second(self) -> float:
        """Throughput."""
        return self.requests_per_second * self.workload.block_bytes

    @property
    def requests_per_second(self) -> float:
        """Rate of requests."""
        return self.requests / max(self.elapsed_ns, 1) * 1e9

    def latency_ns(self, percentile: float) -> int:
        """The latency that so many of a hundred requests did not exceed."""
        return int(np.percentile(self.latencies_ns, percentile, method="inverted_cdf"))


def run_workload(
    array: Array,
    workload: Workload,
    contents: Contents,
    *,
    seed: int = 0,
    duration_ns: int | None = None,
    requests: int | None = None,
    verify: bool = False,
) -> WorkloadReport:
    """Run ``workload`` on ``array`` and wait until all of it has ended.

    Args:
        array: the array; a workload that writes overwrites what it holds.
        workload: what to do.
        contents: what the array holds; it learns of the writes.
        seed: of the random order.
        duration_ns: end after that long, in virtual time on a timed machine.
        requests: end after so many; by default after one pass over the array.
        verify: compare what is read while the clock runs.

    Raises:
        ArrayStateError: a request failed, or the array is smaller than one of them.
    """
    if array.size < workload.block_bytes:
        raise ArrayStateError(f"{array.directory.path}: smaller than one request of the workload")
    return _ClosedLoop(array, workload, contents, seed, verify=verify).run(duration_ns, requests)


class _ClosedLoop:
    """The requests under way, each of which has a slot: a source to write from, or a buffer."""

    def __init__(
        self, array: Array, workload: Workload, contents: Contents, seed: int, *, verify: bool
    ) -> None:
        self._mddev = array.mddev
        self._sim = array.machine.sim
        self._workload = workload
        self._contents = contents
        self._verify = verify and not workload.writes
        self._block_count = array.size // workload.block_bytes
        rng = random.Random(seed)  # noqa: S311  a benchmark wants repeatable numbers
        self._blocks = workload.blocks(self._block_count, rng)
        self._under_way: set[int] = set()
        self._ended: list[Bio] = []
        self._latencies_ns: list[int] = []
        self._wrong_blocks = 0

    def run(self, duration_ns: int | None, requests: int | None) -> WorkloadReport:
        """Keep all slots busy until it is time to end."""
        size = self._workload.block_bytes
        new_slot = self._contents.add_source if self._workload.writes else _new_buffer
        slots = [new_slot(size) for _ in range(min(self._workload.depth, self._block_count))]
        left: float = self._block_count if requests is None else requests
        if duration_ns is not None and requests is None:
            left = math.inf
        start_ns = self._now_ns()
        while left or self._under_way:
            while slots and left:
                self._submit(slots.pop())
                left -= 1
            self._sim.run_until(self._ended.__len__, self._workload.name)
            slots += self._take_ended()
            if duration_ns is not None and self._now_ns() - start_ns >= duration_ns:
                left = 0
        return WorkloadReport(
            workload=self._workload,
            requests=len(self._latencies_ns),
            elapsed_ns=self._now_ns() - start_ns,
            latencies_ns=np.array(self._latencies_ns, np.int64),
            wrong_blocks=self._wrong_blocks,
        )

    def _now_ns(self) -> int:
        return self._sim.now_ns if self._sim.timed else time.perf_counter_ns()

    def _submit(self, slot: Slot) -> None:
        block = next(self._blocks)
        while block in self._under_way:  # which of two writes at once stays is not defined
            block = next(self._blocks)
        self._under_way.add(block)
        size = self._workload.block_bytes
        offset = block * size
        if isinstance(slot, int):
            self._contents.note_write(slot, offset, size)
            operation, buffer = WRITE, self._contents.data(slot, offset, size)
        else:
            operation, buffer = READ, slot
        private = (slot, block, self._now_ns())
        self._mddev.submit_bio(Bio(operation, offset >> 9, buffer, self._ended.append, private))

    def _take_ended(self) -> list[Slot]:
        """Account for what has ended, and return its slots."""
        now_ns = self._now_ns()
        free: list[Slot] = []
        for bio in self._ended:
            slot, block, start_ns = bio.private
            if bio.status:
                raise ArrayStateError(
                    f"{self._workload.name}: input/output error at byte {bio.sector << 9}"
                )
            if self._verify:
                self._wrong_blocks += self._contents.wrong_blocks(bio.sector << 9, bio.buffer)
            self._latencies_ns.append(now_ns - start_ns)
            self._under_way.discard(block)
            free.append(slot)
        self._ended.clear()
        return free


def _new_buffer(size: int) -> NDArray[np.uint8]:
    return np.zeros(size, np.uint8)
