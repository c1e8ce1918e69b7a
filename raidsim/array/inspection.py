"""Looking at an array that nobody runs: at its directory and its members' superblocks.

No machine is made for it and nothing is computed, so this needs neither engines nor arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.array.binding import (
    bind_members,
    close_images,
    open_members,
    read_array_bitmap,
    remembered_images,
)
from raidsim.array.directory import ArrayDirectory
from raidsim.array.member import load_member
from raidsim.array.settings import kept_setting
from raidsim.array.snapshot import BitmapSnapshot, snapshot_at_rest
from raidsim.md.assembly import analyse_members
from raidsim.md.bitmap_superblock import BitmapSuperblock, pages_in_use
from raidsim.md.superblock import MAX_SECTOR, MD_FEATURE_BITMAP_OFFSET

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from raidsim.array.snapshot import ArraySnapshot
    from raidsim.disk import ImageDisk
    from raidsim.md.rdev import Rdev
    from raidsim.md.superblock import SuperblockV1


def inspect_array(path: str | os.PathLike[str]) -> ArraySnapshot:
    """Return what the array of a directory looks like before anything runs it.

    It may have failed, be unfit to run, or be in use by another program. Nothing is changed.

    Args:
        path: the array directory.

    Raises:
        RaidsimError: there is no array, or its members make none.
    """
    directory = ArrayDirectory.load(path)
    with remembered_images():
        disks = open_members(directory, readonly=True, lock=False)
    try:
        superblocks = {name: load_member(disk, name) for name, disk in disks.items()}
        assembly = analyse_members(superblocks)
        images = bind_members(directory, disks, superblocks, assembly, lambda image: image)
        bitmap = _bitmap(assembly.freshest, images)
    finally:
        close_images(disks.values())
    sb, geometry = assembly.freshest, assembly.geometry
    size_limit = int(kept_setting(directory, "size_limit", MAX_SECTOR))
    return snapshot_at_rest(
        directory,
        sb,
        geometry,
        images,
        array_sectors=min(sb.size * geometry.data_disks, size_limit),
        started=not assembly.dirty_degraded,
        bitmap=bitmap,
    )


def _bitmap(sb: SuperblockV1, images: Mapping[Rdev, ImageDisk]) -> BitmapSnapshot | None:
    if not sb.feature_map & MD_FEATURE_BITMAP_OFFSET:
        return None
    _, raw = read_array_bitmap(images)
    in_use, pages = pages_in_use(raw, sb)
    chunk_bytes = BitmapSuperblock.from_bytes(raw).chunksize
    return BitmapSnapshot(pages_in_use=in_use, pages=pages, chunk_bytes=chunk_bytes)
