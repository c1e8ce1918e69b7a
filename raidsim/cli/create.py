"""``raidsim create``."""

from __future__ import annotations

import click

from raidsim.array import Array, ArraySpec
from raidsim.array.snapshot import take_snapshot
from raidsim.cli.output import tell_pending
from raidsim.cli.parameters import SECTOR_BYTES, Size, array_argument, engines_option
from raidsim.md.layout import parse_layout
from raidsim.md.placement import BitmapWish

_IMAGE_BYTES = 64 << 20


@click.command("create")
@array_argument
@click.argument("images", metavar="[IMAGE|missing]...", nargs=-1)
@click.option("--level", "-l", type=int, required=True, help="4, 5 or 6.")
@click.option(
    "--raid-devices", "-n", type=int, required=True, help="Members, parity included.", metavar="N"
)
@click.option(
    "--size",
    "-z",
    type=Size(SECTOR_BYTES),
    help="Size of each image that is made [default: 64M]; of given ones, what to use of each.",
)
@click.option(
    "--chunk", "-c", type=Size(SECTOR_BYTES), default="512K", show_default=True, help="Chunk size."
)
@click.option(
    "--layout",
    "-p",
    default="default",
    help="mdadm's name of the layout [default: left-symmetric; for RAID4 parity-last].",
)
@click.option(
    "--spare-devices",
    "-x",
    type=click.IntRange(min=0),
    default=0,
    metavar="K",
    help="Members beyond N, as spares.",
)
@click.option(
    "--bitmap",
    type=click.Choice(["none", "internal"]),
    help="Write-intent bitmap [default: internal for components above 100G, none below].",
)
@click.option(
    "--bitmap-chunk",
    type=Size(SECTOR_BYTES),
    help="What one bit of the bitmap stands for [default: 64M, or more so that the bits fit].",
)
@click.option(
    "--metadata",
    "-e",
    type=click.Choice(["1.0", "1.1", "1.2"]),
    default="1.2",
    show_default=True,
    help="Version of the superblock.",
)
@click.option("--assume-clean", is_flag=True, help="The given images' parity is right as it is.")
@engines_option
def command(
    array: str,
    images: tuple[str, ...],
    level: int,
    raid_devices: int,
    size: int | None,
    chunk: int,
    layout: str,
    spare_devices: int,
    bitmap: str | None,
    bitmap_chunk: int | None,
    metadata: str,
    assume_clean: bool,
    engines: tuple[str, ...],
) -> None:
    """Make an array.

    With no IMAGE, images of zeros are made in the directory ARRAY: disk0.img and so on. They are in
    sync as they are. Given images are taken in the order of slots, spares last, with the word
    missing where a member is to be absent; what they hold is lost.
    """
    if bitmap_chunk is not None and bitmap != "internal":
        raise click.UsageError("--bitmap-chunk needs --bitmap internal")
    spec = ArraySpec(
        level=level,
        raid_disks=raid_devices,
        layout=parse_layout(level, layout),
        chunk_sectors=chunk // SECTOR_BYTES,
        minor_version=int(metadata[-1]),
        spare_disks=spare_devices,
        size_sectors=size // SECTOR_BYTES if images and size is not None else None,
        in_sync=assume_clean,
        bitmap=BitmapWish(None if bitmap is None else bitmap == "internal", bitmap_chunk),
    )
    image_bytes = _IMAGE_BYTES if size is None else size
    with Array.create(array, spec, images, image_bytes=image_bytes, engines=engines) as made:
        click.echo(f"{array}: started")
        tell_pending(take_snapshot(made))
