"""``raidsim rebuild``."""

from __future__ import annotations

import click

from raidsim.cli.interruption import interrupt_stops_sync
from raidsim.cli.output import describe_end, print_json, progress_bar, sync_status
from raidsim.cli.parameters import SECTOR_BYTES, array_argument, json_option
from raidsim.control.attach import open_array


@click.command("rebuild")
@array_argument
@json_option
def command(array: str, as_json: bool) -> int:
    """Run pending recovery or resync to the end.

    Stopped with Ctrl-C it goes on there when run again, and killed, from its last checkpoint.
    """
    with open_array(array) as opened:
        with progress_bar(SECTOR_BYTES) as progress, interrupt_stops_sync(opened):
            reports = opened.rebuild(progress)
        snapshot = opened.snapshot()
    if as_json:
        print_json(
            {
                "array": array,
                "actions": [
                    {
                        "action": r.word,
                        "interrupted": r.interrupted,
                        "ended": r.ended,
                        "sector": r.sector,
                    }
                    for r in reports
                ],
                "state": snapshot.state,
            }
        )
    else:
        for report in reports:
            click.echo(f"{array}: {report.word} {describe_end(report)}")
        missing = snapshot.raid_disks - snapshot.active_devices
        if missing:
            members = "1 member is" if missing == 1 else f"{missing} members are"
            nothing = "" if reports else "nothing to rebuild; "
            click.echo(f"{array}: {nothing}{members} missing: add one with `raidsim add`")
        elif not reports:
            click.echo(f"{array}: nothing to rebuild")
    return sync_status(reports)
