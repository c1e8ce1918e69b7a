"""Giving an array a write-intent bitmap later, and taking it off again.

``mdadm --grow --bitmap`` writes an empty one to the members and lets md take it up through
``bitmap/location`` (mdadm's Grow.c and super1.c, location_store in Linux drivers/md/md-bitmap.c).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.bitmap import Bitmap
from raidsim.md.bitmap_superblock import (
    BitmapSuperblock,
    choose_chunk,
    new_bitmap_bytes,
    place_bitmap,
)
from raidsim.md.mddev import ArrayStateError
from raidsim.md.superblock_update import MD_SB_CHANGE_DEVS

if TYPE_CHECKING:
    from raidsim.md.mddev import Mddev
    from raidsim.md.superblock import SuperblockV1

_BBLOG_SECTORS = 8


def add_bitmap(mddev: Mddev, chunksize: int | None = None) -> None:
    """Let ``mddev`` have a bitmap from now on; the caller knows that nothing is in flight.

    Args:
        mddev: the array.
        chunksize: bytes of a member for each bit; None for as few bits as are of use.

    Raises:
        ArrayStateError: it has one, or something is being synced.
        UsageError: there is no room for one with such chunks.
    """
    _check_idle(mddev)
    if mddev.bitmap is not None:
        raise ArrayStateError("the array has a bitmap already; remove that one first")
    chunksize, offset = _place(mddev, chunksize)
    head = BitmapSuperblock(
        uuid=mddev.superblock.set_uuid, sync_size=mddev.dev_sectors, chunksize=chunksize
    )
    bitmap = Bitmap(mddev, offset, new_bitmap_bytes(head))
    bitmap.storage.set_all()
    mddev.bitmap = bitmap
    bitmap.load()
    mddev.update_superblocks(MD_SB_CHANGE_DEVS)


def new_bitmap_offset(mddev: Mddev, chunksize: int | None = None) -> int:
    """Where ``add_bitmap`` would put it, in sectors from the superblock.

    Raises:
        UsageError: there is no room for one with such chunks.
    """
    return _place(mddev, chunksize)[1]


def _place(mddev: Mddev, chunksize: int | None) -> tuple[int, int]:
    """The bytes for each bit, and where the bitmap is to lie, which is alike on all members."""
    working = [rdev.superblock for rdev in mddev.rdevs if rdev.in_sync]
    chunksize = choose_chunk(mddev.dev_sectors, min(map(_bitmap_room, working)), chunksize)
    bblog = max(_BBLOG_SECTORS, *(-sb.bblog_offset for sb in working))
    minor_version = mddev.superblock.minor_version
    return chunksize, place_bitmap(minor_version, bblog, mddev.dev_sectors, chunksize)


def remove_bitmap(mddev: Mddev) -> None:
    """Take the bitmap off ``mddev``; the caller knows that nothing is in flight.

    Raises:
        ArrayStateError: something is being synced.
    """
    _check_idle(mddev)
    if mddev.bitmap is not None:
        mddev.bitmap = None
        mddev.update_superblocks(MD_SB_CHANGE_DEVS)


def _check_idle(mddev: Mddev) -> None:
    if mddev.sync_thread is not None:
        raise ArrayStateError(f"the bitmap stays as it is while a {mddev.sync_thread.action} runs")


def _bitmap_room(sb: SuperblockV1) -> int:
    """The sectors between superblock, bad block log and data (add_internal_bitmap1)."""
    bblog = max(sb.bblog_size, _BBLOG_SECTORS)
    if sb.minor_version == 0:
        return sb.super_offset - sb.data_offset - sb.data_size - max(bblog, -sb.bblog_offset)
    if sb.bblog_size:
        return sb.bblog_offset - 8
    return sb.data_offset - sb.super_offset - 8 - bblog
