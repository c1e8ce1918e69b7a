"""A member's bad-block list, and the log on the member that keeps it.

A bad block is a range of sectors whose contents are not what the array wrote there. Sectors are
those of the whole device, so that they stay where they are when the data moves. References: Linux
block/badblocks.c, super_1_load and super_1_sync in drivers/md/md.c, mdadm's super1.c.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple

from raidsim.md.superblock import MD_FEATURE_BAD_BLOCKS, SuperblockError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raidsim.md.superblock import SuperblockV1

# The longest range that one entry can hold (BB_MAX_LEN).
MAX_RANGE_SECTORS = 512
_ENTRY_BYTES = 8
_LENGTH_BITS = 10
_END_OF_LOG = 2**64 - 1
# The kernel loads a log of up to a page, mdadm shows one of up to 100 sectors.
_MAX_LOG_SECTORS = 8
_MAX_SHOWN_LOG_SECTORS = 100


class BadRange(NamedTuple):
    """Bad sectors from ``start`` up to ``end``, which is not one of them."""

    start: int
    end: int


class BadBlocks:
    """The bad blocks of one member.

    The kernel also notes which of them are not in the log yet, so that nobody relies on those.
    Here no stripe is handled while superblocks, and the logs with them, wait to be written.

    Args:
        capacity: how many ranges there is room for; 0 if the member has no log.

    Attributes:
        changed: the log has to be written with the next superblock.
    """

    __slots__ = ("_ranges", "capacity", "changed")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.changed = False
        self._ranges: list[BadRange] = []

    @classmethod
    def load(cls, sb: SuperblockV1) -> BadBlocks:
        """The list that a member came with.

        Args:
            sb: its superblock, as ``find_superblock`` returns it: with the log.

        Raises:
            SuperblockError: there should be a list, and what is in its place is none.
        """
        has_log = sb.bblog_offset and sb.bblog_size
        bad_blocks = cls(sb.bblog_size * 512 // _ENTRY_BYTES if has_log else 0)
        if sb.feature_map & MD_FEATURE_BAD_BLOCKS:
            _check_log(sb)
            for start, length in log_entries(sb.bblog):
                if not 0 < length <= MAX_RANGE_SECTORS:
                    raise SuperblockError(
                        f"the bad block log is damaged: it lists {length} sectors at {start}"
                    )
                bad_blocks.set(start, length)
            bad_blocks.changed = False
        return bad_blocks

    def __len__(self) -> int:
        """How many ranges there are."""
        return len(self._ranges)

    def __iter__(self) -> Iterator[BadRange]:
        """The ranges, lowest first."""
        return iter(self._ranges)

    def overlap(self, sector: int, sectors: int) -> bool:
        """Whether any of ``sectors`` sectors from ``sector`` on is bad."""
        at = bisect_right(self._ranges, sector, key=_end)
        return at < len(self._ranges) and self._ranges[at].start < sector + sectors

    def set(self, sector: int, sectors: int) -> bool:
        """Add ``sectors`` sectors from ``sector`` on.

        They join the range they meet on either side, as far as that may grow. Longer runs than
        md's, of 8 sectors, may be kept in more ranges than they need.

        Returns:
            Whether there was room for all of them.
        """
        self.changed = True
        ranges = self._ranges
        new = BadRange(sector, sector + sectors)
        at = bisect_right(ranges, sector, key=_start)
        if at and ranges[at - 1].end >= sector:
            ranges[at - 1], new = _merge(ranges[at - 1], new)
        if new.start < new.end and at < len(ranges) and ranges[at].start <= new.end:
            ranges[at], new = _merge(ranges[at], new)
            at += 1
        if new.start == new.end:
            self._join(at)
        while new.start < new.end:
            if len(ranges) >= self.capacity:
                return False
            piece = BadRange(new.start, min(new.end, new.start + MAX_RANGE_SECTORS))
            ranges.insert(at, piece)
            at += 1
            new = BadRange(piece.end, new.end)
        return True

    def clear(self, sector: int, sectors: int) -> bool:
        """Take ``sectors`` sectors from ``sector`` on out.

        Returns:
            False, with nothing changed, when there was no room for the two ends of a range.
        """
        ranges = self._ranges
        end = sector + sectors
        first = bisect_right(ranges, sector, key=_end)
        last = bisect_left(ranges, end, key=_start)
        kept = []
        if first < last:
            ends = BadRange(ranges[first].start, sector), BadRange(end, ranges[last - 1].end)
            kept = [left for left in ends if left.start < left.end]
        if len(ranges) - (last - first) + len(kept) > self.capacity:
            return False
        ranges[first:last] = kept
        self.changed = True
        return True

    def to_log(self, log_bytes: int) -> bytes:
        """Return the log as it belongs on the member."""
        entries = [start << _LENGTH_BITS | (end - start) for start, end in self._ranges]
        raw = struct.pack(f"<{len(entries)}Q", *entries)
        return raw.ljust(log_bytes, b"\xff")

    def _join(self, at: int) -> None:
        """Make one of the ranges before and at ``at``, if they meet and are short enough."""
        ranges = self._ranges
        if at < len(ranges):
            before, after = ranges[at - 1], ranges[at]
            if before.end >= after.start and after.end - before.start < MAX_RANGE_SECTORS:
                ranges[at - 1 : at + 1] = [BadRange(before.start, after.end)]


def log_entries(log: bytes) -> Iterator[tuple[int, int]]:
    """The first sector and the length of each entry of a log."""
    for (entry,) in struct.iter_unpack("<Q", log):
        if entry == _END_OF_LOG:
            return
        yield entry >> _LENGTH_BITS, entry & (1 << _LENGTH_BITS) - 1


def examine_badblocks_lines(sb: SuperblockV1, device_name: str) -> list[str]:
    """Return the lines that ``mdadm --examine-badblocks`` prints for a member."""
    if not _is_shown(sb):
        return [f"No bad-blocks list configured on {device_name}"]
    if not sb.feature_map & MD_FEATURE_BAD_BLOCKS:
        return [f"Bad-blocks list is empty in {device_name}"]
    return [
        f"Bad-blocks on {device_name}:",
        *(f"{start:20} for {length} sectors" for start, length in log_entries(sb.bblog)),
    ]


def examine_badblocks_json(sb: SuperblockV1, device_name: str) -> dict[str, object]:
    """Return the same facts under stable keys, in sectors; no list at all is None."""
    entries = [{"sector": s, "sectors": length} for s, length in log_entries(sb.bblog)]
    return {"device": device_name, "bad_blocks": entries if _is_shown(sb) else None}


def _is_shown(sb: SuperblockV1) -> bool:
    return bool(sb.bblog_offset) and 0 < sb.bblog_size <= _MAX_SHOWN_LOG_SECTORS


def _check_log(sb: SuperblockV1) -> None:
    if not sb.bblog_offset or not 0 < sb.bblog_size <= _MAX_LOG_SECTORS:
        raise SuperblockError(
            f"the member has bad blocks, and no place for their log: {sb.bblog_size} sectors"
            f" at offset {sb.bblog_offset}"
        )
    if len(sb.bblog) < sb.bblog_size * 512:
        raise SuperblockError("the bad block log does not lie on the device")
    if sb.bblog_shift:
        raise SuperblockError(f"a bad block log with a shift of {sb.bblog_shift} is not supported")


def _start(bad: BadRange) -> int:
    return bad.start


def _end(bad: BadRange) -> int:
    return bad.end


def _merge(old: BadRange, new: BadRange) -> tuple[BadRange, BadRange]:
    """Put ``new`` into ``old``, which it meets; what one range can't hold of it is left over."""
    start, end = min(old.start, new.start), max(old.end, new.end)
    full = min(end, start + MAX_RANGE_SECTORS)
    return BadRange(start, full), BadRange(full, end)
