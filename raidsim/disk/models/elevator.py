"""The host's queue before a drive: mq-deadline, which sorts and merges, or none.

References: Linux block/mq-deadline.c, Documentation/block/deadline-iosched.rst.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import TYPE_CHECKING, Protocol

from raidsim.disk.request import READ, WRITE

if TYPE_CHECKING:
    from raidsim.disk.request import DiskRequest

# The kernel's defaults.
_EXPIRE_NS = {READ: 500_000_000, WRITE: 5_000_000_000}
_FIFO_BATCH = 16
_WRITES_STARVED = 2
_MAX_SECTORS = 2560


class Command:
    """What a drive is given: one request, or several merged that follow one another.

    Attributes:
        operation: ``READ`` or ``WRITE``.
        sector: The first sector.
        sectors: How many.
        fua: Whether it is to be on the medium when it ends.
        requests: What it carries out, in the order of their sectors.
        submitted_ns: When its first request was asked for.
        started_ns: When the drive turned to it.
    """

    __slots__ = ("fua", "operation", "requests", "sector", "sectors", "started_ns", "submitted_ns")

    def __init__(self, request: DiskRequest, submitted_ns: int) -> None:
        assert request.buffer is not None
        self.operation = request.operation
        self.sector = request.sector
        self.sectors = len(request.buffer) >> 9
        self.fua = request.fua
        self.requests = [request]
        self.submitted_ns = submitted_ns
        self.started_ns = submitted_ns

    @property
    def end(self) -> int:
        """The sector behind the last."""
        return self.sector + self.sectors

    def merge(self, other: Command) -> None:
        """Take over what follows directly."""
        self.sectors += other.sectors
        self.requests += other.requests


class Elevator(Protocol):
    """A queue of commands."""

    def add(self, command: Command) -> None:
        """Put a command in."""

    def next(self, now_ns: int) -> Command | None:
        """Take out the command that the drive gets next."""


class NoElevator:
    """``none``: first come, first served."""

    __slots__ = ("_queue",)

    def __init__(self) -> None:
        self._queue: deque[Command] = deque()

    def add(self, command: Command) -> None:
        """Put a command at the end."""
        self._queue.append(command)

    def next(self, now_ns: int) -> Command | None:  # noqa: ARG002  an elevator's form
        """Take out the oldest."""
        return self._queue.popleft() if self._queue else None


class MqDeadline:
    """``mq-deadline``: batches of reads, or of writes, in the order of their sectors.

    Reads come first, but not more than twice in a row before writes that wait; a batch starts at
    the oldest command if that has waited for too long, and goes on where the last one ended
    otherwise. Commands that follow one another are merged.
    """

    __slots__ = ("_batched", "_direction", "_queues", "_starved")

    def __init__(self) -> None:
        self._queues = {READ: _Sorted(), WRITE: _Sorted()}
        self._direction = READ
        self._batched = _FIFO_BATCH  # none has begun
        self._starved = 0

    def add(self, command: Command) -> None:
        """Sort a command in."""
        self._queues[command.operation].add(command)

    def next(self, now_ns: int) -> Command | None:
        """Take out the next of the batch, or begin a batch."""
        queue = self._queues[self._direction]
        if self._batched < _FIFO_BATCH and queue.has_further():
            self._batched += 1
            return queue.take_further()
        reads, writes = self._queues[READ], self._queues[WRITE]
        if reads and not (writes and self._starved >= _WRITES_STARVED):
            self._starved += bool(writes)
            self._direction = READ
        elif writes:
            self._starved = 0
            self._direction = WRITE
        else:
            return None
        self._batched = 1
        queue = self._queues[self._direction]
        if queue.oldest_ns() + _EXPIRE_NS[self._direction] <= now_ns or not queue.has_further():
            queue.go_to_oldest()
        return queue.take_further()


class _Sorted:
    """Commands of one direction, by sector and by age."""

    __slots__ = ("_age", "_by_sector", "_position", "_waiting")

    def __init__(self) -> None:
        self._age = 0
        self._by_sector: list[tuple[int, int]] = []
        self._waiting: dict[tuple[int, int], Command] = {}  # in the order of their coming
        self._position = 0

    def __len__(self) -> int:
        return len(self._by_sector)

    def add(self, command: Command) -> None:
        self._age += 1
        key = (command.sector, self._age)
        insort(self._by_sector, key)
        self._waiting[key] = command

    def oldest_ns(self) -> int:
        return next(iter(self._waiting.values())).submitted_ns

    def go_to_oldest(self) -> None:
        self._position = next(iter(self._waiting))[0]

    def has_further(self) -> bool:
        """Whether any lies beyond where the last one ended."""
        return bool(self._by_sector) and self._by_sector[-1][0] >= self._position

    def take_further(self) -> Command:
        """Take the first beyond where the last one ended, and what follows it directly."""
        index = bisect_left(self._by_sector, (self._position, 0))
        command = self._waiting.pop(self._by_sector.pop(index))
        while index < len(self._by_sector):
            key = self._by_sector[index]
            follower = self._waiting[key]
            if (
                key[0] != command.end
                or follower.fua != command.fua
                or command.sectors + follower.sectors > _MAX_SECTORS
            ):
                break
            del self._by_sector[index], self._waiting[key]
            command.merge(follower)
        self._position = command.end
        return command


ELEVATORS: dict[str, type[NoElevator | MqDeadline]] = {
    "none": NoElevator,
    "mq-deadline": MqDeadline,
}
"""The queues, by the names that ``/sys/block/*/queue/scheduler`` gives them."""
