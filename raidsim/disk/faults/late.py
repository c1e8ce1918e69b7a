"""Accesses that take too long, or for ever."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from raidsim.disk.faults.fault import ANY_OPERATION, DiskFault, end
from raidsim.disk.request import DiskRequest  # noqa: TC001  tables are checked by the annotations

if TYPE_CHECKING:
    from raidsim.disk.faults.fault import FaultyDisk


@dataclass(slots=True, kw_only=True)
class Slow(DiskFault):
    """An access takes longer, on a machine that keeps timers.

    Attributes:
        delay_ns: By so much.
    """

    kind: ClassVar[str] = "slow"
    could_strike: ClassVar[int] = ANY_OPERATION
    delay_ns: int = 100_000_000

    def mistakes(self) -> list[str]:
        """What makes no sense about it, one line each."""
        found = DiskFault.mistakes(self)
        if self.delay_ns < 1:
            found.append(f"delay_ns = {self.delay_ns}: at least 1")
        return found

    def strike(self, disk: FaultyDisk, request: DiskRequest) -> None:
        """Begin later."""
        disk.sim.device_timer(self.delay_ns, disk.disk.submit, request)


@dataclass(slots=True, kw_only=True)
class Hang(DiskFault):
    """An access gets no answer, until the fault is switched off.

    Attributes:
        timeout_ns: After so long the host gives up: the access fails with ETIMEDOUT, as a SCSI
            command does after 30 s. 0 for a host that waits for ever.
        held: The accesses without an answer.
    """

    kind: ClassVar[str] = "hang"
    could_strike: ClassVar[int] = ANY_OPERATION
    timeout_ns: int = 0
    held: list[DiskRequest] = field(default_factory=list, init=False)

    def mistakes(self) -> list[str]:
        """What makes no sense about it, one line each."""
        found = DiskFault.mistakes(self)
        if self.timeout_ns < 0:
            found.append(f"timeout_ns = {self.timeout_ns}: at least 0")
        return found

    def strike(self, disk: FaultyDisk, request: DiskRequest) -> None:
        """Hold it."""
        self.held.append(request)
        if self.timeout_ns:
            disk.sim.device_timer(self.timeout_ns, self._give_up, request)

    def _give_up(self, request: DiskRequest) -> None:
        if any(held is request for held in self.held):
            self.held = [held for held in self.held if held is not request]
            end(request, errno.ETIMEDOUT)

    def switched_off(self, disk: FaultyDisk) -> None:
        """Answer what was held."""
        held, self.held = self.held, []
        for request in held:
            disk.disk.submit(request)
