"""Writing metadata to members."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from raidsim.disk import WRITE, DiskRequest, ImageError
from raidsim.md.bitmap_superblock import new_bitmap_bytes

if TYPE_CHECKING:
    from raidsim.disk import ImageDisk
    from raidsim.md.bitmap_superblock import BitmapSuperblock
    from raidsim.md.superblock import SuperblockV1


def write_superblock(disk: ImageDisk, sb: SuperblockV1) -> None:
    """Write a member's superblock."""
    _write(disk, sb.super_offset, sb.to_bytes())


def write_metadata(disk: ImageDisk, sb: SuperblockV1, bitmap: BitmapSuperblock | None) -> None:
    """Write a new member's superblock and a bitmap of ones.

    No bad block log is read before the superblock says that there is one.
    """
    if bitmap is not None:
        _write(disk, sb.super_offset + sb.bitmap_offset, new_bitmap_bytes(bitmap))
    write_superblock(disk, sb)


def _write(disk: ImageDisk, sector: int, raw: bytes) -> None:
    def end_io(request: DiskRequest) -> None:
        if request.status:
            raise ImageError(f"{disk.path}: cannot be written: {os.strerror(request.status)}")

    buffer = np.frombuffer(bytearray(raw), np.uint8)
    disk.submit(DiskRequest(WRITE, sector, buffer, end_io, fua=True))
