"""``raidsim examine``."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from raidsim.cli.output import print_json, print_lines
from raidsim.cli.parameters import form_options
from raidsim.disk import ImageDisk
from raidsim.errors import UsageError
from raidsim.md.badblocks import examine_badblocks_json, examine_badblocks_lines
from raidsim.md.bitmap_superblock import BitmapError, read_bitmap
from raidsim.md.examine import examine_json, examine_lines
from raidsim.md.examine_bitmap import examine_bitmap_json, examine_bitmap_lines
from raidsim.md.examine_export import examine_brief_lines, examine_export_lines
from raidsim.md.superblock import SuperblockError, find_superblock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raidsim.cli.parameters import Form
    from raidsim.md.superblock import SuperblockV1


@click.command("examine")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option("--badblocks", is_flag=True, help="Show the members' lists of bad blocks instead.")
@click.option("--bitmap", is_flag=True, help="Show the members' write-intent bitmaps instead.")
@form_options
def command(images: tuple[str, ...], badblocks: bool, bitmap: bool, form: Form | None) -> None:
    """Show members' superblocks, as mdadm --examine does."""
    if badblocks and bitmap:
        raise UsageError("--badblocks and --bitmap: choose what to show")
    if bitmap:
        _show_bitmaps(images, form)
        return
    members = map(_examine, images)
    if badblocks:
        _show_badblocks(members, form)
    elif form == "json":
        print_json([examine_json(*member) for member in members])
    elif form == "brief":
        print_lines(examine_brief_lines(sb for sb, _, _ in members))
    elif form == "export":
        for sb, _, _ in members:
            print_lines(examine_export_lines(sb))
    else:
        for member in members:
            print_lines(examine_lines(*member))


def _show_badblocks(members: Iterable[tuple[SuperblockV1, str, int]], form: Form | None) -> None:
    if form == "json":
        print_json([examine_badblocks_json(sb, name) for sb, name, _ in members])
    elif form is None:
        for sb, name, _ in members:
            print_lines(examine_badblocks_lines(sb, name))
    else:
        raise UsageError(f"--badblocks has no --{form} form; take it alone or with --json")


def _show_bitmaps(images: tuple[str, ...], form: Form | None) -> None:
    if form not in {None, "json"}:
        raise UsageError(f"--bitmap has no --{form} form; take it alone or with --json")
    bitmaps = [(_bitmap(image), image) for image in images]
    if form == "json":
        print_json([examine_bitmap_json(*bitmap) for bitmap in bitmaps])
    else:
        for bitmap in bitmaps:
            print_lines(examine_bitmap_lines(*bitmap))


def _bitmap(image: str) -> bytes:
    sb, _, _ = _examine(image)
    with closing(ImageDisk(image, readonly=True, lock=False)) as disk:
        try:
            return read_bitmap(disk.read, sb)
        except BitmapError as error:
            raise BitmapError(f"{image}: {error}") from error


def _examine(image: str) -> tuple[SuperblockV1, str, int]:
    """An image's superblock, sound or not, its name, and its size in sectors."""
    with closing(ImageDisk(image, readonly=True, lock=False)) as disk:
        try:
            return find_superblock(disk.read, disk.sectors), image, disk.sectors
        except SuperblockError as error:
            raise SuperblockError(f"{image}: {error}") from error
