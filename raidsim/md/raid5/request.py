"""Bios into stripes: raid5_make_request and chunk_aligned_read (Linux drivers/md/raid5.c)."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from raidsim.disk import READ, DiskRequest
from raidsim.md.raid5.observation import tell_asked
from raidsim.md.raid5.stripe_head import (
    STRIPE_HANDLE,
    STRIPE_PREREAD_ACTIVE,
    UNIT_BYTES,
    UNIT_SECTORS,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raidsim.md.bio import Bio
    from raidsim.md.raid5.conf import R5Conf

# A piece of a bio: the first sector and the height of a stripe head, then per member the first
# byte in its buffer, the first byte in the bio's, and the length.
Piece = tuple[int, int, list[tuple[int, int, int, int]]]
# The same within a row: bytes from the chunks' start, and per data chunk instead of member, with
# the first byte in the row instead of the bio.
RowPiece = tuple[int, int, list[tuple[int, int, int, int]]]

# Shapes of a bio's part of a row that are kept: every 4 KiB block of a row of 16 MiB.
_MAX_ROW_SHAPES = 4096


class StripeRequest:
    """A bio on its way into the stripes, some of which may be in use.

    Args:
        conf: the array's personality.
        bio: a read or write; the request takes over the reference it was made with.
        sector, length: the part of the bio in question: an array sector, and bytes.
    """

    __slots__ = ("_bio", "_conf", "_pieces", "_write")

    def __init__(self, conf: R5Conf, bio: Bio, sector: int, length: int) -> None:
        self._conf = conf
        self._bio = bio
        self._write = bio.operation != READ
        self._pieces = split_into_pieces(conf, bio, sector, length)
        self._pieces.reverse()

    def start(self) -> None:
        """Add the bio to its stripes, as far as they are free; the rest follows by itself."""
        pieces = self._pieces
        while pieces:
            if not self._add(pieces[-1]):
                return
            pieces.pop()
        self._bio.put()

    def _retry(self) -> None:
        # From here a callback may be running, which must not go on to use the stripe cache.
        self._conf.machine.sim.call_soon(self.start)

    def _add(self, piece: Piece) -> bool:
        """Add one piece to its stripe; False when it has to be tried again later."""
        conf = self._conf
        sector, units, parts = piece
        sh = conf.cache.get_active_stripe(sector, units, conf.plan(sector), self._retry)
        if sh is None:
            return False
        bio = self._bio
        if self._write:
            if sh.towrite_mask and any(
                sh.overlaps_write(member, start, length) for member, start, _, length in parts
            ):
                sh.waiters.append(self._retry)
                sh.state |= STRIPE_HANDLE
                conf.cache.release_stripe(sh)
                return False
            waiting = sh.towrite_mask
            for member, page_offset, bio_offset, length in parts:
                sh.add_write(member, (bio, page_offset, bio_offset, length))
            bitmap = conf.mddev.bitmap
            if bitmap is not None and sh.towrite_mask != waiting:
                first_writes = (sh.towrite_mask ^ waiting).bit_count()
                bitmap.startwrite(sector, sh.sectors, first_writes)
                conf.cache.delay_for_bitmap(sh)
            if bio.sync and not sh.state & STRIPE_PREREAD_ACTIVE:
                # Someone waits for this write, so it reads ahead at once.
                sh.state |= STRIPE_PREREAD_ACTIVE
                conf.cache.preread_active_stripes += 1
        else:
            for member, page_offset, bio_offset, length in parts:
                sh.add_read(member, (bio, page_offset, bio_offset, length))
        if conf.hook.listeners:
            tell_asked(conf, sh, bio.number, "write" if self._write else "read", parts)
        sh.state |= STRIPE_HANDLE
        conf.cache.release_stripe(sh)
        return True


def split_into_pieces(conf: R5Conf, bio: Bio, sector: int, length: int) -> list[Piece]:
    """Cut part of a bio into stripe heads whose units are all alike.

    Within a row the bio covers some chunks whole, and at most one at each end in part. The heads'
    borders lie where those parts begin and end, in whole units, so that all units of a head have
    the same members written, and written wholly or not. Two bios that meet in a row come to the
    same borders there, and so meet in the same heads.
    """
    geometry = conf.geometry
    chunk_bytes = conf.chunk_sectors * 512
    row_bytes = chunk_bytes * geometry.data_disks
    max_bytes = conf.cache.max_units * UNIT_BYTES
    position = sector * 512
    end = position + length
    bio_start = bio.sector * 512
    pieces = []
    while position < end:
        row, in_row = divmod(position, row_bytes)
        row_end = min(end, (row + 1) * row_bytes)
        data_disks = geometry.rows[row % geometry.period].data_disks
        row_sector = row * conf.chunk_sectors
        row_start = row * row_bytes - bio_start
        for low, units, parts in _split_row(
            in_row, in_row + row_end - position, chunk_bytes, max_bytes
        ):
            members_parts = [
                (data_disks[j], page_offset, row_start + offset, size)
                for j, page_offset, offset, size in parts
            ]
            pieces.append((row_sector + low // 512, units, members_parts))
        position = row_end
    return pieces


@lru_cache(_MAX_ROW_SHAPES)
def _split_row(start: int, end: int, chunk_bytes: int, max_bytes: int) -> list[RowPiece]:
    """Cut bytes start..end of a row; the same few shapes come again and again."""
    chunks = _chunks_of_row(start, end, chunk_bytes)
    pieces = []
    for low, high in _borders(chunks, max_bytes):
        parts = []
        for j, first, last in chunks:
            start = max(low, first)
            stop = min(high, last)
            if start < stop:
                parts.append((j, start - low, j * chunk_bytes + start, stop - start))
        if parts:
            pieces.append((low, (high - low) // UNIT_BYTES, parts))
    return pieces


def _chunks_of_row(start: int, end: int, chunk_bytes: int) -> list[tuple[int, int, int]]:
    """Per data chunk j touched by bytes start..end of a row: j, first and last byte in it."""
    first = start // chunk_bytes
    last = (end - 1) // chunk_bytes
    return [
        (j, max(start - j * chunk_bytes, 0), min(end - j * chunk_bytes, chunk_bytes))
        for j in range(first, last + 1)
    ]


def _borders(chunks: list[tuple[int, int, int]], max_bytes: int) -> Iterator[tuple[int, int]]:
    """The heads' first and last byte in the chunk, of at most ``max_bytes`` each."""
    cuts: set[int] = set()
    for _, first, last in chunks:
        cuts.update(
            (
                first - first % UNIT_BYTES,
                first + -first % UNIT_BYTES,
                last - last % UNIT_BYTES,
                last + -last % UNIT_BYTES,
            )
        )
    for low, high in pairwise(sorted(cuts)):
        for start in range(low, high, max_bytes):
            yield start, min(start + max_bytes, high)


