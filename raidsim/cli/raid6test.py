"""``raidsim raid6test``."""

from __future__ import annotations

from dataclasses import asdict

import click

from raidsim import Machine
from raidsim.async_tx.raid6test import raid6test
from raidsim.cli.output import print_json
from raidsim.cli.parameters import engines_option, json_option


@click.command("raid6test")
@engines_option
@click.option(
    "--disks",
    type=click.IntRange(4, 255),
    default=16,
    show_default=True,
    help="Widest case, P and Q included: 16 makes 257 tests, 64 makes 2429.",
)
@json_option
def command(engines: tuple[str, ...], disks: int, as_json: bool) -> int:
    """Recover every pair of blocks, validate and compare, as the kernel's raid6test does.

    The exit status is 1 when anything was wrong. Without an engine it is software that is tested.
    """
    machine = Machine(engines=engines)
    result = raid6test(machine, disks)
    machine.stop()
    stats = machine.async_tx_stats
    offloaded = {name: count for name, count in stats.offloaded.operations.items() if count}
    software = {name: count for name, count in stats.software.operations.items() if count}
    if as_json:
        print_json(
            asdict(result) | {"passed": result.passed, "offloaded": offloaded, "software": software}
        )
    else:
        for case in (*result.failures, *result.invalid):
            click.echo(f"raid6test: {case}")
        for width in result.timeouts:
            click.echo(f"raid6test: {width} disks: the syndrome never came")
        for where, counts in (("on engines", offloaded), ("in software", software)):
            text = ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing"
            click.echo(f"raid6test: {where}: {text}")
        failures = len(result.failures) + len(result.timeouts)
        click.echo(f"raid6test: complete ({result.tests} tests, {failures} failures)")
    return int(not result.passed)
