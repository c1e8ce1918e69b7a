"""``raidsim remove``."""

from __future__ import annotations

import click

from raidsim.cli.parameters import array_argument, disk_argument
from raidsim.control.attach import open_array


@click.command("remove")
@array_argument
@disk_argument
def command(array: str, disk: str) -> None:
    """Let a failed or spare member go; its image stays where it is."""
    with open_array(array) as opened:
        opened.remove(disk)
    click.echo(f"{array}: removed {disk}")