def chunk_aligned_read(conf: R5Conf, bio: Bio) -> None:
    """Read straight from the members into the bio, past the stripe cache.

    A chunk whose member is not in sync there, has bad blocks there, or cannot be read, goes
    through the stripes. A replacement that has got far enough is read in its member's place.
    """
    chunk_sectors = conf.chunk_sectors
    geometry = conf.geometry
    sector = bio.sector
    end_sector = sector + len(bio.buffer) // 512
    buffer = bio.buffer
    while sector < end_sector:
        next_sector = min(end_sector, sector - sector % chunk_sectors + chunk_sectors)
        member_sector, dd_idx, _ = geometry.compute_sector(sector)
        rdev = conf.disks[dd_idx]
        if conf.replacing:
            rdev = conf.read_replacement(dd_idx, member_sector, next_sector - sector) or rdev
        bio.remaining += 1
        start = (sector - bio.sector) * 512
        length = (next_sector - sector) * 512
        if (
            rdev is None
            or not (rdev.in_sync or rdev.replacement)
            or (conf.bad_blocks_mask and rdev.has_bad_blocks(member_sector, next_sector - sector))
        ):
            StripeRequest(conf, bio, sector, length).start()
        else:
            window = buffer[start : start + length]
            request = DiskRequest(
                READ, member_sector + rdev.data_offset, window, _end_aligned_read, (conf, bio)
            )
            rdev.disk.submit(request)
        sector = next_sector
    bio.put()


def _end_aligned_read(request: DiskRequest) -> None:
    conf, bio = request.owner
    if not request.status:
        bio.put()
        return
    window = request.buffer
    assert window is not None
    offset = window.ctypes.data - bio.buffer.ctypes.data
    StripeRequest(conf, bio, bio.sector + offset // 512, len(window)).start()


def sync_extent(conf: R5Conf, sector: int, end_sector: int) -> int:
    """The height in units of the stripe head with which a sync goes on at member ``sector``."""
    chunk_end = sector - sector % conf.chunk_sectors + conf.chunk_sectors
    return min((min(chunk_end, end_sector) - sector) // UNIT_SECTORS, conf.cache.max_units)
