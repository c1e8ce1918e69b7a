"""``raidsim run``."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from raidsim.cli.output import print_json, print_lines
from raidsim.cli.parameters import json_option
from raidsim.errors import UsageError
from raidsim.scenario import load_scenario, run_scenario
from raidsim.scenario.record import Happened, Refused, log_line
from raidsim.scenario.summary import summary
from raidsim.trace import Tracer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raidsim.scenario import ScenarioResult
    from raidsim.sim.hook import Listener
    from raidsim.tui.play import LivePlay


# How much virtual time passes between two frames of the live view.
_FRAME_NS = 100_000_000


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
@click.option("--trace", metavar="FILE", help="Write a trace for Perfetto.")
@click.option("--live", is_flag=True, help="Watch the array on the terminal, as top shows it.")
@click.option("--verbose", "-v", is_flag=True, help="Print a line for everything that happens.")
@json_option
def command(
    files: tuple[str, ...],
    seed: int | None,
    repeat: int,
    keep: str | None,
    trace: str | None,
    live: bool,
    verbose: bool,
    as_json: bool,
) -> int:
    """Run scenarios in virtual time and judge what comes out.

    Each FILE is a scenario; all are checked before the first is run. Printed are what was done to
    the array, each change of its state, and a summary; of several runs, a line each. The exit
    status is 1 if an expectation was not met.
    """
    scenarios = {file: load_scenario(file) for file in files}
    seeds = [
        (file, (scenario.seed if seed is None else seed) + number)
        for file, scenario in scenarios.items()
        for number in range(repeat)
    ]
    if len(seeds) > 1 and (keep or trace or verbose or live):
        raise UsageError(
            "--keep, --live, --trace and --verbose are for one run alone; name one file"
        )
    if live and verbose:
        raise UsageError("--live and --verbose: choose one way to watch")
    # What md has to say is in the log already.
    logging.getLogger("raidsim").addHandler(logging.NullHandler())
    results = []
    with (
        _listeners(trace, verbose=verbose and not as_json) as listeners,
        _player(live=live) as player,
    ):
        for file, number in seeds:
            result = run_scenario(
                scenarios[file],
                seed=number,
                keep=keep,
                listeners=listeners if player is None else [*listeners, player.listen],
                observer=None if player is None else player.observe,
                step_ns=_FRAME_NS,
            )
            results.append((file, result))
            if len(seeds) > 1 and not as_json:
                _tell_briefly(file, result)
    if as_json:
        print_json([{"file": file, **result.to_table()} for file, result in results])
    elif len(seeds) == 1:
        ((_, result),) = results
        print_lines([*([] if verbose else result.log), "", *summary(result)])
    return int(not all(result.passed for _, result in results))


@contextmanager
def _listeners(trace: str | None, *, verbose: bool) -> Iterator[list[Listener]]:
    """Those who want to be told of everything."""
    listeners: list[Listener] = [_print_event] if verbose else []
    if trace is None:
        yield listeners
        return
    marks = (Happened, Refused)
    with Path(trace).open("w", encoding="utf-8") as file, Tracer(file, marks) as tracer:
        yield [*listeners, tracer.listen]


@contextmanager
def _player(*, live: bool) -> Iterator[LivePlay | None]:
    """The live view, if it is wanted."""
    if not live:
        yield None
        return
    from rich.console import Console  # noqa: PLC0415  loaded only when there is somebody to watch

    from raidsim.tui.play import LivePlay  # noqa: PLC0415  as above

    console = Console()
    if not (sys.stdin.isatty() and console.is_terminal):
        raise UsageError("--live needs a terminal")
    with LivePlay(console, _FRAME_NS / 1e9) as player:
        yield player


def _print_event(time_ns: int, event: object) -> None:
    line = log_line(time_ns, event)
    if line is not None:
        click.echo(line)


def _tell_briefly(file: str, result: ScenarioResult) -> None:
    verdict = "passed" if result.passed else "FAILED"
    click.echo(f"{verdict}  {result.elapsed_ns / 1e9:10.3f} s  seed {result.seed}  {file}")
    if not result.passed:
        print_lines(f"        {failure}" for failure in result.failures)
        click.echo(f"        replay: raidsim run {file} --seed {result.seed}")
