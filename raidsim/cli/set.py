"""``raidsim set``."""

from __future__ import annotations

import click

from raidsim.cli.interruption import interrupt_stops_sync
from raidsim.cli.output import describe_end, progress_bar, sync_status, tell_pending
from raidsim.cli.parameters import SECTOR_BYTES, array_argument
from raidsim.control.attach import open_array


@click.command("set", context_settings={"ignore_unknown_options": True})
@array_argument
@click.argument("name", metavar="NAME")
@click.argument("value", metavar="VALUE")
def command(array: str, name: str, value: str) -> int:
    """Write an attribute, as `echo VALUE > /sys/block/md0/md/NAME` does.

    It is kept with the array. An action written to sync_action is run.
    """
    with open_array(array) as opened:
        with progress_bar(SECTOR_BYTES) as progress, interrupt_stops_sync(opened):
            reports = opened.set(name, value, progress)
        snapshot = opened.snapshot()
    for report in reports:
        mismatches = f", mismatch_cnt {report.mismatch_sectors} sectors" if report.requested else ""
        click.echo(f"{array}: {report.word} {describe_end(report)}{mismatches}")
    if name == "sync_action" and not reports:
        tell_pending(snapshot)
    return sync_status(reports) or int(
        any(r.mismatch_sectors for r in reports if r.action == "check")
    )
