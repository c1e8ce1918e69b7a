"""``raidsim repair``."""

from __future__ import annotations

import click

from raidsim.cli.output import sync_status
from raidsim.cli.parameters import array_argument, json_option
from raidsim.cli.scrub import scrub


@click.command("repair")
@array_argument
@click.option(
    "--locate",
    is_flag=True,
    help="RAID6: rewrite the page that is wrong, where P and Q tell which one is.",
)
@click.option("--list", "listed", is_flag=True, help="With --locate: list what was done.")
@json_option
def command(array: str, locate: bool, listed: bool, as_json: bool) -> int:
    """Make parity right; data are taken as they are.

    With --locate, data or parity, whichever is wrong, is made right, and pages of 4 KiB in which
    more than one member is wrong are left alone; the exit status is then 1.

    Prints how many sectors were wrong, as md counts them.
    """
    if listed and not locate:
        raise click.UsageError("--list goes with --locate; `raidsim check --list` only looks")
    report = scrub(array, "repair", as_json=as_json, listed=listed, locate=locate)
    log = report.mismatches
    left_alone = log is not None and log.several + log.unknown > 0
    return sync_status([report]) or int(left_alone)
