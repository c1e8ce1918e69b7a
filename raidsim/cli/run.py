"""``raidsim run``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from raidsim.cli.output import print_json, print_lines
from raidsim.cli.parameters import json_option
from raidsim.errors import UsageError
from raidsim.scenario import load_scenario, run_scenario
from raidsim.scenario.summary import summary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raidsim.scenario import Scenario, ScenarioResult


@click.command("run")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--seed", type=int, help="Where all chance comes from [default: the scenario's].")
@click.option(
    "--repeat",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Run each with N seeds, from that one on.",
)
@click.option("--keep", metavar="DIR", help="Make the array in DIR, and leave it there.")
@json_option
def command(
    files: tuple[str, ...], seed: int | None, repeat: int, keep: str | None, as_json: bool
) -> int:
    """Run scenarios in virtual time and judge what comes out.

    Each FILE is a scenario; all are checked before the first is run. Printed are what was done to
    the array, each change of its state, and a summary; of several runs, a line each. The exit
    status is 1 if an expectation was not met.
    """
    scenarios = {file: load_scenario(file) for file in files}
    alone = len(files) == repeat == 1
    if keep is not None and not alone:
        raise UsageError("--keep: only one run can be kept; name one file")
    # What md has to say is in the log already.
    logging.getLogger("raidsim").addHandler(logging.NullHandler())
    results = []
    for file, result in _run(scenarios, seed, repeat, keep):
        results.append((file, result))
        if as_json:
            continue
        if alone:
            print_lines([*result.log, "", *summary(result)])
        else:
            _tell_briefly(file, result)
    if as_json:
        print_json([{"file": file, **result.to_table()} for file, result in results])
    elif keep is not None:
        click.echo(f"the array is in {Path(keep) / 'array'}")
    return int(not all(result.passed for _, result in results))


def _run(
    scenarios: dict[str, Scenario], seed: int | None, repeat: int, keep: str | None
) -> Iterator[tuple[str, ScenarioResult]]:
    for file, scenario in scenarios.items():
        first = scenario.seed if seed is None else seed
        for number in range(first, first + repeat):
            yield file, run_scenario(scenario, seed=number, keep=keep)


def _tell_briefly(file: str, result: ScenarioResult) -> None:
    verdict = "passed" if result.passed else "FAILED"
    click.echo(f"{verdict}  {result.elapsed_ns / 1e9:10.3f} s  seed {result.seed}  {file}")
    if not result.passed:
        print_lines(f"        {failure}" for failure in result.failures)
        click.echo(f"        replay: raidsim run {file} --seed {result.seed}")
