"""The workloads of a run."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from raidsim.bench import WorkloadRunner
from raidsim.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.array import Array
    from raidsim.bench import Contents, WorkloadReport
    from raidsim.scenario.model import Scenario


class Load:
    """All workloads of a run, by name.

    Args:
        scenario: Has them.
        seed: Of what they leave to chance.
        contents: What the array holds.
        on_done: Called when one has ended.
    """

    def __init__(
        self, scenario: Scenario, seed: int, contents: Contents, on_done: Callable[[], object]
    ) -> None:
        self._rules = {rule.workload.name: rule for rule in scenario.workload}
        self._seed = seed
        self._contents = contents
        self._on_done = on_done
        self._runners: dict[str, WorkloadRunner] = {}
        self._array: Array | None = None

    @property
    def busy(self) -> bool:
        """Whether any is under way."""
        return any(not runner.done for runner in self._runners.values())

    @property
    def unfinished(self) -> list[str]:
        """The names of those under way."""
        return [name for name, runner in self._runners.items() if not runner.done]

    def ended(self, name: str) -> bool:
        """Whether a workload was started and has ended."""
        return name in self._runners and self._runners[name].done

    def array_runs(self, array: Array) -> None:
        """Work on ``array`` from now on; what waits for nothing begins, if it never did."""
        self._array = array
        for name, rule in self._rules.items():
            if not rule.waits and name not in self._runners:
                self.start(name)

    def start(self, name: str) -> None:
        """Begin a workload.

        Raises:
            UsageError: There is no array to work on, it was begun before, or it does not fit.
        """
        if self._array is None:
            raise UsageError(f"workload {name}: the array does not run")
        if name in self._runners:
            raise UsageError(f"workload {name}: was started before")
        runner = WorkloadRunner(
            self._array,
            self._rules[name].workload,
            self._contents,
            Random(f"{self._seed}/{name}"),  # noqa: S311  a simulation wants repeatable numbers
            lambda _: self._on_done(),
        )
        self._runners[name] = runner
        runner.start()

    def end(self, name: str) -> None:
        """Let a workload ask for nothing more."""
        if name in self._runners:
            self._runners[name].stop()

    def end_all(self) -> None:
        """Let none ask for anything more."""
        for runner in self._runners.values():
            runner.stop()

    def array_gone(self) -> None:
        """The array is stopped, or gone with the power: what was under way gets no answer."""
        self._array = None
        for runner in self._runners.values():
            if not runner.done:
                runner.abandon()

    def reports(self) -> dict[str, WorkloadReport]:
        """How those that were started went."""
        return {name: runner.report() for name, runner in self._runners.items()}
