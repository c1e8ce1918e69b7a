"""A solid-state drive, SATA or NVMe."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from raidsim.disk.models.model import DiskModel, Server
from raidsim.disk.request import READ

if TYPE_CHECKING:
    from random import Random

    from raidsim.disk.models.elevator import Command
    from raidsim.disk.models.profile import SsdProfile
    from raidsim.disk.request import Disk, DiskRequest
    from raidsim.machine import Machine

SECOND_NS = 1_000_000_000
# How many sequential streams the drive tells apart.
_STREAMS = 16


class SsdModel(DiskModel):
    """A solid-state drive.

    A read waits for the dies that its pages are on, all at once, then takes the link for its bytes;
    where it goes on behind another, the drive has it already. A write takes the link, ends when it
    is in the buffer, and is put into flash one after the other at the drive's sustained rate, which
    is lower for those that go on behind no other. After so many of these a die collects garbage,
    and reads of it wait.
    """

    __slots__ = (
        "_buffered_bytes",
        "_collected_bytes",
        "_dies",
        "_drain",
        "_draining",
        "_flash_ns",
        "_link_in",
        "_link_out",
        "_page_sectors",
        "_profile",
        "_random",
        "_read_ends",
        "_waiting",
        "_waits_for_room",
        "_write_ends",
        "_write_rest_ns",
    )

    def __init__(self, machine: Machine, disk: Disk, profile: SsdProfile) -> None:
        super().__init__(machine, disk, profile)
        sim = self.sim
        self._profile = profile
        self._random: Random = sim.random(f"{disk.name} garbage collection")
        self._dies = [Server(sim) for _ in range(profile.dies)]
        self._link_in = Server(sim)
        self._link_out = Server(sim) if profile.full_duplex else self._link_in
        self._drain = Server(sim)
        transfer_ns = profile.read_command_ns + 4096 * SECOND_NS // profile.read_bytes_per_second
        self._flash_ns = max(0, profile.read_latency_ns - transfer_ns)
        self._page_sectors = profile.page_bytes >> 9
        # Of the latency of an idle drive, the bytes of 4 KiB were a part.
        bytes_ns = 4096 * SECOND_NS // profile.read_bytes_per_second
        self._write_rest_ns = max(0, profile.write_latency_ns - bytes_ns)
        self._buffered_bytes = 0
        # What is in the buffer, and when it will be in flash.
        self._draining: deque[tuple[int, int]] = deque()
        self._waits_for_room = False
        self._waiting: deque[Command] = deque()
        self._collected_bytes = 0
        self._read_ends: deque[int] = deque(maxlen=_STREAMS)
        self._write_ends: deque[int] = deque(maxlen=_STREAMS)

    def start(self, command: Command) -> None:
        """Turn to ``command``."""
        command.started_ns = self.sim.now_ns
        if command.operation == READ:
            self._read(command)
        else:
            self._waiting.append(command)
            self._admit()

    # -- reads -----------------------------------------------------------------------------------

    def _read(self, command: Command) -> None:
        if _goes_on(self._read_ends, command):
            transfer_ns = self._transfer_ns(command.sectors)
            wait_ns = max(0, self._profile.sequential_read_latency_ns - transfer_ns)
        else:
            first = command.sector // self._page_sectors
            last = (command.sector + command.sectors - 1) // self._page_sectors
            dies, flash_ns = self._dies, self._flash_ns
            wait_ns = dies[first % len(dies)].take(flash_ns)
            for page in range(first + 1, last + 1):
                wait_ns = max(wait_ns, dies[page % len(dies)].take(flash_ns))
        self.sim.device_after(wait_ns, self._send, command)

    def _send(self, command: Command) -> None:
        service_ns = self._transfer_ns(command.sectors)
        self.busy_ns += service_ns
        self.sim.device_after(self._link_out.take(service_ns), self.finish, command)

    def _transfer_ns(self, sectors: int) -> int:
        profile = self._profile
        return profile.read_command_ns + sectors * 512 * SECOND_NS // profile.read_bytes_per_second

    # -- writes ----------------------------------------------------------------------------------

    def _admit(self) -> None:
        """Let writes into the buffer, in their order, while there is room."""
        profile = self._profile
        while self._waiting:
            command = self._waiting[0]
            size = command.sectors * 512
            if not self._has_room(size):
                return
            self._waiting.popleft()
            self._buffered_bytes += size
            bytes_ns = size * SECOND_NS // profile.read_bytes_per_second
            self.busy_ns += bytes_ns
            wait_ns = self._link_in.take(bytes_ns) + self._write_rest_ns
            drained_ns = self._drain.take(self._drain_ns(command))
            self._draining.append((self._drain.free_ns, size))
            if command.fua and profile.volatile_buffer:
                wait_ns = max(wait_ns, drained_ns)
            self.sim.device_after(wait_ns, self.finish, command)

    def _has_room(self, size: int) -> bool:
        """Whether the buffer takes so much more; if not, it is looked at again when it may."""
        now_ns, draining = self.sim.now_ns, self._draining
        while draining and draining[0][0] <= now_ns:
            self._buffered_bytes -= draining.popleft()[1]
        full = self._buffered_bytes + size > self._profile.buffer_bytes
        if not (full and draining and self.sim.timed):
            return True
        if not self._waits_for_room:
            self._waits_for_room = True
            self.sim.device_after(draining[0][0] - now_ns, self._room_was_made)
        return False

    def _room_was_made(self) -> None:
        self._waits_for_room = False
        self._admit()

    def _drain_ns(self, command: Command) -> int:
        profile, size = self._profile, command.sectors * 512
        if _goes_on(self._write_ends, command):
            return profile.write_command_ns + size * SECOND_NS // profile.write_bytes_per_second
        self._collect(size)
        return (
            profile.random_write_command_ns
            + size * SECOND_NS // profile.random_write_bytes_per_second
        )

    def _collect(self, size: int) -> None:
        """Let a die collect garbage, when enough was scattered."""
        profile = self._profile
        if not profile.collection_bytes:
            return
        self._collected_bytes += size
        while self._collected_bytes >= profile.collection_bytes:
            self._collected_bytes -= profile.collection_bytes
            self._random.choice(self._dies).take(profile.collection_ns)

    def flush(self, request: DiskRequest) -> None:
        """End when what is in the buffer now is in flash, if a power cut would take it."""
        now_ns = self.sim.now_ns
        wait_ns = self._profile.flush_ns
        if self._profile.volatile_buffer:
            wait_ns += max(0, self._drain.free_ns - now_ns)
        self.sim.device_after(wait_ns, self.finish_flush, request, now_ns)


def _goes_on(ends: deque[int], command: Command) -> bool:
    """Whether ``command`` goes on where one of its kind ended; note where it ends itself."""
    goes_on = command.sector in ends
    if goes_on:
        ends.remove(command.sector)
    ends.append(command.sector + command.sectors)
    return goes_on
