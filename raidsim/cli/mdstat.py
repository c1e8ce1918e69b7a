"""``raidsim mdstat``."""

from __future__ import annotations

import click

from raidsim.array.report import detail_json, mdstat_lines
from raidsim.cli.output import print_json, print_lines
from raidsim.cli.parameters import json_option
from raidsim.control.snapshot import snapshot_of


@click.command("mdstat")
@click.argument("arrays", metavar="ARRAY...", nargs=-1, required=True)
@json_option
def command(arrays: tuple[str, ...], as_json: bool) -> None:
    """Show arrays as /proc/mdstat does; their names are their directories'."""
    snapshots = [snapshot_of(array) for array in arrays]
    if as_json:
        print_json([detail_json(snapshot) for snapshot in snapshots])
    else:
        print_lines(mdstat_lines(snapshots))
