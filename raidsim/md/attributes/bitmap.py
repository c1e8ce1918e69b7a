"""Attributes of the write-intent bitmap (Linux drivers/md/md-bitmap.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.attributes.attribute import (
    U32_MAX,
    Attribute,
    AttributeRefusedError,
    parse_unsigned,
)
from raidsim.md.grow_bitmap import add_bitmap, new_bitmap_offset, remove_bitmap

if TYPE_CHECKING:
    from raidsim.md.mddev import Mddev


def _show_location(mddev: Mddev) -> str:
    return "none" if mddev.bitmap is None else f"{mddev.bitmap.storage.offset:+}"


def _store_location(mddev: Mddev, text: str) -> None:
    if text == "none":
        remove_bitmap(mddev)
        return
    if mddev.bitmap is not None:
        raise AttributeRefusedError("the array has a bitmap; write none first")
    chunksize = mddev.bitmap_chunksize or None
    if int(text) != new_bitmap_offset(mddev, chunksize):
        raise ValueError(text)
    add_bitmap(mddev, chunksize)


def _show_chunksize(mddev: Mddev) -> str:
    bitmap = mddev.bitmap
    return str(mddev.bitmap_chunksize if bitmap is None else bitmap.superblock.chunksize)


def _store_chunksize(mddev: Mddev, text: str) -> None:
    if mddev.bitmap is not None:
        raise AttributeRefusedError("the array has a bitmap; write none to bitmap/location first")
    chunksize = parse_unsigned(text, U32_MAX)
    if chunksize < 512 or chunksize & (chunksize - 1):
        raise ValueError(text)
    mddev.bitmap_chunksize = chunksize


def _show_time_base(mddev: Mddev) -> str:
    return "0" if mddev.bitmap is None else str(mddev.bitmap.superblock.daemon_sleep)


def _store_time_base(mddev: Mddev, text: str) -> None:
    if mddev.bitmap is None:
        raise AttributeRefusedError("the array has no bitmap")
    seconds = parse_unsigned(text, U32_MAX)
    if not seconds:
        raise ValueError(text)
    mddev.bitmap.superblock.daemon_sleep = seconds
    mddev.bitmap.update_sb()


def _show_can_clear(mddev: Mddev) -> str:
    if mddev.bitmap is None:
        return ""
    return "true" if mddev.bitmap.can_clear else "false"


def _show_space(mddev: Mddev) -> str:
    return "0" if mddev.bitmap is None else str(mddev.bitmap.superblock.sectors_reserved)


def _show_backlog(mddev: Mddev) -> str:
    return "0" if mddev.bitmap is None else str(mddev.bitmap.superblock.write_behind)


ATTRIBUTES = (
    Attribute(name="bitmap/backlog", show=_show_backlog),
    Attribute(name="bitmap/can_clear", show=_show_can_clear),
    Attribute(
        name="bitmap/chunksize",
        show=_show_chunksize,
        store=_store_chunksize,
        takes="bytes, a power of two from 512 on",
    ),
    Attribute(
        name="bitmap/location",
        show=_show_location,
        store=_store_location,
        takes="none, or the sectors from the superblock where mdadm puts a bitmap, like +8",
    ),
    Attribute(name="bitmap/metadata", show=lambda _: "internal"),
    Attribute(name="bitmap/space", show=_show_space),
    Attribute(
        name="bitmap/time_base",
        show=_show_time_base,
        store=_store_time_base,
        takes="whole seconds from 1 on",
    ),
)
