"""``raidsim check``."""

from __future__ import annotations

import click

from raidsim.cli.output import sync_status
from raidsim.cli.parameters import array_argument, json_option
from raidsim.cli.scrub import scrub


@click.command("check")
@array_argument
@click.option("--list", "listed", is_flag=True, help="List where parity and data differ.")
@json_option
def command(array: str, listed: bool, as_json: bool) -> int:
    """Compare parity with data; nothing is changed.

    Prints the mismatch count in sectors, as md counts: whole pages of 4 KiB in which anything
    differs; on RAID6 also which members are wrong. The exit status is 1 when it is not 0.
    """
    report = scrub(array, "check", as_json=as_json, listed=listed)
    return sync_status([report]) or int(report.mismatch_sectors > 0)
