"""``raidsim re-add``."""

from __future__ import annotations

import click

from raidsim.cli.output import tell_pending
from raidsim.cli.parameters import array_argument, disk_argument
from raidsim.control.attach import open_array


@click.command("re-add")
@array_argument
@disk_argument
def command(array: str, disk: str) -> None:
    """Take a former member back in its old slot; rebuild brings it up to date.

    With a write-intent bitmap only what was written without it has to be rebuilt. DISK is a failed
    member, or the image of one that was removed or left out.
    """
    with open_array(array) as opened:
        opened.re_add(disk)
        click.echo(f"{array}: re-added {disk}")
        tell_pending(opened.snapshot())
