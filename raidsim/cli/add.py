"""``raidsim add``."""

from __future__ import annotations

import click

from raidsim.cli.output import tell_pending
from raidsim.cli.parameters import array_argument
from raidsim.control.attach import open_array


@click.command("add")
@array_argument
@click.argument("image", metavar="IMAGE")
def command(array: str, image: str) -> None:
    """Take a new member on as a spare; rebuild puts it to use.

    An IMAGE that does not exist is made. A former member is re-added, if it can be.
    """
    with open_array(array) as opened:
        re_added = opened.add(image)
        click.echo(f"{array}: {'re-added' if re_added else 'added'} {image}")
        tell_pending(opened.snapshot())
