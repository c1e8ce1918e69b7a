"""What ``raidsim check`` and ``raidsim repair`` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from raidsim.array import Array
from raidsim.cli.interruption import interrupt_stops_sync
from raidsim.cli.output import describe_end, print_json, progress_bar
from raidsim.cli.parameters import SECTOR_BYTES

if TYPE_CHECKING:
    from raidsim.array import SyncReport


def scrub(array: str, action: str, *, as_json: bool) -> SyncReport:
    """Run ``check`` or ``repair`` on the array at ``array``, and print how it went."""
    with Array.open(array) as opened:
        redundant = opened.mddev.redundant  # if not, md begins no scrub
        with progress_bar(SECTOR_BYTES) as progress, interrupt_stops_sync(opened):
            report = (opened.check if action == "check" else opened.repair)(progress)
    if as_json:
        print_json(
            {
                "array": array,
                "action": action,
                "mismatch_cnt": report.mismatch_sectors,
                "scrubbed": redundant,
                "interrupted": report.interrupted,
                "ended": report.ended,
                "sector": report.sector,
            }
        )
    elif not redundant:
        click.echo(f"{array}: {action} did nothing: a degraded array has no redundancy to check")
    else:
        outcome = describe_end(report)
        click.echo(f"{array}: {action} {outcome}, mismatch_cnt {report.mismatch_sectors} sectors")
    return report
