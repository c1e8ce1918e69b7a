"""Running scenarios: from a checked scenario and a seed to a result."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from raidsim.errors import RaidsimError
from raidsim.scenario.comparison import compare, parity_mismatches
from raidsim.scenario.facts import take_facts, take_state
from raidsim.scenario.record import Happened
from raidsim.scenario.result import Failure, ScenarioResult
from raidsim.scenario.run import Run
from raidsim.scenario.stage import Stage
from raidsim.scenario.verdict import failures

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from raidsim.scenario.model import Scenario
    from raidsim.sim.hook import Listener

# Images that nobody keeps lie in memory where there is such a place.
_MEMORY = Path("/dev/shm")  # noqa: S108  a directory of its own is made there
# The array's name, and its directory's.
_ARRAY = "array"


def run_scenario(
    scenario: Scenario,
    *,
    seed: int | None = None,
    kernel: str | None = None,
    sanitize: bool | None = None,
    listeners: Sequence[Listener] = (),
    keep: str | os.PathLike[str] | None = None,
    observer: Callable[[Stage], object] | None = None,
    step_ns: int = 100_000_000,
) -> ScenarioResult:
    """Run ``scenario`` in virtual time and judge what came out.

    The same scenario and seed give the same result, and the same images to the byte.

    Args:
        scenario: What is to happen, and what is to come out.
        seed: Where all chance comes from; by default the scenario's own.
        kernel: The arithmetic kernel; None lets ``raidsim.raid6`` choose.
        sanitize: As for ``Machine``: whether every access to memory is checked.
        listeners: Told of everything that happens, on every machine that is booted.
        keep: A directory to make the array directory ``array`` in; by default nothing is kept.
        observer: Shown the stage each time so much virtual time has passed, and in the end.
        step_ns: So much.

    Raises:
        RaidsimError: The array cannot be made as the scenario has it.
    """
    seed = scenario.seed if seed is None else seed
    with _directory(keep) as directory:
        stage = Stage(
            scenario,
            directory,
            seed=seed,
            kernel=kernel,
            sanitize=sanitize,
            listeners=listeners,
        )
        try:
            return _play(Run(stage, observer, step_ns), stage, seed)
        finally:
            if stage.array is not None:
                stage.array.abandon()


def _play(run: Run, stage: Stage, seed: int) -> ScenarioResult:
    result = ScenarioResult(title=stage.scenario.title, seed=seed)
    try:
        run.play()
        take_facts(stage, result)
        hook = stage.machine.sim.hook
        hook.emit(Happened("finish", "read every byte and compare"))
        result.lost, result.wrong = compare(stage.running, stage.contents)
        take_state(stage.running, result)
        stage.running.close()
        result.parity_mismatches = parity_mismatches(stage.running)
    except RaidsimError as error:
        result.error = stage.portable(f"{type(error).__name__}: {error}")
        take_facts(stage, result)
    result.failures = [
        *(Failure(what, expected, found) for what, expected, found in run.refusals),
        *failures(stage.scenario, result),
    ]
    return result


@contextmanager
def _directory(keep: str | os.PathLike[str] | None) -> Iterator[Path]:
    """Where the array directory is to be made."""
    if keep is not None:
        yield Path(keep) / _ARRAY
        return
    scratch = tempfile.mkdtemp(prefix="raidsim-", dir=_MEMORY if _MEMORY.is_dir() else None)
    try:
        yield Path(scratch) / _ARRAY
    finally:
        shutil.rmtree(scratch)
