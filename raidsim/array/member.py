"""Images as members: making them, finding them and their superblocks."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from raidsim.disk import ImageError, ImageFullError
from raidsim.errors import UsageError
from raidsim.md.badblocks import BadBlocks
from raidsim.md.placement import place_member
from raidsim.md.superblock import (
    MAX_SECTOR,
    MD_FEATURE_BITMAP_OFFSET,
    SuperblockError,
    find_superblock,
    format_uuid,
    validate_for_array,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from raidsim.disk import ImageDisk
    from raidsim.md.mddev import Mddev
    from raidsim.md.superblock import SuperblockV1


class NotAMemberError(ImageError):
    """An image is not a member that can be used here."""


def create_image(path: Path, size_bytes: int) -> None:
    """Make a sparse image of zeros.

    Raises:
        ImageError: something is there already, or the host refuses.
    """
    if path.exists():
        raise ImageError(f"{path}: is there already; name another image, or this one")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            try:
                file.truncate(size_bytes)
            except OSError:
                path.unlink()
                raise
    except OSError as error:
        kind = ImageFullError if error.errno == errno.ENOSPC else ImageError
        raise kind(f"{path}: cannot be made: {error.strerror}") from error


def load_member(disk: ImageDisk, name: str) -> SuperblockV1:
    """A member's superblock, fit to assemble.

    Raises:
        NotAMemberError: there is none, or it or its bad block log is damaged or makes no sense.
    """
    try:
        sb = find_superblock(disk.read, disk.sectors)
        validate_for_array(sb, disk.sectors)
        BadBlocks.load(sb)
    except SuperblockError as error:
        raise NotAMemberError(f"{name}: {error}") from error
    return sb


def refuse_member(disk: ImageDisk, name: str, *, but_of: bytes = b"") -> None:
    """Refuse an image that is some array's member already.

    Args:
        disk: the image.
        name: what to call it.
        but_of: UUID of the array whose members are welcome.

    Raises:
        NotAMemberError: it is.
    """
    try:
        sb = find_superblock(disk.read, disk.sectors)
    except SuperblockError:
        return
    if sb.set_uuid != but_of:
        raise NotAMemberError(
            f"{name}: belongs to array {sb.name} ({format_uuid(sb.set_uuid)}); take another image,"
            " or empty this one first"
        )


def joining_superblock(disk: ImageDisk, mddev: Mddev, device_uuid: bytes) -> SuperblockV1:
    """The superblock of a spare that joins ``mddev`` on ``disk``, a former member or not.

    Its number is the first free one beyond the slots, as mdadm has it.

    Raises:
        NotAMemberError: it is a member of another array, or too small.
    """
    name = str(disk.path)
    array = mddev.superblock
    refuse_member(disk, name, but_of=array.set_uuid)
    bitmap = mddev.bitmap
    try:
        placement = place_member(
            array.minor_version,
            disk.sectors,
            array.data_offset,
            mddev.dev_sectors,
            bitmap.storage.offset if bitmap else 0,
            bitmap.superblock.chunksize if bitmap else 0,
        )
    except UsageError as error:
        raise NotAMemberError(f"{name}: {error}") from error
    taken = {rdev.desc_nr for rdev in mddev.rdevs}
    number = mddev.geometry.raid_disks
    while number in taken:
        number += 1
    if number >= array.max_dev:
        raise NotAMemberError(f"{name}: the array has no room for another member")
    return replace(
        array,
        feature_map=MD_FEATURE_BITMAP_OFFSET if bitmap else 0,
        recovery_offset=0,
        resync_offset=MAX_SECTOR,
        cnt_corrected_read=0,
        devflags=0,
        dev_number=number,
        device_uuid=device_uuid,
        data_offset=placement.data_offset,
        data_size=placement.data_size,
        super_offset=placement.super_offset,
        bblog_offset=placement.bblog_offset,
        bblog_size=placement.bblog_size,
        bblog=b"",
        dev_roles=list(array.dev_roles),
    )


def find_disk(images: Sequence[Path], disk: str) -> Path:
    """The image that ``disk``, a file name or a path, means.

    Raises:
        UsageError: none, or more than one.
    """
    found = [image for image in images if image.name == disk]
    if not found:
        wanted = os.path.realpath(disk)
        found = [image for image in images if os.path.realpath(image) == wanted]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{disk}: more than one member has that file name; give its path")
    names = ", ".join(image.name for image in images)
    raise UsageError(f"{disk}: no such disk; the array has {names}")
