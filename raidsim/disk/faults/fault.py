"""What every disk fault is made of: a rule, the sectors it is about, and what it does."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from raidsim.disk.events import DiskFaultFired
from raidsim.disk.extents import Extents  # noqa: TC001  tables are checked by the annotations
from raidsim.disk.request import FLUSH, OPERATION_NAMES, READ, WRITE, DiskRequest
from raidsim.disk.wrapper import DiskWrapper
from raidsim.sim import FaultError, Trigger
from raidsim.tables import suggest

if TYPE_CHECKING:
    from random import Random

    from raidsim.disk.request import Disk
    from raidsim.machine import Machine
    from raidsim.sim import Simulator

READS = 1 << READ
WRITES = 1 << WRITE
FLUSHES = 1 << FLUSH
ANY_OPERATION = READS | WRITES | FLUSHES


@dataclass(slots=True, kw_only=True)
class DiskFault(Trigger, ABC):
    """A fault of one disk: which accesses it strikes, and what becomes of them.

    Attributes:
        sectors: It strikes accesses that touch these alone; None for any. Flushes touch none.
        operations: It strikes these alone, of those that its kind could; all of them when empty.
    """

    sectors: Extents | None = None
    operations: tuple[str, ...] = ()
    _mask: int = field(init=False, repr=False, default=0)

    kind: ClassVar[str]
    """What tables, messages and events call it."""

    could_strike: ClassVar[int]
    """The operations of its kind: ``READS``, ``WRITES``, ``FLUSHES``."""

    def __post_init__(self) -> None:
        Trigger.__post_init__(self)
        names = self.operations or OPERATION_NAMES
        self._mask = self.could_strike & sum(1 << OPERATION_NAMES.index(name) for name in names)

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"disk fault {self.kind!r}"

    def mistakes(self) -> list[str]:
        """What makes no sense about it, one line each."""
        possible = [
            name for number, name in enumerate(OPERATION_NAMES) if self.could_strike >> number & 1
        ]
        return Trigger.mistakes(self) + [
            f"it does not strike {word!r}: {suggest(word, possible)}"
            for word in self.operations
            if word not in possible
        ]

    def submit(self, disk: FaultyDisk, request: DiskRequest) -> None:
        """Strike ``request``, or pass it on."""
        if self.aims_at(request) and self.picks(disk.sim, disk.random):
            disk.tell(request)
            self.strike(disk, request)
        else:
            disk.disk.submit(request)

    def aims_at(self, request: DiskRequest) -> bool:
        """Whether ``request`` is of the kind that it could strike."""
        if not self._mask >> request.operation & 1:
            return False
        if self.sectors is None or request.operation == FLUSH:
            return True
        return bool(self.sectors.overlap(request.sector, sectors_of(request)))

    @abstractmethod
    def strike(self, disk: FaultyDisk, request: DiskRequest) -> None:
        """Do to ``request`` what this fault does."""

    def switched_off(self, disk: FaultyDisk) -> None:
        """Let go of what the fault holds back."""


class FaultyDisk(DiskWrapper):
    """A disk with a fault; several stack.

    A fault belongs to one disk: it keeps count, and the sectors it has spoilt.

    Args:
        machine: Has the clock, the streams of chance and the hook.
        disk: The disk below.
        fault: The fault, which may be switched off.

    Attributes:
        fault: As given.
        sim: The machine's simulator.
        random: The fault's stream, named after the disk and the kind.

    Raises:
        FaultError: The fault goes by the clock, and the machine is not timed.
    """

    __slots__ = ("fault", "random", "sim")

    def __init__(self, machine: Machine, disk: Disk, fault: DiskFault) -> None:
        super().__init__(disk)
        refuse_untimed(machine.sim, fault)
        self.fault = fault
        self.sim = machine.sim
        self.random: Random = machine.sim.random(f"{disk.name} {fault.kind}")

    def submit(self, request: DiskRequest) -> None:
        """Let the fault strike ``request``, or pass it on."""
        if self.fault.enabled:
            self.fault.submit(self, request)
        else:
            self.disk.submit(request)

    def switch(self, *, on: bool) -> None:
        """Switch the fault on or off; what it has spoilt stays spoilt, but does not show."""
        self.fault.enabled = on
        if not on:
            self.fault.switched_off(self)

    def tell(self, request: DiskRequest) -> None:
        """Tell those who watch that the fault strikes ``request``."""
        operation = OPERATION_NAMES[request.operation]
        sectors = sectors_of(request)
        self.sim.hook.tell(
            DiskFaultFired(
                self.name, self.fault.kind, operation, request.sector, sectors, request.number
            )
        )


def sectors_of(request: DiskRequest) -> int:
    """How many sectors an access has; 0 for a flush."""
    return 0 if request.buffer is None else len(request.buffer) >> 9


def end(request: DiskRequest, status: int = errno.EIO) -> None:
    """Complete ``request`` here."""
    request.status = status
    request.end_io(request)


def refuse_untimed(sim: Simulator, trigger: Trigger) -> None:
    """Refuse a rule that waits for a time on a machine whose clock stands."""
    if not sim.timers and (trigger.start_ns or trigger.end_ns):
        raise FaultError(
            trigger.title,
            ["start_ns and end_ns need a timed machine: the clock of this one stands"],
        )
