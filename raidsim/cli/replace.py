"""``raidsim replace``."""

from __future__ import annotations

import click

from raidsim.cli.output import tell_pending
from raidsim.cli.parameters import array_argument
from raidsim.control.attach import open_array


@click.command("replace")
@array_argument
@click.argument("disks", metavar="DISK...", nargs=-1, required=True)
@click.option(
    "--with",
    "replacements",
    metavar="DISK",
    multiple=True,
    help="The spare to take its place; repeatable, in the order of the members.",
)
def command(array: str, disks: tuple[str, ...], replacements: tuple[str, ...]) -> None:
    """Have members replaced by spares while they still work; rebuild carries it out.

    A member that finds no spare waits until one is added.
    """
    with open_array(array) as opened:
        waiting = opened.replace(disks, replacements)
        for disk in disks:
            click.echo(f"{array}: marked {disk} for replacement")
        for disk in waiting:
            click.echo(f"{array}: {disk} waits for a spare: add one with `raidsim add`")
        tell_pending(opened.snapshot())
