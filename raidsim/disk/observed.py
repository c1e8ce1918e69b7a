"""A disk whose accesses are told to the observation hook: it stands above all else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.disk.events import DiskEnded, DiskSubmitted
from raidsim.disk.request import OPERATION_NAMES
from raidsim.disk.wrapper import DiskWrapper

if TYPE_CHECKING:
    from raidsim.disk.request import Disk, DiskRequest
    from raidsim.machine import Machine


class ObservedDisk(DiskWrapper):
    """Tells of each access as it is asked for, and as it ends.

    Each gets a number, which models and faults below tell of as well. What its owner begins when it
    has ended is for the same as the access was.

    Args:
        machine: Has the hook.
        disk: The disk below.
    """

    __slots__ = ("_hook",)

    def __init__(self, machine: Machine, disk: Disk) -> None:
        super().__init__(disk)
        self._hook = machine.sim.hook

    def submit(self, request: DiskRequest) -> None:
        """Pass ``request`` on, and its end back."""
        hook = self._hook
        if not hook.listeners:
            self.disk.submit(request)
            return
        origin = hook.origin
        number = request.number = hook.next_number()
        operation = OPERATION_NAMES[request.operation]
        sector = request.sector
        sectors = 0 if request.buffer is None else len(request.buffer) >> 9
        owners_end_io = request.end_io

        def end_io(request: DiskRequest) -> None:
            request.end_io = owners_end_io
            request.number = 0
            hook.emit(DiskEnded(self.name, number, operation, sector, sectors, request.status))
            with hook.working_for(origin):
                owners_end_io(request)

        request.end_io = end_io
        hook.emit(DiskSubmitted(self.name, number, origin, operation, sector, sectors, request.fua))
        self.disk.submit(request)
