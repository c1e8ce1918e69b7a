"""Where mdadm puts things on a member when it makes an array (mdadm's super1.c).

Everything is in sectors of 512 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from raidsim.errors import UsageError
from raidsim.md.bitmap_superblock import (
    AUTOMATIC_ABOVE_SECTORS,
    bitmap_sectors,
    choose_chunk,
    place_bitmap,
)
from raidsim.md.superblock import super_sector

if TYPE_CHECKING:
    from collections.abc import Mapping

_KIB = 2
_MIB = 1024 * _KIB
_GIB = 1024 * _MIB

_BBLOG_SECTORS = 8


@dataclass(frozen=True, slots=True)
class Placement:
    """The fields of a new member's superblock that say where things lie.

    Attributes:
        data_offset: Where the data starts.
        data_size: The sectors from there that data could use.
        super_offset: Where the superblock lies.
        bblog_offset: Where the bad block log lies, counted from the superblock, 0 if nowhere.
        bblog_size: The room for it.
        bitmap_offset: Where the write-intent bitmap lies, counted from the superblock, 0 if
            nowhere.
    """

    data_offset: int
    data_size: int
    super_offset: int
    bblog_offset: int
    bblog_size: int
    bitmap_offset: int = 0


@dataclass(frozen=True, slots=True)
class BitmapWish:
    """Whether a new array is to have a write-intent bitmap.

    Attributes:
        internal: None leaves it to the size: components above 100 GiB get one.
        chunksize: Bytes for each bit; None for as few bits as are of use.
    """

    internal: bool | None = None
    chunksize: int | None = None

    def chunk(self, size: int) -> int:
        """Return the bytes for each bit on members of which `size` sectors are used; 0 for none.

        Raises:
            UsageError: The bits would not fit.
        """
        wanted = size > AUTOMATIC_ABOVE_SECTORS if self.internal is None else self.internal
        return choose_chunk(size, bitmap_space(size), self.chunksize) if wanted else 0


AUTOMATIC_BITMAP = BitmapWish()
NO_BITMAP = BitmapWish(internal=False)


def bitmap_space(sectors: int) -> int:
    """Return the room that is left free for a bitmap, whether there is one or not."""
    if sectors < 64 * _KIB:
        return 0
    if sectors - 64 * _KIB >= 200 * _GIB:
        return 128 * _KIB
    if sectors - 4 * _KIB > 8 * _GIB:
        return 64 * _KIB
    return 4 * _KIB


def default_data_offset(minor_version: int, device_sectors: int, chunk_sectors: int) -> int:
    """Return where the data starts, on all members, when this one is the first given.

    Behind superblock and bitmap there is headroom, a thousandth of the device but at most 128 MiB
    and hardly less than two chunks, so that a later reshape can move the data.
    """
    if minor_version == 0:
        return 0
    headroom = 128 * _MIB
    while headroom * 1024 > device_sectors and headroom // 2 >= 2 * chunk_sectors:
        headroom //= 2
    data_offset = 12 * _KIB + bitmap_space(device_sectors) + headroom
    return -(-data_offset // _MIB) * _MIB


def available_size(
    minor_version: int, device_sectors: int, data_offset: int, chunk_sectors: int
) -> int:
    """Return how much of a device a new array could use at most, in whole chunks; 0 if none."""
    if minor_version == 0:
        space = bitmap_space(device_sectors) + _BBLOG_SECTORS
        end = super_sector(0, device_sectors) - space
    else:
        end = device_sectors
    return max(0, end - data_offset) // chunk_sectors * chunk_sectors


def place_array(
    minor_version: int,
    devices: Mapping[str, int],
    chunk_sectors: int,
    size: int | None = None,
    bitmap: BitmapWish = NO_BITMAP,
) -> tuple[int, dict[str, Placement]]:
    """Place a new array on its devices; the first settles the data offset of all.

    Args:
        minor_version: 0, 1 or 2 for metadata 1.0, 1.1 or 1.2.
        devices: The devices' names and sizes, in their order, spares included.
        chunk_sectors: The chunk.
        size: What to use of each device; as much as the smallest has, when not given.
        bitmap: Whether there is to be a write-intent bitmap.

    Returns:
        The sectors used of each device, a multiple of the chunk, and each device's placement.

    Raises:
        UsageError: A device, which the message names, is too small; or `size` is.
    """
    first = next(iter(devices.values()))
    data_offset = default_data_offset(minor_version, first, chunk_sectors)
    available = {
        name: available_size(minor_version, device_sectors, data_offset, chunk_sectors)
        for name, device_sectors in devices.items()
    }
    if size is None:
        size = min(available.values())
    elif size < chunk_sectors:
        raise UsageError(f"a size of {_kib(size)} is less than a chunk of {_kib(chunk_sectors)}")
    size = size // chunk_sectors * chunk_sectors
    for name, usable in available.items():
        if not usable:
            raise UsageError(
                f"{name}: {_kib(devices[name])} are too small for the metadata"
                f" and one chunk of {_kib(chunk_sectors)}"
            )
        if usable < size:
            raise UsageError(
                f"{name}: {_kib(usable)} are free for data, less than the size of {_kib(size)}"
            )
    bitmap_chunk = bitmap.chunk(size)
    bitmap_offset = (
        place_bitmap(minor_version, _BBLOG_SECTORS, size, bitmap_chunk) if bitmap_chunk else 0
    )
    return size, {
        name: place_member(
            minor_version, device_sectors, data_offset, size, bitmap_offset, bitmap_chunk
        )
        for name, device_sectors in devices.items()
    }


def place_member(
    minor_version: int,
    device_sectors: int,
    data_offset: int,
    size: int,
    bitmap_offset: int = 0,
    bitmap_chunk: int = 0,
) -> Placement:
    """Place data and metadata on one member, of a new array or of one that the device joins.

    Args:
        minor_version: 0, 1 or 2 for metadata 1.0, 1.1 or 1.2.
        device_sectors: The device's size.
        data_offset: The array's.
        size: The sectors that the array uses of each member.
        bitmap_offset: Where the array has its write-intent bitmap, 0 if nowhere.
        bitmap_chunk: The bytes for each bit.

    Raises:
        UsageError: The device is too small; the message does not name it.
    """
    end = device_sectors - (16 + _BBLOG_SECTORS if minor_version == 0 else 0)
    if data_offset + size > end:
        raise UsageError(
            f"{_kib(device_sectors)} are too small for {_kib(size)} of data and the metadata"
        )
    super_offset = super_sector(minor_version, device_sectors)
    space = bitmap_sectors(size, bitmap_chunk) if bitmap_chunk else bitmap_space(size)
    if minor_version == 0:
        space = min(space + _BBLOG_SECTORS, super_offset - data_offset - size)
        data_size = super_offset - data_offset - space
        bblog_offset = -_BBLOG_SECTORS
    else:
        data_size = device_sectors - data_offset
        bblog_offset = min(8 + space, data_offset - super_offset - _BBLOG_SECTORS)
    # Where an old array's data starts too early or ends too late, there is no room for the log.
    has_bblog = bblog_offset >= 8 if minor_version else space >= _BBLOG_SECTORS
    return Placement(
        data_offset=data_offset,
        data_size=data_size,
        super_offset=super_offset,
        bblog_offset=bblog_offset if has_bblog else 0,
        bblog_size=_BBLOG_SECTORS if has_bblog else 0,
        bitmap_offset=bitmap_offset,
    )


def _kib(sectors: int) -> str:
    return f"{sectors // 2}K"
