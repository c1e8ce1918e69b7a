"""Attributes that say what the array is made of (Linux drivers/md/md.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from raidsim.md.attributes.attribute import U64_MAX, Attribute, parse_unsigned
from raidsim.md.superblock import MAX_SECTOR

if TYPE_CHECKING:
    from raidsim.md.mddev import Mddev


def _show_array_size(mddev: Mddev) -> str:
    return "default" if mddev.size_limit == MAX_SECTOR else str(mddev.size_limit // 2)


def _store_array_size(mddev: Mddev, text: str) -> None:
    if text.startswith("default"):
        mddev.size_limit = MAX_SECTOR
        return
    sectors = parse_unsigned(text, U64_MAX >> 1) * 2
    if sectors > mddev.capacity_sectors:
        raise ValueError(text)
    mddev.size_limit = sectors


ATTRIBUTES = (
    Attribute(
        name="array_size",
        show=_show_array_size,
        store=_store_array_size,
        takes="KiB up to what the members hold, or default",
    ),
    Attribute(name="chunk_size", show=lambda mddev: str(mddev.geometry.chunk_sectors << 9)),
    Attribute(name="component_size", show=lambda mddev: str(mddev.dev_sectors // 2)),
    Attribute(name="layout", show=lambda mddev: str(mddev.geometry.layout)),
    Attribute(name="level", show=lambda mddev: f"raid{mddev.geometry.level}"),
    Attribute(name="metadata_version", show=lambda mddev: f"1.{mddev.superblock.minor_version}"),
    Attribute(name="raid_disks", show=lambda mddev: str(mddev.geometry.raid_disks)),
    Attribute(name="reshape_direction", show=lambda _: "forwards"),
    Attribute(name="reshape_position", show=lambda _: "none"),
    Attribute(name="uuid", show=lambda mddev: str(UUID(bytes=mddev.superblock.set_uuid))),
)
