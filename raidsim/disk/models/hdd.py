"""A hard disk: one arm, a turning platter, a queue of its own, read-ahead and a write cache."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

from raidsim.disk.models.model import DiskModel, Server
from raidsim.disk.models.platter import SECOND_NS, Platter
from raidsim.disk.request import READ, WRITE

if TYPE_CHECKING:
    from raidsim.disk.models.elevator import Command
    from raidsim.disk.models.profile import HddProfile
    from raidsim.disk.request import Disk, DiskRequest
    from raidsim.machine import Machine

# Cached writes that the drive weighs against one another before it destages one.
_DESTAGE_CHOICE = 32
# A command this old goes first, however far away it is. Firmware has such a bound, nobody publishes
# it; this one is the model's.
_STARVED_NS = SECOND_NS


class HddModel(DiskModel):
    """A hard disk.

    Of the commands it has it carries out the one that the head gets to first, seek and rotation
    together (NCQ as drives do it). A read that goes on where the last one ended finds the drive
    reading ahead. With a write cache a write ends when it is in there, and is destaged when the
    arm is free, when the cache is half full, or when a flush waits; FUA goes to the medium.
    """

    __slots__ = (
        "_ahead",
        "_at_work",
        "_destaging",
        "_dirty",
        "_dirty_sectors",
        "_electronics",
        "_entered",
        "_flushes",
        "_held",
        "_platter",
        "_position",
        "_profile",
        "_ready",
        "_sector",
    )

    def __init__(self, machine: Machine, disk: Disk, profile: HddProfile) -> None:
        super().__init__(machine, disk, profile)
        self._profile = profile
        self._platter = Platter(profile, disk.sectors)
        self._electronics = Server(self.sim)
        self._ready: list[Command] = []
        self._at_work = False
        self._destaging = False
        self._position = 0.0
        self._sector = 0
        # The sector that the drive reads ahead from, and when the head passed it.
        self._ahead: tuple[int, int] | None = None
        # Cached writes: (sector, number in order of coming, sectors), in order of sectors.
        self._dirty: list[tuple[int, int, int]] = []
        self._dirty_sectors = 0
        self._entered = 0
        self._held: list[Command] = []
        self._flushes: list[_Flush] = []

    # -- what comes ------------------------------------------------------------------------------

    def start(self, command: Command) -> None:
        """Take a command in; what the electronics do for it goes on beside the arm's work."""
        service_ns = self._profile.command_ns
        if command.operation == WRITE:
            service_ns += self._interface_ns(command.sectors)
        self.sim.device_after(self._electronics.take(service_ns), self._receive, command)

    def _receive(self, command: Command) -> None:
        if command.operation == WRITE and self._profile.cache_bytes and not command.fua:
            self._held.append(command)
            self._fill_cache()
        else:
            self._ready.append(command)
        self._work()

    def _fill_cache(self) -> None:
        """Let held writes into the cache, in their order, while there is room."""
        capacity = self._profile.cache_bytes >> 9
        while self._held:
            command = self._held[0]
            if self._dirty and self._dirty_sectors + command.sectors > capacity:
                return
            del self._held[0]
            self._entered += 1
            insort(self._dirty, (command.sector, self._entered, command.sectors))
            self._dirty_sectors += command.sectors
            command.started_ns = self.sim.now_ns
            self.finish(command)

    def flush(self, request: DiskRequest) -> None:
        """Destage what is cached, then end."""
        left = len(self._dirty) + self._destaging
        flush = _Flush(request, self.sim.now_ns, self._entered, left)
        if flush.left:
            self._flushes.append(flush)
            self._work()
        else:
            self.sim.device_after(self._profile.command_ns, self._end_flush, flush)

    def _end_flush(self, flush: _Flush) -> None:
        self.finish_flush(flush.request, flush.submitted_ns)

    # -- what the arm does -----------------------------------------------------------------------

    def _work(self) -> None:
        """Give the arm something to do, if it has nothing."""
        while not self._at_work and (self._ready or self._dirty):
            full = self._dirty_sectors * 1024 > self._profile.cache_bytes
            if self._ready and not ((full or self._flushes) and self._dirty):
                self._serve(self._choose())
            else:
                self._destage()

    def _choose(self) -> Command:
        """Take the command that the head gets to first."""
        ready = self._ready
        index = 0
        if self.sim.now_ns - ready[0].submitted_ns < _STARVED_NS:
            waits = [self._reach_ns(command) for command in ready]
            index = waits.index(min(waits))
        return ready.pop(index)

    def _reach_ns(self, command: Command) -> int:
        if self._continues(command):
            return 0
        return self._approach_ns(command.sector, command.operation)

    def _serve(self, command: Command) -> None:
        now_ns = command.started_ns = self.sim.now_ns
        ahead = self._ahead
        if ahead is not None and self._continues(command):
            # The head has gone on reading until the buffer was full, and goes on now.
            limit_ns = self._read_ahead_ns(command.sector)
            passed_ns = max(ahead[1], now_ns - limit_ns)
            place = self._platter.place(command.sector)
            passed_ns += self._platter.transfer_ns(place, command.sectors)
            self._move_to(command.end)
            service_ns = max(passed_ns - now_ns, self._interface_ns(command.sectors))
        else:
            service_ns = self._access_ns(command.sector, command.sectors, command.operation)
            passed_ns = now_ns + service_ns
        # A drive reads on behind a read, into its buffer.
        self._ahead = (command.end, passed_ns) if command.operation == READ else None
        self.busy_ns += service_ns
        self._at_work = True
        self.sim.device_after(service_ns, self._served, command)

    def _served(self, command: Command) -> None:
        self._at_work = False
        self.finish(command)
        self._work()

    def _continues(self, command: Command) -> bool:
        """Whether a read goes on where the drive reads ahead."""
        ahead = self._ahead
        return ahead is not None and command.operation == READ and command.sector == ahead[0]

    def _read_ahead_ns(self, sector: int) -> int:
        place = self._platter.place(sector)
        return self._platter.transfer_ns(place, self._profile.read_ahead_bytes >> 9)

    def _destage(self) -> None:
        """Write one cached write out: of the next ones upwards, the one soonest under the head."""
        dirty = self._dirty
        first = bisect_left(dirty, (self._sector, 0, 0))
        count = min(len(dirty), _DESTAGE_CHOICE)
        indices = [(first + step) % len(dirty) for step in range(count)]
        index = min(indices, key=lambda index: self._approach_ns(dirty[index][0], WRITE))
        sector, number, sectors = dirty.pop(index)
        service_ns = self._access_ns(sector, sectors, WRITE)
        self._ahead = None
        self.busy_ns += service_ns
        self._at_work = self._destaging = True
        self.sim.device_after(service_ns, self._destaged, number, sectors)

    def _destaged(self, number: int, sectors: int) -> None:
        self._at_work = self._destaging = False
        self._dirty_sectors -= sectors
        for flush in self._flushes:
            flush.left -= number <= flush.entered
        done = [flush for flush in self._flushes if not flush.left]
        self._flushes = [flush for flush in self._flushes if flush.left]
        for flush in done:
            self._end_flush(flush)
        self._fill_cache()
        self._work()

    # -- how long it takes -----------------------------------------------------------------------

    def _approach_ns(self, sector: int, operation: int) -> int:
        """The time until ``sector`` is under the head."""
        platter = self._platter
        place = platter.place(sector)
        seek_ns = 0
        if not -place.track_sectors < sector - self._sector < place.track_sectors:
            seek_ns = platter.seek_ns(self._position, place.position)
            if operation == WRITE:
                seek_ns += self._profile.write_settle_ns
        return seek_ns + platter.turn_ns(self.sim.now_ns + seek_ns, place.angle_ns)

    def _access_ns(self, sector: int, sectors: int, operation: int) -> int:
        """The time that an access takes the arm, which then is behind it."""
        platter = self._platter
        place = platter.place(sector)
        service_ns = self._approach_ns(sector, operation) + platter.transfer_ns(place, sectors)
        self._move_to(sector + sectors)
        return service_ns

    def _move_to(self, sector: int) -> None:
        self._sector = sector
        self._position = self._platter.place(sector).position

    def _interface_ns(self, sectors: int) -> int:
        return sectors * 512 * SECOND_NS // self._profile.interface_bytes_per_second


class _Flush:
    """A flush that waits for so many cached writes, those that came before it."""

    __slots__ = ("entered", "left", "request", "submitted_ns")

    def __init__(self, request: DiskRequest, submitted_ns: int, entered: int, left: int) -> None:
        self.request = request
        self.submitted_ns = submitted_ns
        self.entered = entered
        self.left = left
