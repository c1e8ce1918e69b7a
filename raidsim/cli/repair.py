"""``raidsim repair``."""

from __future__ import annotations

import click

from raidsim.cli.output import sync_status
from raidsim.cli.parameters import array_argument, json_option
from raidsim.cli.scrub import scrub


@click.command("repair")
@array_argument
@json_option
def command(array: str, as_json: bool) -> int:
    """Make parity right; data are taken as they are.

    Prints how many sectors were wrong, as md counts them.
    """
    return sync_status([scrub(array, "repair", as_json=as_json)])
