"""The CPU that md's thread runs on, as something whose time is used up."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raidsim.cpu.profile import CpuProfile
    from raidsim.sim import Simulator


class CpuWork(NamedTuple):
    """The CPU is taken for ``duration_ns`` from ``start_ns`` on; ``origin`` is what it is for."""

    what: str
    start_ns: int
    duration_ns: int
    origin: int = 0


class Cpu:
    """Charges what the CPU does to the simulation's clock.

    Work in process context takes its time before the call returns, and whatever devices do
    meanwhile happens; work in interrupts and tasklets is taken from process context.

    Args:
        sim: Has the clock.
        profile: How fast the CPU is.

    Attributes:
        profile: As given.
        busy_ns: How long it worked, or spun to wait for a descriptor.
    """

    __slots__ = ("_costs", "_sim", "busy_ns", "profile")

    def __init__(self, sim: Simulator, profile: CpuProfile) -> None:
        self._sim = sim
        self.profile = profile
        self.busy_ns = 0
        # Per operation and number of sources: nanoseconds each, and for each byte of a block.
        self._costs: dict[tuple[str, int], tuple[int, float]] = {}

    def compute(self, operation: str, source_count: int, length: int) -> None:
        """Carry out an operation on so many blocks of ``length`` bytes."""
        cost = self._costs.get((operation, source_count)) or self._cost(operation, source_count)
        operation_ns, byte_ns = cost
        self._take(operation, operation_ns + int(length * byte_ns))

    def handle_stripe(self, units: int) -> None:
        """Take a stripe of so many units of 4 KiB through one pass."""
        if self.profile.stripe_ns:
            self._take("stripe", units * self.profile.stripe_ns)

    def submit_requests(self, count: int) -> None:
        """Give so many requests to members, and be interrupted when they end."""
        if self.profile.request_ns:
            self._take("request", count * self.profile.request_ns)

    def submit_descriptor(self) -> None:
        """Give a descriptor to an engine."""
        if self.profile.descriptor_ns:
            self._take("descriptor", self.profile.descriptor_ns)

    def clean_up(self) -> None:
        """Be interrupted by an engine, and see what it has done."""
        if self.profile.interrupt_ns:
            self._take("interrupt", self.profile.interrupt_ns)

    @contextmanager
    def spinning(self) -> Iterator[None]:
        """Be busy while the body waits without giving the CPU away."""
        start_ns, busy_ns = self._sim.now_ns, self.busy_ns
        yield
        duration_ns = self._sim.now_ns - start_ns
        if duration_ns:
            # Interrupts meanwhile took nothing from anybody.
            self.busy_ns = max(self.busy_ns, busy_ns + duration_ns)
            self._tell("spin", start_ns, duration_ns)

    def _cost(self, operation: str, source_count: int) -> tuple[int, float]:
        cost = self.profile.cost(operation)
        byte_ns = source_count * 1e9 / cost.rate(source_count)
        found = self._costs[operation, source_count] = cost.operation_ns, byte_ns
        return found

    def _take(self, what: str, duration_ns: int) -> None:
        self.busy_ns += duration_ns
        sim = self._sim
        self._tell(what, max(sim.now_ns, sim.cpu_free_ns), duration_ns)
        sim.occupy_cpu(duration_ns)

    def _tell(self, what: str, start_ns: int, duration_ns: int) -> None:
        hook = self._sim.hook
        if hook.listeners:
            hook.emit(CpuWork(what, start_ns, duration_ns, hook.origin))
