"""``raidsim campaign``."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from raidsim.cli.output import print_json, print_lines, write_text
from raidsim.cli.parameters import json_option
from raidsim.errors import UsageError
from raidsim.scenario.campaign import (
    MODES,
    WITHIN,
    Results,
    draw,
    run_campaign,
    shrink,
    toml_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

    from raidsim.scenario.campaign import Trial


@click.command("campaign")
@click.option(
    "--runs", type=click.IntRange(min=1), default=100, show_default=True, help="How many."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the first; then the next.")
@click.option(
    "--mode",
    type=click.Choice(MODES),
    default=WITHIN,
    show_default=True,
    help="Damage that nobody may notice, or more, which has to be reported.",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Runs at a time [default: one a CPU].")
@click.option(
    "--scheduler", metavar="URL", help="Run on the Dask cluster there, as tcp://HOST:PORT."
)
@click.option(
    "--results", metavar="FILE", help="Add a line of JSON for each run; skip those there."
)
@click.option(
    "--failures",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="End after so many runs that fail.",
)
@click.option(
    "--output",
    metavar="DIR",
    default=".",
    show_default=True,
    help="Where to write scenarios that fail, made small.",
)
@json_option
def command(
    runs: int,
    seed: int,
    mode: str,
    jobs: int | None,
    scheduler: str | None,
    results: str | None,
    failures: int,
    output: str,
    as_json: bool,
) -> int:
    """Run random scenarios: arrays, engines, workloads and faults drawn from seeds.

    Every byte that is read is compared, parity is computed anew at the end, every access to memory
    is checked, and all has to end. A run that fails is made small and written as a scenario file.
    """
    known = Results(Path(results)) if results else None
    seeds = (
        number
        for number in range(seed, seed + runs)
        if known is None or (mode, number) not in known.trials
    )
    trials = [] if known is None else [known.trials[key] for key in _keys(known, mode, seed, runs)]
    failed = []
    with (
        _executor(min(jobs or os.cpu_count() or 1, runs), scheduler) as executor,
        closing(run_campaign(seeds, mode, executor)) as running,
    ):
        for trial in running:
            trials.append(trial)
            if known is not None:
                known.add(trial)
            if trial.failures:
                failed.append(trial)
                if not as_json:
                    _tell(trial)
            if len(failed) >= failures:
                break
    for trial in failed:
        path = _write_small(trial, Path(output))
        if not as_json:
            click.echo(f"made small: {path}")
    all_failed = [trial for trial in trials if trial.failures]
    if as_json:
        print_json([trial.to_table() for trial in trials])
    else:
        print_lines([_summary(trials, all_failed, mode)])
    return int(bool(all_failed))


def _keys(known: Results, mode: str, seed: int, runs: int) -> list[tuple[str, int]]:
    """What of this campaign is known already."""
    return [key for key in known.trials if key[0] == mode and seed <= key[1] < seed + runs]


@contextmanager
def _executor(jobs: int, scheduler: str | None) -> Iterator[Executor]:
    """Where the runs run."""
    if scheduler is None:
        with ProcessPoolExecutor(jobs) as pool:
            yield pool
        return
    try:
        from distributed import Client  # noqa: PLC0415  an extra, for this alone
    except ImportError:
        raise UsageError("--scheduler needs Dask; install raidsim[cluster]") from None
    try:
        client: Any = Client(scheduler, timeout=10)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise UsageError(f"{scheduler}: no Dask scheduler there: {error}") from None
    with client:
        yield client.get_executor(pure=False)


def _tell(trial: Trial) -> None:
    click.echo(f"FAILED  seed {trial.seed}")
    print_lines(f"        {failure}" for failure in trial.failures)
    click.echo(f"        replay: raidsim campaign --mode {trial.mode} --seed {trial.seed} --runs 1")


def _write_small(trial: Trial, directory: Path) -> Path:
    """Write a scenario that fails as ``trial`` did, with as little in it as will do."""
    table, found = shrink(draw(trial.seed, trial.mode), trial.failures)
    path = directory / f"campaign-{trial.mode}-{trial.seed}.toml"
    comment = "".join(f"# {line}\n" for failure in found for line in failure.splitlines())
    directory.mkdir(parents=True, exist_ok=True)
    write_text(path, f"{comment}\n{toml_text(table)}")
    return path


def _summary(trials: list[Trial], failed: list[Trial], mode: str) -> str:
    fired = sum(trial.faults_fired > 0 for trial in trials)
    requests = sum(trial.requests for trial in trials)
    verdict = f"{len(failed)} failed" if failed else "all came out well"
    return (
        f"{len(trials)} runs {mode} the budget, in {fired} of them faults struck,"
        f" {requests} requests: {verdict}"
    )
