"""A drive whose service time is known beforehand: the yardstick for queues and arrays."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from raidsim.disk.models.model import DiskModel

if TYPE_CHECKING:
    from raidsim.disk.models.elevator import Command
    from raidsim.disk.models.profile import FixedProfile
    from raidsim.disk.request import Disk, DiskRequest
    from raidsim.machine import Machine


class FixedModel(DiskModel):
    """Some servers, each of which takes the same time for every command, and for every byte.

    Writes are on the medium when they end, and a flush takes as long as a command without bytes.
    """

    __slots__ = ("_free_servers", "_profile", "_waiting")

    def __init__(self, machine: Machine, disk: Disk, profile: FixedProfile) -> None:
        super().__init__(machine, disk, profile)
        self._profile = profile
        self._free_servers = profile.parallelism
        self._waiting: deque[Command] = deque()

    def start(self, command: Command) -> None:
        """Give ``command`` to a server, or let it wait for one."""
        if not self._free_servers:
            self._waiting.append(command)
            return
        self._free_servers -= 1
        command.started_ns = self.sim.now_ns
        profile = self._profile
        service_ns = profile.service_ns
        if profile.bytes_per_second:
            service_ns += (command.sectors * 512 * 1_000_000_000) // profile.bytes_per_second
        self.busy_ns += service_ns
        self.sim.device_after(service_ns, self._served, command)

    def _served(self, command: Command) -> None:
        self._free_servers += 1
        if self._waiting:
            self.start(self._waiting.popleft())
        self.finish(command)

    def flush(self, request: DiskRequest) -> None:
        """Take the time of a command."""
        now_ns = self.sim.now_ns
        self.sim.device_after(self._profile.service_ns, self.finish_flush, request, now_ns)
