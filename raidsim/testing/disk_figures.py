"""``measure_figure``: what a model of a drive does, where its maker publishes a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from raidsim.disk import READ, WRITE, DiskRequest, MemoryDisk
from raidsim.disk.models import model_disk
from raidsim.machine import Machine

if TYPE_CHECKING:
    from raidsim.disk.models import DiskProfile, Published

_DISK_SECTORS = 1 << 18
_SECOND_NS = 1_000_000_000


def measure_figure(
    profile: DiskProfile, published: Published, *, operations: int = 4000, seed: int = 0
) -> float:
    """Run the workload that ``published`` is about on the model; return its figure there.

    A closed loop: as one access ends the next one is submitted. The first third is left out, so
    that buffers are as full as they get.

    Args:
        profile: The drive.
        published: The workload; its own figure is not looked at, only which one it is.
        operations: How many accesses.
        seed: Where random accesses go.

    Returns:
        Accesses or bytes a second, or the mean latency in nanoseconds.
    """
    loop = _ClosedLoop(profile, published, operations, seed)
    for _ in range(published.queue_depth):
        loop.submit()
    loop.machine.sim.run()
    ends_ns = loop.ends_ns
    warm = operations // 3
    seconds = (ends_ns[-1] - ends_ns[warm]) / _SECOND_NS
    rate = (len(ends_ns) - 1 - warm) / seconds
    if published.operations_per_second:
        return rate
    if published.bytes_per_second:
        return rate * published.block_bytes
    latencies_ns = loop.latencies_ns[warm:]
    return sum(latencies_ns) / len(latencies_ns)


class _ClosedLoop:
    """So many accesses under way, until there were enough."""

    def __init__(
        self, profile: DiskProfile, published: Published, operations: int, seed: int
    ) -> None:
        self.machine = Machine(seed, timed=True, kernel="numpy")
        self.disk = model_disk(self.machine, MemoryDisk("disk0", _DISK_SECTORS), profile)
        self.ends_ns: list[int] = []
        self.latencies_ns: list[int] = []
        self._published = published
        self._left = operations
        self._random = self.machine.sim.random("workload")
        self._block_sectors = published.block_bytes >> 9
        run = operations * self._block_sectors
        room = max(0, _DISK_SECTORS - run)
        self._next_sector = int(room * published.location)

    def submit(self) -> None:
        """Submit the next access, if there is one."""
        if not self._left:
            return
        self._left -= 1
        block = self._block_sectors
        if self._published.pattern == "random":
            sector = self._random.randrange(_DISK_SECTORS // block) * block
        else:
            sector = self._next_sector
            self._next_sector += block
            if self._next_sector + block > _DISK_SECTORS:
                self._next_sector = 0
        operation = READ if self._published.operation == "read" else WRITE
        buffer = np.zeros(self._published.block_bytes, np.uint8)
        now_ns = self.machine.sim.now_ns
        self.disk.submit(DiskRequest(operation, sector, buffer, self._end, owner=now_ns))

    def _end(self, request: DiskRequest) -> None:
        now_ns = self.machine.sim.now_ns
        self.ends_ns.append(now_ns)
        self.latencies_ns.append(now_ns - request.owner)
        self.submit()
