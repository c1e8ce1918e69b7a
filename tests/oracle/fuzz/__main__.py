"""The differential fuzzer: the same operations on real md and here, from seeds.

Usage: python tests/oracle/fuzz SEEDS, a count or a range A-B. Exits 1 if anything differs.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

sys.path.insert(0, str(Path(__file__).parent.parent))  # the harness of real md lies there

from both import Verdict, run_both, script
from operations import draw_plan
from shrink import shrink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compare import Difference
    from operations import Plan

# Arrays in one boot: what they wait for overlaps.
_BATCH = 12


@click.command()
@click.argument("seeds")
def main(seeds: str) -> None:
    """Run SEEDS, a count or a range A-B, and shrink what differs."""
    logging.disable()
    first, _, last = seeds.partition("-")
    drawn = range(int(first), int(last) + 1) if last else range(int(first))
    different = 0
    for start in range(0, len(drawn), _BATCH):
        batch = drawn[start : start + _BATCH]
        for verdict in run_both([draw_plan(seed) for seed in batch]):
            if verdict.differences:
                different += 1
                _report(verdict)
        click.echo(f"seeds {batch[0]} to {batch[-1]} done, {different} with differences so far")
    sys.exit(bool(different))


def _differences(plans: Sequence[Plan]) -> list[list[Difference]]:
    return [verdict.differences for verdict in run_both(plans)]


def _report(verdict: Verdict) -> None:
    first = verdict.differences[0]
    click.echo(f"seed {verdict.plan.seed}: {first.text}")
    plan = shrink(verdict.plan, verdict.differences, _differences)
    (small,) = run_both([plan])
    click.echo(f"shrunk to:\n{script(plan)}")
    for difference in small.differences:
        click.echo(f"  {difference.text}")
    click.echo(f"as a regression:\n  {plan}")


if __name__ == "__main__":
    main()
