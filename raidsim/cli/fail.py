"""``raidsim fail``."""

from __future__ import annotations

import click

from raidsim.array import forget_image
from raidsim.cli.parameters import array_argument, disk_argument
from raidsim.control.attach import open_array
from raidsim.disk import ImageError
from raidsim.errors import UsageError


@click.command("fail")
@array_argument
@disk_argument
def command(array: str, disk: str) -> None:
    """Fail a member.

    Where its image is gone or cannot be used, the array goes on without it, and it need not be
    removed.
    """
    try:
        opened = open_array(array)
    except ImageError as error:
        _do_without(array, disk, error)
        return
    with opened:
        opened.fail(disk)
    click.echo(f"{array}: set {disk} faulty")


def _do_without(array: str, disk: str, error: ImageError) -> None:
    """Let the array forget ``disk``, if that is the image that cannot be used."""
    try:
        forget_image(array, disk)
    except UsageError:
        raise error from None
    click.echo(f"{array}: {disk} cannot be used, the array does without it")
