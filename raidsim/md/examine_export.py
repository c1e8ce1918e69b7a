"""Superblocks for programs: `mdadm --examine --export` and `--brief` of mdadm 4.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.examine import array_size_bytes
from raidsim.md.superblock import (
    MD_DISK_ROLE_JOURNAL,
    MD_FEATURE_REPLACEMENT,
    format_uuid,
)
from raidsim.md.wording import device_path, level_name, quoted, seconds, short_size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raidsim.md.superblock import SuperblockV1


def examine_export_lines(sb: SuperblockV1) -> list[str]:
    """Return the KEY=value lines of a member (export_examine_super1, mdadm's super1.c)."""
    name = sb.name.split("\n")[0]
    size_bytes = array_size_bytes(sb)
    return [
        f"MD_LEVEL={level_name(sb.level) or 'unknown'}",
        f"MD_DEVICES={sb.raid_disks}",
        *([f"MD_NAME={name}"] if name else []),
        *([] if size_bytes is None else [f"MD_ARRAY_SIZE={short_size(size_bytes)}"]),
        f"MD_UUID={format_uuid(sb.set_uuid)}",
        f"MD_UPDATE_TIME={seconds(sb.utime)}",
        f"MD_DEV_UUID={format_uuid(sb.device_uuid)}",
        f"MD_EVENTS={sb.events}",
    ]


def examine_brief_lines(superblocks: Iterable[SuperblockV1]) -> list[str]:
    """Return the lines of mdadm.conf for the arrays of some members (mdadm's Examine.c).

    There is one for each array, those met last first, and a second one if some are its spares.
    """
    arrays: dict[tuple[object, ...], list[SuperblockV1]] = {}
    for sb in superblocks:
        arrays.setdefault(_identity(sb), []).append(sb)
    lines = []
    for members in reversed(arrays.values()):
        lines.append(_array_line(members[0]))
        spares = sum(_is_spare(sb) for sb in members)
        if spares:
            lines.append(f"   spares={spares}")
    return lines


def _identity(sb: SuperblockV1) -> tuple[object, ...]:
    """What members of one array have in common (compare_super1)."""
    shape = (sb.level, sb.layout, sb.size, sb.chunksize, sb.raid_disks)
    return sb.set_uuid, sb.ctime, *shape


def _array_line(sb: SuperblockV1) -> str:
    path = f"{device_path(sb.name)} " if sb.name else ""
    name = f" name={quoted(sb.name)}" if sb.name else ""
    return f"ARRAY {path} metadata=1.{sb.minor_version} UUID={format_uuid(sb.set_uuid)}{name}"


def _is_spare(sb: SuperblockV1) -> bool:
    """A replacement counts as one until it has taken its slot over, and so does a journal."""
    return sb.role >= MD_DISK_ROLE_JOURNAL or bool(sb.feature_map & MD_FEATURE_REPLACEMENT)
