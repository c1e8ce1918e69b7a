"""What a disk is asked for, counted while somebody watches."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from raidsim.disk.request import FLUSH, DiskRequest
from raidsim.disk.wrapper import DiskWrapper

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.disk.request import Disk
    from raidsim.sim import Simulator


class MeteredDisk(DiskWrapper):
    """A disk whose accesses are counted.

    Args:
        sim: Has the clock; that of the host is used where it stands while disks work.
        disk: The disk below.

    Attributes:
        accesses: Ended reads, writes and flushes.
        length_bytes: What they moved.
        latency_ns: The sum of the time each of them took.
    """

    __slots__ = ("_begun", "_sim", "accesses", "latency_ns", "length_bytes")

    def __init__(self, sim: Simulator, disk: Disk) -> None:
        super().__init__(disk)
        self._sim = sim
        self._begun: dict[DiskRequest, tuple[Callable[[DiskRequest], None], int]] = {}
        self.accesses = [0, 0, 0]
        self.length_bytes = [0, 0, 0]
        self.latency_ns = 0

    @property
    def _now_ns(self) -> int:
        return self._sim.now_ns if self._sim.timed else time.perf_counter_ns()

    @property
    def in_flight(self) -> int:
        """How many accesses are under way."""
        return len(self._begun)

    def submit(self, request: DiskRequest) -> None:
        """Pass ``request`` on and note when it ends."""
        self._begun[request] = request.end_io, self._now_ns
        request.end_io = self._ended
        self.disk.submit(request)

    def _ended(self, request: DiskRequest) -> None:
        request.end_io, begun_ns = self._begun.pop(request)
        operation = request.operation
        self.accesses[operation] += 1
        self.latency_ns += self._now_ns - begun_ns
        if operation != FLUSH and request.buffer is not None:
            self.length_bytes[operation] += len(request.buffer)
        request.end_io(request)
