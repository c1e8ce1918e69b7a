"""``raidsim bench``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from raidsim.array import Array
from raidsim.bench import WORKLOADS, Contents, run_workload
from raidsim.cli.output import print_json
from raidsim.cli.parameters import array_argument, json_option

if TYPE_CHECKING:
    from raidsim.bench import WorkloadReport

_READING = [name for name, workload in WORKLOADS.items() if not workload.writes]


@click.command("bench")
@array_argument
@click.argument("workloads", metavar="[WORKLOAD]...", nargs=-1, type=click.Choice([*WORKLOADS]))
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=2.0,
    show_default=True,
    help="How long to run each.",
)
@click.option("--seed", type=int, default=0, help="Of the random order and the data written.")
@json_option
def command(
    array: str, workloads: tuple[str, ...], seconds: float, seed: int, as_json: bool
) -> int:
    """Run workloads on an array and show how fast it is.

    WORKLOAD is read, randread-4k, write, randwrite-4k or randwrite-64k; without any, the two that
    read are run. Those that write overwrite what the array holds, and end with a look at whether
    every block they wrote is there.
    """
    reports = []
    with Array.open(array) as opened:
        contents = Contents(opened.size, seed)
        for name in workloads or _READING:
            duration_ns = int(seconds * 1e9)
            reports.append(
                run_workload(opened, WORKLOADS[name], contents, seed=seed, duration_ns=duration_ns)
            )
        wrong = contents.wrong_blocks_of(opened) if contents.written else 0
    if as_json:
        print_json(
            {"array": array, "wrong_blocks": wrong, "workloads": [_json(r) for r in reports]}
        )
    else:
        _print_table(reports)
        if wrong:
            click.echo(f"{array}: {wrong} blocks do not hold what was written to them")
    return int(wrong > 0)


def _print_table(reports: list[WorkloadReport]) -> None:
    click.echo(f"{'workload':<14}{'MB/s':>8}{'requests/s':>12}{'median µs':>11}{'99 % µs':>9}")
    for report in reports:
        click.echo(
            f"{report.workload.name:<14}{report.bytes_per_second / 1e6:8.1f}"
            f"{report.requests_per_second:12.0f}{report.latency_ns(50) / 1000:11.1f}"
            f"{report.latency_ns(99) / 1000:9.1f}"
        )


def _json(report: WorkloadReport) -> dict[str, object]:
    workload = report.workload
    return {
        "name": workload.name,
        "block_bytes": workload.block_bytes,
        "depth": workload.depth,
        "requests": report.requests,
        "elapsed_ns": report.elapsed_ns,
        "bytes_per_second": round(report.bytes_per_second),
        "requests_per_second": round(report.requests_per_second),
        "latency_ns": {str(p): report.latency_ns(p) for p in (50, 95, 99, 99.9, 100)},
    }
