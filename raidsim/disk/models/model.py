"""What all models of service time have in common: the host's queue, and how accesses end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.disk.events import DiskServiced
from raidsim.disk.models.elevator import ELEVATORS, Command
from raidsim.disk.request import FLUSH, OPERATION_NAMES
from raidsim.disk.wrapper import DiskWrapper

if TYPE_CHECKING:
    from raidsim.disk.models.elevator import Elevator
    from raidsim.disk.models.profile import DiskProfile
    from raidsim.disk.request import Disk, DiskRequest
    from raidsim.machine import Machine
    from raidsim.sim import Simulator


class Server:
    """Something that a drive has one of; it works in the order of asking.

    Attributes:
        free_ns: When it will have done what was asked for so far.
    """

    __slots__ = ("_sim", "free_ns")

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self.free_ns = 0

    def take(self, service_ns: int) -> int:
        """Ask for so much of its time; tell how long until that is done."""
        now_ns = self._sim.now_ns
        self.free_ns = max(self.free_ns, now_ns) + service_ns
        return self.free_ns - now_ns


class DiskModel(DiskWrapper):
    """A disk that takes virtual time.

    The bytes are the business of the disk below: it gets a request when the drive would have
    answered it, and ends it. So faults stand below, and strike when an access has had its time.

    Args:
        machine: Has the clock.
        disk: The disk below.
        profile: The drive.

    Attributes:
        sim: The machine's simulator.
        busy_ns: How long what the drive has only one of was at work: the arm, the server.
        served: How many commands have ended.
    """

    __slots__ = ("_elevator", "_outstanding", "_queue_depth", "busy_ns", "served", "sim")

    def __init__(self, machine: Machine, disk: Disk, profile: DiskProfile) -> None:
        super().__init__(disk)
        self.sim = machine.sim
        self.busy_ns = 0
        self.served = 0
        self._elevator: Elevator = ELEVATORS[profile.scheduler]()
        self._queue_depth = profile.queue_depth
        self._outstanding = 0

    def submit(self, request: DiskRequest) -> None:
        """Queue ``request``; it ends when the drive would have carried it out."""
        if request.operation == FLUSH:
            self.flush(request)
            return
        self._elevator.add(Command(request, self.sim.now_ns))
        self._dispatch()

    def start(self, command: Command) -> None:
        """Begin with ``command``, which the drive has now; call ``finish`` when it is done."""
        raise NotImplementedError

    def flush(self, request: DiskRequest) -> None:
        """Carry out a flush; call ``finish_flush`` when it is done."""
        raise NotImplementedError

    def finish(self, command: Command) -> None:
        """End the requests of ``command``, and take the next ones."""
        self._outstanding -= 1
        self.served += 1
        hook = self.sim.hook
        if hook.listeners:
            hook.emit(
                DiskServiced(
                    self.name,
                    OPERATION_NAMES[command.operation],
                    command.sector,
                    command.sectors,
                    command.submitted_ns,
                    command.started_ns,
                    _numbers(command.requests),
                )
            )
        for request in command.requests:
            self.disk.submit(request)
        self._dispatch()

    def finish_flush(self, request: DiskRequest, submitted_ns: int) -> None:
        """End a flush."""
        hook = self.sim.hook
        if hook.listeners:
            numbers = _numbers([request])
            hook.emit(DiskServiced(self.name, "flush", 0, 0, submitted_ns, submitted_ns, numbers))
        self.disk.submit(request)

    def _dispatch(self) -> None:
        while self._outstanding < self._queue_depth:
            command = self._elevator.next(self.sim.now_ns)
            if command is None:
                return
            self._outstanding += 1
            self.start(command)


def _numbers(requests: list[DiskRequest]) -> tuple[int, ...]:
    """The numbers of those that have one."""
    return tuple(request.number for request in requests if request.number)
