"""``raidsim check``."""

from __future__ import annotations

import click

from raidsim.cli.output import sync_status
from raidsim.cli.parameters import array_argument, json_option
from raidsim.cli.scrub import scrub


@click.command("check")
@array_argument
@json_option
def command(array: str, as_json: bool) -> int:
    """Compare parity with data; nothing is changed.

    Prints the mismatch count in sectors, as md counts: whole units of 4 KiB in which anything
    differs. The exit status is 1 when it is not 0.
    """
    report = scrub(array, "check", as_json=as_json)
    return sync_status([report]) or int(report.mismatch_sectors > 0)
