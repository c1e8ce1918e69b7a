"""The course of a scenario: its events, one after the other, and its end.

All that is done to the array is done from here, never from a callback of the simulation: what
listens only says that something has happened.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from raidsim.errors import RaidsimError
from raidsim.scenario.record import Happened, Refused
from raidsim.sim import DeadlockError

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.scenario.event import Event
    from raidsim.scenario.stage import Stage


class OverdueError(RaidsimError):
    """A scenario has not ended within its time."""


class Pending:
    """An event that has not happened yet.

    Attributes:
        event: The event.
        number: Its place in the file.
        due_ns: When it is due; None while what it waits for has not come to be.
    """

    __slots__ = ("due_ns", "event", "number")

    def __init__(self, event: Event, number: int) -> None:
        self.event = event
        self.number = number
        self.due_ns = None if event.at is None else event.at + event.after

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.event.name or f"event[{self.number}]"


class Run:
    """A scenario under way.

    Args:
        stage: What it is played on.
        observer: Shown the stage each time so much virtual time has passed, in the middle of
            everything; it may look, and take its time.
        step_ns: So much.

    Attributes:
        refusals: Where the array did not do what an event expected: the event, what was expected,
            and what was found.
    """

    def __init__(
        self,
        stage: Stage,
        observer: Callable[[Stage], object] | None = None,
        step_ns: int = 100_000_000,
    ) -> None:
        self.refusals: list[tuple[str, str, str]] = []
        self._stage = stage
        self._finish = stage.scenario.finish
        self._observer = observer
        self._step_ns = step_ns
        self._next_look_ns: float = math.inf if observer is None else 0
        self._pending = [Pending(event, i) for i, event in enumerate(stage.scenario.event)]

    def play(self) -> None:
        """Carry out all events, and wait until the workloads have ended and all is quiet.

        Raises:
            RaidsimError: The simulation ended early, or too late.
        """
        stage = self._stage
        stage.open()
        for name, value in stage.scenario.array.attributes.items():
            stage.running.set(name, value)
        stage.go_live()
        while self._pending or stage.load.busy:
            pending = self._next_due()
            if pending is None:
                self._wait()
            else:
                self._pending.remove(pending)
                self._carry_out(pending)
        self._come_to_rest()

    # -- waiting --------------------------------------------------------------------------------

    def _wait(self) -> None:
        """Let the simulation run until an event may be due."""
        stage = self._stage
        record = stage.record
        record.attention = False
        polled = [
            pending.event.when.condition
            for pending in self._pending
            if pending.due_ns is None
            and pending.event.when is not None
            and pending.event.when.condition.polled
        ]
        self._run_until(
            lambda: record.attention or any(condition.holds(stage) for condition in polled),
            min((p.due_ns for p in self._pending if p.due_ns is not None), default=math.inf),
        )

    def _run_until(self, predicate: Callable[[], object], due_ns: float = math.inf) -> None:
        """Run until ``predicate()`` is true, but no longer than until ``due_ns``.

        No timer waits for that in the simulation: what runs it to its rest must not come across it.

        Raises:
            DeadlockError: Nothing is left to run that could make it true.
            OverdueError: It would take too long.
        """
        sim = self._stage.machine.sim
        while True:
            until_ns = min(due_ns, self._next_look_ns, self._finish.within)
            if self._ran_until(predicate, until_ns):
                return
            if sim.next_ns is None and due_ns == math.inf:
                raise DeadlockError(f"nothing left to run, still waiting for {self}")
            sim.run_until_ns(int(until_ns))
            if until_ns == due_ns:
                return
            if until_ns == self._finish.within:
                raise OverdueError(f"not over in time: still waiting for {self}")
            self._look()

    def _ran_until(self, predicate: Callable[[], object], until_ns: float) -> bool:
        """Do all that is due by then; tell if ``predicate()`` was true first."""
        sim = self._stage.machine.sim

        def nothing_is_due() -> bool:
            return not sim.busy and (sim.next_ns is None or sim.next_ns > until_ns)

        sim.run_until(lambda: predicate() or nothing_is_due())
        return bool(predicate())

    def _look(self) -> None:
        """Let the observer see the stage."""
        if self._observer is not None:
            self._observer(self._stage)
            self._next_look_ns = self._stage.now_ns + self._step_ns

    def __str__(self) -> str:
        """Say what is awaited."""
        workloads = [f"workload {name}" for name in self._stage.load.unfinished]
        return ", ".join([*(pending.name for pending in self._pending), *workloads]) or "quiet"

    # -- events ---------------------------------------------------------------------------------

    def _next_due(self) -> Pending | None:
        """The event to be carried out now, if there is one."""
        now_ns = self._stage.now_ns
        due = []
        for pending in self._pending:
            when = pending.event.when
            if pending.due_ns is None and when is not None and when.condition.holds(self._stage):
                pending.due_ns = now_ns + pending.event.after
            if pending.due_ns is not None and pending.due_ns <= now_ns:
                due.append((pending.due_ns, pending.number, pending))
        return min(due)[2] if due else None

    def _carry_out(self, pending: Pending) -> None:
        stage, event = self._stage, pending.event
        stage.machine.sim.hook.tell(Happened(pending.name, str(event.action)))
        try:
            event.action.carry_out(stage)
        except RaidsimError as error:
            message = stage.portable(str(error))
            stage.machine.sim.hook.tell(Refused(pending.name, message))
            if not event.refused or event.refused not in message:
                expected = f"refused: {event.refused}" if event.refused else "done"
                self.refusals.append((pending.name, expected, f"refused: {message}"))
        else:
            if event.refused:
                self.refusals.append((pending.name, f"refused: {event.refused}", "done"))
        stage.record.done.add(event.name)

    # -- the end --------------------------------------------------------------------------------

    def _come_to_rest(self) -> None:
        """Lift what the scenario says, and wait until nothing is left to be done."""
        stage = self._stage
        if stage.array is None:
            stage.open()
            stage.go_live()
        if self._finish.faults_off:
            stage.faults.switch_all_off()
        if self._finish.lift_limits:
            stage.running.set("sync_max", "max")
            stage.running.set("sync_speed_max", "system")
            if stage.running.get("sync_action") == "frozen":
                stage.running.set("sync_action", "idle")
        sim = stage.machine.sim
        self._run_until(lambda: not sim.busy and sim.next_ns is None)
        self._look()
