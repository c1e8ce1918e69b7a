"""A write-intent bitmap on disk: its superblock, and where mdadm puts it on a new array's members.

The format is that of Linux drivers/md/md-bitmap.h, version 4; the bits follow the superblock at
once, the lowest first. The placement is add_internal_bitmap1's in mdadm's super1.c. All numbers are
little-endian; sizes are in sectors of 512 bytes unless they say bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raidsim.errors import RaidsimError, UsageError
from raidsim.md.superblock import MD_FEATURE_BITMAP_OFFSET

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.md.superblock import SuperblockV1

BITMAP_MAGIC: Final = 0x6D746962
BITMAP_SUPER_BYTES: Final = 256
BITMAP_MAJOR: Final = 4
# state: the bits are not to be believed.
BITMAP_STALE: Final = 1 << 1
# Counters in a page of the kernel's memory, one for each bit: a sync skips a page without any that
# is in use in one step.
PAGE_COUNTERS: Final = 2048

DEFAULT_DAEMON_SLEEP_S: Final = 5
DEFAULT_CHUNK_BYTES: Final = 64 << 20
_MIN_CHUNK_BYTES: Final = 4096
_DEFAULT_ROOM: Final = 256
# mdadm gives larger components than this a bitmap without being asked (100 GiB).
AUTOMATIC_ABOVE_SECTORS: Final = 100 << 21

_FORMAT: Final = struct.Struct("<II16sQQQIIIIII64s120x")


class BitmapError(RaidsimError):
    """There is no write-intent bitmap, or it is not one that can be used."""


@dataclass(slots=True, kw_only=True)
class BitmapSuperblock:
    """The 256 bytes before the bits; the fields are the kernel's (``bitmap_super_t``).

    Attributes:
        uuid: the array's.
        events: the array's when this was written: less than the array's means that the bits are
            out of date.
        events_cleared: no bit was cleared for a write after this event, so that a member that has
            seen it lacks only what the bits say.
        sync_size: sectors of a member that the bits cover.
        state: ``BITMAP_STALE`` or 0.
        chunksize: bytes of a member for each bit.
        daemon_sleep: seconds between two sweeps.
        write_behind: RAID1 alone uses it.
        sectors_reserved: room for the bitmap, 0 where that is not known.
        nodes, cluster_name: of a clustered bitmap.
    """

    magic: int = BITMAP_MAGIC
    version: int = BITMAP_MAJOR
    uuid: bytes
    events: int = 0
    events_cleared: int = 0
    sync_size: int
    state: int = 0
    chunksize: int
    daemon_sleep: int = DEFAULT_DAEMON_SLEEP_S
    write_behind: int = 0
    sectors_reserved: int = 0
    nodes: int = 0
    cluster_name: bytes = b""

    @classmethod
    def from_bytes(cls, raw: bytes) -> BitmapSuperblock:
        """Take the fields as they are, even if they make no sense: ``check`` judges them.

        Args:
            raw: what lies at a bitmap's place, 256 bytes at least.

        Raises:
            BitmapError: too few bytes.
        """
        if len(raw) < BITMAP_SUPER_BYTES:
            raise BitmapError("the bitmap lies beyond the end of the device")
        return cls(**dict(zip(cls.__dataclass_fields__, _FORMAT.unpack_from(raw), strict=True)))

    def to_bytes(self) -> bytes:
        """Return the 256 bytes."""
        return _FORMAT.pack(*(getattr(self, name) for name in self.__dataclass_fields__))

    def check(self, uuid: bytes) -> None:
        """Refuse what is no bitmap of the array ``uuid`` (md_bitmap_read_sb).

        Raises:
            BitmapError: with the first thing that is wrong.
        """
        if self.magic != BITMAP_MAGIC:
            raise BitmapError("there is no bitmap where the superblock says")
        if self.version != BITMAP_MAJOR:
            raise BitmapError(f"bitmap version {self.version} is not supported, only 4")
        if self.chunksize < _MIN_CHUNK_BYTES or self.chunksize & (self.chunksize - 1):
            raise BitmapError(f"a bitmap chunk of {self.chunksize} bytes makes no sense")
        if self.daemon_sleep < 1:
            raise BitmapError("the bitmap's daemon sleep is 0")
        if self.uuid != uuid:
            raise BitmapError("the bitmap is another array's")

    def out_of_date(self, events: int) -> bool:
        """Whether an array of ``events`` takes every bit for set (md_bitmap_init_from_disk)."""
        return self.events < events or bool(self.state & BITMAP_STALE)

    @property
    def chunks(self) -> int:
        """How many bits there are."""
        return -(-self.sync_size // max(1, self.chunksize >> 9))

    @property
    def size_bytes(self) -> int:
        """The superblock and the bits behind it."""
        return BITMAP_SUPER_BYTES + (self.chunks + 7) // 8


def read_bitmap(read: Callable[[int, int], bytes], sb: SuperblockV1) -> bytes:
    """Return what a member holds as its bitmap, superblock and bits, in whole pages.

    Args:
        read: returns the bytes from a sector on: `read(sector, count_bytes)`.
        sb: the member's superblock.

    Raises:
        BitmapError: there is none, or it lies where something else does.
    """
    if not sb.feature_map & MD_FEATURE_BITMAP_OFFSET:
        raise BitmapError("the array has no write-intent bitmap")
    sector = sb.super_offset + sb.bitmap_offset
    head = BitmapSuperblock.from_bytes(read(sector, 512) if sector >= 0 else b"")
    head.check(sb.set_uuid)
    end = sector + bitmap_sectors(sb.size, head.chunksize)
    in_data = sector < sb.data_offset + sb.size and sb.data_offset < end
    if in_data or sector <= sb.super_offset < end:
        raise BitmapError("the bitmap overlaps the data or the superblock")
    return read(sector, (end - sector) * 512)


def pages_in_use(raw: bytes, sb: SuperblockV1) -> tuple[int, int]:
    """Return how many pages of counters an array that begins with a bitmap uses, and has in all.

    Args:
        raw: what a member holds as its bitmap.
        sb: the superblock that speaks for the array.
    """
    head = BitmapSuperblock.from_bytes(raw)
    head.sync_size = sb.size
    pages = -(-head.chunks // PAGE_COUNTERS)
    if head.out_of_date(sb.events):
        return pages, pages
    bits = int.from_bytes(raw[BITMAP_SUPER_BYTES:], "little") & ((1 << head.chunks) - 1)
    page_bytes = PAGE_COUNTERS // 8
    set_bits = bits.to_bytes(pages * page_bytes, "little")
    starts = range(0, len(set_bits), page_bytes)
    return sum(any(set_bits[start : start + page_bytes]) for start in starts), pages


def bitmap_sectors(size: int, chunksize: int) -> int:
    """Return the room of a bitmap in whole pages of 8 sectors (calc_bitmap_size).

    Args:
        size: sectors that it covers.
        chunksize: bytes for each bit.
    """
    bits = -(-size // (chunksize >> 9))
    return -(-(BITMAP_SUPER_BYTES + (bits + 7) // 8) // 4096) * 8


def choose_chunk(size: int, room: int, chunksize: int | None = None) -> int:
    """Return the bytes for each bit of a bitmap that has to fit into ``room`` sectors.

    Without a wish that is 64 MiB, doubled until at most 128 KiB of bits are needed.

    Raises:
        UsageError: the wish is no power of two, or so small that the bits do not fit.
    """
    if chunksize is None:
        room = min(room, _DEFAULT_ROOM)
    if room < 2:
        raise UsageError("there is no room for a bitmap")
    max_bits = (room * 512 - BITMAP_SUPER_BYTES) * 8
    smallest = _MIN_CHUNK_BYTES
    bits = size * 512 // smallest + 1
    while bits > max_bits:
        smallest *= 2
        bits = (bits + 1) // 2
    if chunksize is None:
        return max(smallest, DEFAULT_CHUNK_BYTES)
    if chunksize & (chunksize - 1) or not chunksize:
        raise UsageError(f"a bitmap chunk of {chunksize} bytes is not a power of two")
    if chunksize < smallest:
        raise UsageError(
            f"a bitmap chunk of {chunksize} bytes is too small: with less than {smallest} the bits"
            f" do not fit into the {room // 2}K there are for them"
        )
    return chunksize


def place_bitmap(minor_version: int, room: int, size: int, chunksize: int) -> int:
    """Return where a bitmap starts, in sectors from the superblock.

    Behind it (1.1 and 1.2) after 4 KiB; before it (1.0) as close as the bad block log lets it.

    Args:
        minor_version: 0, 1 or 2 for metadata 1.0, 1.1 or 1.2.
        room: sectors of the bad block log between it and a superblock behind it.
        size: sectors that the bitmap covers.
        chunksize: bytes for each bit.
    """
    if minor_version:
        return 8
    bits = size * 512 // chunksize + 1
    pages = -(-(BITMAP_SUPER_BYTES + (bits + 7) // 8) // 4096)
    return -8 * pages - room


def new_bitmap_bytes(superblock: BitmapSuperblock) -> bytes:
    """Return what mdadm writes for a new bitmap: every bit is set, also those beyond the last."""
    raw = superblock.to_bytes()
    pages = bitmap_sectors(superblock.sync_size, superblock.chunksize) * 512
    return raw + b"\xff" * (pages - len(raw))
