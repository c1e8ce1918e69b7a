"""``raidsim remove``."""

from __future__ import annotations

import click

from raidsim.array import Array
from raidsim.cli.parameters import array_argument, disk_argument


@click.command("remove")
@array_argument
@disk_argument
def command(array: str, disk: str) -> None:
    """Let a failed or spare member go; its image stays where it is."""
    with Array.open(array) as opened:
        opened.remove(disk)
    click.echo(f"{array}: removed {disk}")
