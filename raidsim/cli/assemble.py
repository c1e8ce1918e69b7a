"""``raidsim assemble``."""

from __future__ import annotations

import click

from raidsim.array import Array
from raidsim.array.snapshot import take_snapshot
from raidsim.cli.output import tell_pending
from raidsim.cli.parameters import array_argument


@click.command("assemble")
@array_argument
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option(
    "--force", "-f", is_flag=True, help="Bring stale members back, run a dirty degraded array."
)
@click.option("--readonly", "-o", is_flag=True, help="Never change the members.")
def command(array: str, images: tuple[str, ...], force: bool, readonly: bool) -> None:
    """Take existing members and run their array.

    Real md's members are welcome. The directory ARRAY is made; where it is an array already, that
    is assembled anew from the given images.
    """
    with Array.assemble(array, images, force=force, readonly=readonly) as assembled:
        for risk in assembled.risks:
            click.echo(f"{array}: {risk}")
        snapshot = take_snapshot(assembled)
        drives = snapshot.active_devices
        text = f"{array}: started with {drives} drive{'s' * (drives != 1)}"
        if drives < snapshot.raid_disks:
            text += f" (out of {snapshot.raid_disks})"
        if spares := snapshot.spare_devices:
            text += f" and {spares} spare{'s' * (spares != 1)}"
        click.echo(text)
        tell_pending(snapshot)
