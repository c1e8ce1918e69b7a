"""What ``raidsim check`` and ``raidsim repair`` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from raidsim.cli.interruption import interrupt_stops_sync
from raidsim.cli.mismatches import (
    check_summary,
    mismatch_facts,
    mismatch_table,
    repair_summary,
)
from raidsim.cli.output import describe_end, print_json, progress_bar
from raidsim.cli.parameters import SECTOR_BYTES
from raidsim.control.attach import open_array
from raidsim.md.layout import Geometry

if TYPE_CHECKING:
    from raidsim.array import SyncReport


def scrub(
    array: str, action: str, *, as_json: bool, listed: bool = False, locate: bool = False
) -> SyncReport:
    """Run ``check`` or ``repair`` on the array at ``array``, and print how it went.

    Args:
        array: the array directory.
        action: which of the two.
        as_json: print JSON.
        listed: print each mismatch as well.
        locate: let the repair rewrite what is wrong instead of parity.
    """
    with open_array(array) as opened:
        before = opened.snapshot()
        redundant = before.degraded < before.max_degraded  # if not, md begins no scrub
        with progress_bar(SECTOR_BYTES) as progress, interrupt_stops_sync(opened):
            if action == "check":
                report = opened.check(progress)
            else:
                report = opened.repair(progress, locate=locate)
    geometry = Geometry(before.level, before.layout, before.raid_disks, before.chunk_sectors)
    if as_json:
        facts: dict[str, object] = {
            "array": array,
            "action": action,
            "mismatch_cnt": report.mismatch_sectors,
            "scrubbed": redundant,
            "interrupted": report.interrupted,
            "ended": report.ended,
            "sector": report.sector,
        }
        if report.mismatches is not None:
            facts |= mismatch_facts(report.mismatches, geometry, listed=listed)
        print_json(facts)
    elif not redundant:
        click.echo(f"{array}: {action} did nothing: a degraded array has no redundancy to check")
    else:
        _print(array, report, geometry, listed=listed)
    return report


def _print(array: str, report: SyncReport, geometry: Geometry, *, listed: bool) -> None:
    log = report.mismatches
    if listed and log is not None:
        for line in mismatch_table(log, geometry):
            click.echo(line)
    mismatch_cnt = f"mismatch_cnt {report.mismatch_sectors} sectors"
    click.echo(f"{array}: {report.action} {describe_end(report)}, {mismatch_cnt}")
    if log is not None and (listed or geometry.level == 6):
        summary = check_summary if report.action == "check" else repair_summary
        for line in summary(log):
            click.echo(f"{array}: {line}")
