"""``raidsim examine``."""

from __future__ import annotations

from contextlib import closing

import click

from raidsim.array.member import load_member
from raidsim.cli.output import print_json, print_lines
from raidsim.cli.parameters import json_option
from raidsim.disk import ImageDisk
from raidsim.md.examine import examine_json, examine_lines


@click.command("examine")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@json_option
def command(images: tuple[str, ...], as_json: bool) -> None:
    """Show members' superblocks, as mdadm --examine does."""
    facts = []
    for image in images:
        with closing(ImageDisk(image, readonly=True, lock=False)) as disk:
            sb = load_member(disk, image)
            if as_json:
                facts.append(examine_json(sb, image, disk.sectors))
            else:
                print_lines(examine_lines(sb, image, disk.sectors))
    if as_json:
        print_json(facts)
