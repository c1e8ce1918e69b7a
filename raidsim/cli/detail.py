"""``raidsim detail``."""

from __future__ import annotations

import click

from raidsim.array import Array
from raidsim.array.report import detail_json, detail_lines
from raidsim.array.snapshot import take_snapshot
from raidsim.cli.output import print_json, print_lines
from raidsim.cli.parameters import array_argument, json_option


@click.command("detail")
@array_argument
@json_option
def command(array: str, as_json: bool) -> None:
    """Show an array, as mdadm --detail does.

    It may have failed, be unfit to run, or be in use by another program.
    """
    with Array.open(array, inspect=True) as opened:
        snapshot = take_snapshot(opened)
    if as_json:
        print_json(detail_json(snapshot))
    else:
        print_lines(detail_lines(snapshot))
