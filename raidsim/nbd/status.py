"""What is known of an export's extents: where there are data, and how healthy they are.

``base:allocation`` is the protocol's own: where the members' images have holes the array reads as
zeros. ``raidsim:health`` is ours: what of the array is degraded, to be rebuilt, or lost.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from raidsim.nbd.protocol import (
    BASE_ALLOCATION,
    HEALTH_BAD,
    HEALTH_CLEAN,
    HEALTH_DEGRADED,
    HEALTH_REBUILDING,
    NBD_STATE_HOLE,
    NBD_STATE_ZERO,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raidsim.array import Array
    from raidsim.md.mddev import Mddev

    # Bytes, and the status of all of them.
    Extent = tuple[int, int]

# A reply tells of so many extents at most, and looks at so many chunks for them; the client asks
# again for what is left.
_MAX_EXTENTS = 1024
_MAX_CHUNKS = 4096


def block_status(
    array: Array, context: str, offset: int, length: int, *, one: bool
) -> list[Extent]:
    """Return the extents from ``offset`` on, ``length`` bytes or the first part of them.

    Args:
        array: the array.
        context: "base:allocation" or "raidsim:health".
        offset: the first byte in question.
        length: how many.
        one: the first extent is enough.
    """
    pieces = _allocation if context == BASE_ALLOCATION else _health
    limit = 1 if one else _MAX_EXTENTS
    extents: list[Extent] = []
    left = length
    for looked_at, (size, status) in enumerate(pieces(array, offset, offset + length)):
        if extents and extents[-1][1] == status:
            extents[-1] = extents[-1][0] + size, status
        elif len(extents) == limit:
            break
        else:
            extents.append((size, status))
        left -= size
        if looked_at == _MAX_CHUNKS:
            break
    return extents


def _allocation(array: Array, offset: int, end: int) -> Iterator[Extent]:
    """What each chunk, or part of one, has on its member."""
    mddev = array.mddev
    geometry = mddev.geometry
    conf = mddev.personality.conf
    known: dict[int, tuple[bool, int]] = {}  # member: has data, up to which sector of the image
    while offset < end:
        sector, in_sector = divmod(offset, 512)
        member_sector, member, _ = geometry.compute_sector(sector)
        chunk_left = geometry.chunk_sectors - sector % geometry.chunk_sectors
        rdev = conf.disks[member]
        if rdev is None or not rdev.in_sync or rdev.bad_blocks:
            has_data, sectors = True, chunk_left
        else:
            start = member_sector + rdev.data_offset
            if member not in known or known[member][1] <= start:
                known[member] = array.images[rdev].extent(start)
            has_data, until = known[member]
            sectors = min(chunk_left, until - start)
        size = min(end - offset, sectors * 512 - in_sector)
        yield size, 0 if has_data else NBD_STATE_HOLE | NBD_STATE_ZERO
        offset += size


def _health(array: Array, offset: int, end: int) -> Iterator[Extent]:
    """What state the rows are in, or the parts of them that are alike on all members."""
    mddev = array.mddev
    geometry = mddev.geometry
    starts, states = _health_of_rows(mddev)
    ends = [*starts[1:], mddev.dev_sectors]
    chunk_bytes = geometry.chunk_sectors * 512
    row_bytes = chunk_bytes * geometry.data_disks
    while offset < end:
        row, in_row = divmod(offset, row_bytes)
        in_chunk = in_row % chunk_bytes
        place = bisect_right(starts, row * geometry.chunk_sectors + in_chunk // 512) - 1
        alike_rows = ends[place] // geometry.chunk_sectors
        if starts[place] <= row * geometry.chunk_sectors and alike_rows > row:
            size = alike_rows * row_bytes - offset
        else:
            until = ends[place] * 512 - row * chunk_bytes
            size = min(chunk_bytes, until) - in_chunk
        size = min(size, end - offset)
        yield size, states[place]
        offset += size


def _health_of_rows(mddev: Mddev) -> tuple[list[int], list[int]]:
    """Where on the members the state of rows changes, and to what."""
    conf = mddev.personality.conf
    bad = {
        slot: [
            (max(first - rdev.data_offset, 0) & ~7, last - rdev.data_offset + 7 & ~7)
            for first, last in rdev.bad_blocks
        ]
        for slot, rdev in enumerate(conf.disks)
        if rdev is not None and rdev.bad_blocks
    }
    borders = {0, mddev.recovery_cp, *(reached for _, reached in conf.recovering)}
    borders.update(sector for ranges in bad.values() for limits in ranges for sector in limits)
    starts = sorted(border for border in borders if border < mddev.dev_sectors)
    missing = len(conf.disks) - conf.present_mask.bit_count()
    states = []
    for start in starts:
        unbuilt = sum(reached <= start for _, reached in conf.recovering)
        holes = sum(any(low <= start < high for low, high in ranges) for ranges in bad.values())
        lacking = missing + unbuilt + holes
        state = HEALTH_CLEAN if not lacking else HEALTH_DEGRADED
        if lacking > mddev.geometry.max_degraded:
            state = HEALTH_BAD
        if unbuilt or start >= mddev.recovery_cp:
            state |= HEALTH_REBUILDING
        states.append(state)
    return starts, states
