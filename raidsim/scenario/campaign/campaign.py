"""Many runs, on any executor, and what is known of those done before."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING

from raidsim.errors import RaidsimError, UsageError
from raidsim.scenario.campaign.trial import Trial, run_trial

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from concurrent.futures import Executor, Future
    from pathlib import Path

# What every line of results begins with: one that was cut short is known from a stranger's by it.
_BEGINNING = '{"seed": '
# Runs that wait beside those under way, so that no worker is ever idle.
_AHEAD = 64


def run_campaign(seeds: Iterable[int], mode: str, executor: Executor) -> Generator[Trial]:
    """Run a campaign, and give its trials in the order of their seeds.

    Args:
        seeds: One for each run.
        mode: ``within`` the budget or ``beyond`` it.
        executor: Where they run: a pool of processes, a cluster, or anything with that interface.
    """
    waiting: deque[Future[Trial]] = deque()
    try:
        for seed in seeds:
            waiting.append(executor.submit(run_trial, seed, mode))
            if len(waiting) >= _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


class Results:
    """The trials in a file, one JSON object a line; a campaign that is run again skips them.

    Args:
        path: The file; it need not exist yet.

    Attributes:
        trials: Those in the file, by mode and seed.

    Raises:
        UsageError: A line of the file is no trial, or the file can not be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.trials: dict[tuple[str, int], Trial] = {}
        try:
            text = path.read_text(encoding="utf-8") if path.exists() else ""
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise UsageError(f"{path}: is no text, so not the results of a campaign") from None
        lines = text.splitlines(keepends=True)
        cut_short = bool(lines) and _is_cut_short(lines[-1])
        if cut_short:
            lines.pop()
        for number, line in enumerate(lines, 1):
            try:
                trial = Trial(**json.loads(line))
            except (ValueError, TypeError):
                raise UsageError(f"{path}: line {number} is no result of a campaign") from None
            self.trials[trial.mode, trial.seed] = trial
        if cut_short:
            path.write_text("".join(lines), encoding="utf-8")

    def add(self, trial: Trial) -> None:
        """Write a trial down.

        Raises:
            RaidsimError: The host refuses.
        """
        self.trials[trial.mode, trial.seed] = trial
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(trial.to_table()) + "\n")
        except OSError as error:
            raise RaidsimError(f"{self._path}: cannot be written: {error.strerror}") from error


def _is_cut_short(line: str) -> bool:
    """Whether a campaign was killed while it wrote this line, the last one."""
    known = min(len(line), len(_BEGINNING))
    return not line.endswith("\n") and line[:known] == _BEGINNING[:known]
