"""``raidsim bench``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from raidsim.array import Array
from raidsim.bench import WORKLOADS, Contents, Trace, Workload, read_fio_job, run_workloads
from raidsim.cli.output import print_json
from raidsim.cli.parameters import Seconds, array_argument, json_option
from raidsim.errors import UsageError

if TYPE_CHECKING:
    from raidsim.bench import WorkloadReport

_READING = [name for name, workload in WORKLOADS.items() if not workload.writes]
_TRACE_DEPTH = 32


@click.command("bench")
@array_argument
@click.argument("workloads", metavar="[WORKLOAD]...", nargs=-1, type=click.Choice([*WORKLOADS]))
@click.option(
    "--seconds",
    type=Seconds(0, 1e9, min_open=True),
    default=2.0,
    show_default=True,
    help="How long to run each WORKLOAD.",
)
@click.option("--fio-job", metavar="FILE", help="Run the jobs of one of fio's files.")
@click.option("--trace", metavar="FILE", help="Replay a trace, as fast as the array takes it.")
@click.option("--seed", type=int, default=0, help="Of the random order and the data written.")
@json_option
def command(
    array: str,
    workloads: tuple[str, ...],
    seconds: float,
    fio_job: str | None,
    trace: str | None,
    seed: int,
    as_json: bool,
) -> int:
    """Run workloads on an array and show how fast it is.

    WORKLOAD is read, randread-4k, write, randwrite-4k or randwrite-64k; without any, the two that
    read are run. Those that write overwrite what the array holds, and end with a look at whether
    every sector they wrote is there.
    """
    groups = _groups(workloads, seconds, fio_job, trace)
    reports: list[WorkloadReport] = []
    with Array.open(array) as opened:
        contents = Contents(opened.size, seed)
        for group in groups:
            reports += run_workloads(opened, group, contents, seed=seed)
        wrong = len(contents.wrong_sectors_of(opened)) if contents.written else 0
    if as_json:
        print_json(
            {
                "array": array,
                "wrong_sectors": wrong,
                "workloads": [report.to_table() for report in reports],
            }
        )
    else:
        _print_table(reports)
        if wrong:
            click.echo(f"{array}: {wrong} sectors do not hold what was written to them")
    return int(wrong > 0 or any(report.wrong for report in reports))


def _groups(
    names: tuple[str, ...], seconds: float, fio_job: str | None, trace: str | None
) -> list[list[Workload]]:
    """What to run: the workloads of a group at once, the groups in turn."""
    if sum(map(bool, (names, fio_job, trace))) > 1:
        raise UsageError("WORKLOAD, --fio-job and --trace exclude each other; name one")
    if fio_job:
        return read_fio_job(fio_job)
    if trace:
        replay = Trace(path=trace, time_scale=0)
        return [[Workload(name="trace", trace=replay, depth=_TRACE_DEPTH)]]
    duration_ns = int(seconds * 1e9)
    return [[replace(WORKLOADS[name], duration_ns=duration_ns)] for name in names or _READING]


def _print_table(reports: list[WorkloadReport]) -> None:
    width = max([12, *(len(report.workload.name) for report in reports)]) + 2
    heading = f"{'MB/s':>8}{'requests/s':>12}{'median µs':>11}{'99 % µs':>9}"
    click.echo(f"{'workload':<{width}}{heading}")
    for report in reports:
        click.echo(
            f"{report.workload.name:<{width}}{report.bytes_per_second / 1e6:8.1f}"
            f"{report.requests_per_second:12.0f}{report.latency_ns(50) / 1000:11.1f}"
            f"{report.latency_ns(99) / 1000:9.1f}"
        )
        if report.errors:
            click.echo(f"  {report.errors} requests failed, first the {report.first_error}")
        if report.wrong:
            click.echo(f"  {len(report.wrong)} sectors were not read as they were written")
