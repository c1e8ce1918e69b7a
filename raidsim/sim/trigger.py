"""When a fault strikes: one small rule, the same for disks and for engines.

A rule is made of plain values, so it can be written down as a table. It is what the rules of qemu's
blkdebug are, with a virtual clock and chance besides: all conditions have to hold at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from raidsim.tables import TableError

if TYPE_CHECKING:
    from random import Random

    from raidsim.sim.simulator import Simulator


class FaultError(TableError):
    """A fault makes no sense as it was asked for."""


@dataclass(slots=True, kw_only=True)
class Trigger:
    """A rule that picks accesses; by default it picks every one.

    Attributes:
        start_ns: Virtual time from which on it picks any.
        end_ns: Virtual time from which on it picks none; 0 for never.
        nth: The first access that it picks, counted from 1; 0 for the ``interval``-th.
        interval: From there on it picks every ``interval``-th.
        count: How many it picks at most; 0 for any number, 1 for blkdebug's ``once``.
        probability: With which it picks those.
        state: It sleeps unless this is the machine's fault state; empty for any.
        new_state: The fault state it leaves behind when it picks an access; empty to leave it.
        enabled: Whether it is switched on. One that is off neither picks nor counts.
        seen: How many accesses it could have picked, while the time and the state were right.
        fired: How often it did something.
    """

    start_ns: int = 0
    end_ns: int = 0
    nth: int = 0
    interval: int = 1
    count: int = 0
    probability: float = 1.0
    state: str = ""
    new_state: str = ""
    enabled: bool = True
    seen: int = field(default=0, init=False)
    fired: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        mistakes = list(self.mistakes())
        if mistakes:
            raise FaultError(self.title, mistakes)

    @property
    def title(self) -> str:
        """What messages call it."""
        return "trigger"

    def mistakes(self) -> list[str]:
        """What makes no sense about it, one line each."""
        found = [
            f"{name} = {value}: at least {least}"
            for name, value, least in (
                ("start_ns", self.start_ns, 0),
                ("end_ns", self.end_ns, 0),
                ("nth", self.nth, 0),
                ("interval", self.interval, 1),
                ("count", self.count, 0),
            )
            if value < least
        ]
        if not 0 <= self.probability <= 1:
            found.append(f"probability = {self.probability}: between 0 and 1")
        if 0 < self.end_ns <= self.start_ns:
            found.append(f"end_ns = {self.end_ns}: after start_ns = {self.start_ns}")
        return found

    def picks(self, sim: Simulator, random: Random) -> bool:
        """Tell whether it picks this access, and count.

        Args:
            sim: Has the clock and the fault state.
            random: The stream that chance is drawn from; drawn from only where there is chance.
        """
        if not self.enabled or sim.now_ns < self.start_ns or 0 < self.end_ns <= sim.now_ns:
            return False
        if self.state and self.state != sim.fault_state:
            return False
        self.seen += 1
        past_first = self.seen - (self.nth or self.interval)
        if past_first < 0 or past_first % self.interval or 0 < self.count <= self.fired:
            return False
        if self.probability < 1 and random.random() >= self.probability:
            return False
        self.fired += 1
        if self.new_state:
            sim.fault_state = self.new_state
        return True
