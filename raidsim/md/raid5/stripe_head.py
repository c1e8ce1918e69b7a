"""The stripe head: k consecutive 4 KiB units of one chunk row, on all members, with one state.

The kernel keeps a word of ``R5_*`` flags for each member of a stripe head. Here each flag is one
integer with a bit for each member: the questions the state machine asks ("how many are up to
date", "which failed members are wanted") are then a few operations however wide the array is.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from raidsim.disk import READ, DiskRequest

if TYPE_CHECKING:
    from collections import OrderedDict
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from raidsim.async_tx import SumCheck
    from raidsim.md.bio import Bio
    from raidsim.md.raid5.row_plan import RowPlan

# A part of a bio on one member of a stripe head: the bio, the first byte in the member's buffer,
# the first byte in the bio's buffer, and the length in bytes.
Segment = tuple["Bio", int, int, int]

UNIT_BYTES = 4096
UNIT_SECTORS = 8
# Sets of members that are kept spelt out.
_MAX_MASKS = 4096

# Stripe state (enum, Linux drivers/md/raid5.h).
STRIPE_HANDLE = 1 << 0
STRIPE_SYNC_REQUESTED = 1 << 1
STRIPE_SYNCING = 1 << 2
STRIPE_INSYNC = 1 << 3
STRIPE_PREREAD_ACTIVE = 1 << 4
STRIPE_DELAYED = 1 << 5
STRIPE_DEGRADED = 1 << 6
STRIPE_IO_STARTED = 1 << 7
STRIPE_FULL_WRITE = 1 << 8
STRIPE_BIOFILL_RUN = 1 << 9
STRIPE_COMPUTE_RUN = 1 << 10
STRIPE_REPLACED = 1 << 11
STRIPE_BIT_DELAY = 1 << 12
# Ours: a sync is done with it, and nobody is likely to want what it holds.
STRIPE_SYNCED = 1 << 30
# Ours: the units are no longer alike, so each has to go on alone.
STRIPE_SPLIT = 1 << 31

# check_state (enum check_states).
CHECK_IDLE, CHECK_RUN, CHECK_RUN_Q, CHECK_RUN_PQ, CHECK_RESULT = range(5)
CHECK_COMPUTE_RUN, CHECK_COMPUTE_RESULT = 5, 6

# reconstruct_state (enum reconstruct_states).
RECONSTRUCT_IDLE = 0
RECONSTRUCT_PREXOR_DRAIN_RUN, RECONSTRUCT_DRAIN_RUN = 1, 2
RECONSTRUCT_PREXOR_DRAIN_RESULT, RECONSTRUCT_DRAIN_RESULT = 3, 4


class Slab:
    """The room of one stripe head in the pool: a buffer and a disk request for each member.

    Attributes:
        start: first of its units in the pool.
        units: how many there are.
        pages: per member a ``uint8`` view of ``units`` times 4096 bytes, then a None, which is what
            a slot without a disk (-1, in ddf layouts) picks.
        requests: per member the request that reads or writes its buffer.
    """

    __slots__ = ("pages", "requests", "start", "units")

    def __init__(
        self,
        start: int,
        units: int,
        pages: Sequence[NDArray[np.uint8]],
        end_io: Callable[..., None],
    ) -> None:
        self.start = start
        self.units = units
        self.pages: tuple[NDArray[np.uint8] | None, ...] = (*pages, None)
        self.requests = [
            DiskRequest(READ, 0, page, end_io, None, member) for member, page in enumerate(pages)
        ]


class StripeHead:
    """One stripe head (``struct stripe_head``, Linux drivers/md/raid5.h).

    Attributes:
        sector: first sector, from the start of the members' data.
        units: its height k, in units of 4 KiB.
        plan: the geometry of its row; ``pd_idx`` and ``qd_idx`` are in it.
        slab: its buffers.
        count: references held: by whoever works on it and by every access and operation in
            flight. It is handled only when none is left.
        state: ``STRIPE_*`` bits.
        uptodate, locked, overwrite, wantread, wantwrite, wantcompute, wantfill, wantdrain,
            wantfua, read_error, rewrite, read_no_merge, write_error, made_good: ``R5_*`` flags, bit
            i for member i.
        toread, towrite: parts of bios that wait, by member.
        read, written: parts of bios whose copying, or whose writing, is under way, by member.
        toread_mask, towrite_mask, written_mask: the members that have an entry there.
        check_state, reconstruct_state: where the two sub-machines are.
        target, target2: the members being computed, -1 for none.
        zero_sum_result: what the last parity check found.
        wrong: the members that are to be written back for it.
        bm_seq: the flush of the bitmap that its writes wait for.
        lru: the list of the cache it is on, or None.
        waiters: what to run when a bio that found it in its way may try again.
        number: the stripe's, for those who watch; 0 when nobody does.
    """

    __slots__ = (
        "bm_seq",
        "check_state",
        "count",
        "locked",
        "lru",
        "made_good",
        "number",
        "overwrite",
        "plan",
        "read",
        "read_error",
        "read_no_merge",
        "reconstruct_state",
        "rewrite",
        "sector",
        "slab",
        "state",
        "target",
        "target2",
        "toread",
        "toread_mask",
        "towrite",
        "towrite_mask",
        "units",
        "uptodate",
        "waiters",
        "wantcompute",
        "wantdrain",
        "wantfill",
        "wantfua",
        "wantread",
        "wantwrite",
        "write_error",
        "written",
        "written_mask",
        "wrong",
        "zero_sum_result",
    )

    def __init__(self, sector: int, units: int, plan: RowPlan, slab: Slab) -> None:
        self.units = units
        self.slab = slab
        self.count = 0
        self.toread: dict[int, list[Segment]] = {}
        self.towrite: dict[int, list[Segment]] = {}
        self.read: dict[int, list[Segment]] = {}
        self.written: dict[int, list[Segment]] = {}
        self.lru: OrderedDict[StripeHead, None] | None = None
        self.waiters: list[Callable[[], object]] = []
        self.init_stripe(sector, plan)

    def init_stripe(self, sector: int, plan: RowPlan) -> None:
        """Become the stripe at ``sector``, of which nothing is known; no bio waits here."""
        self.sector = sector
        self.plan = plan
        self.state = 0
        self.bm_seq = 0
        self.number = 0
        self.uptodate = self.locked = self.overwrite = 0
        self.wantread = self.wantwrite = self.wantcompute = self.wantfill = 0
        self.wantdrain = self.wantfua = 0
        self.read_error = self.rewrite = self.read_no_merge = 0
        self.write_error = self.made_good = 0
        self.toread_mask = self.towrite_mask = self.written_mask = 0
        self.check_state = CHECK_IDLE
        self.reconstruct_state = RECONSTRUCT_IDLE
        self.target = self.target2 = -1
        self.zero_sum_result: SumCheck | None = None
        self.wrong = 0

    def __repr__(self) -> str:
        return f"<stripe_head {self.sector}+{self.units}u state={self.state:#x} count={self.count}>"

    def add_read(self, member: int, segment: Segment) -> None:
        """Let part of a bio wait for data of ``member`` (add_stripe_bio)."""
        segment[0].remaining += 1
        self.toread.setdefault(member, []).append(segment)
        self.toread_mask |= 1 << member

    def add_write(self, member: int, segment: Segment) -> None:
        """Let part of a bio, which overlaps none that waits, be written to ``member``."""
        segment[0].remaining += 1
        waiting = self.towrite.get(member)
        if waiting is None:
            self.towrite[member] = [segment]
            covered = segment[3]
        else:
            waiting.append(segment)
            covered = sum(length for _, _, _, length in waiting)
        self.towrite_mask |= 1 << member
        if covered == self.units * UNIT_BYTES:
            self.overwrite |= 1 << member

    def add_written(self, member: int, segment: Segment) -> None:
        """Let part of a bio, whose data are in the buffer, wait until they are written."""
        segment[0].remaining += 1
        self.written.setdefault(member, []).append(segment)
        self.written_mask |= 1 << member

    def forget_read_error(self, bit: int) -> None:
        """A block is right that could not be read, or the member it was on is gone."""
        self.read_error &= ~bit
        self.rewrite &= ~bit
        self.read_no_merge &= ~bit

    def overlaps_write(self, member: int, page_offset: int, length: int) -> bool:
        """Whether a write of these bytes has to wait for one that is queued already."""
        return any(
            start < page_offset + length and page_offset < start + size
            for _, start, _, size in self.towrite.get(member, ())
        )

    @property
    def sectors(self) -> int:
        """Its height in sectors."""
        return self.units * UNIT_SECTORS

    @property
    def size(self) -> int:
        """Its height in bytes: the size of each member's buffer."""
        return self.units * UNIT_BYTES


@lru_cache(_MAX_MASKS)
def members(mask: int) -> tuple[int, ...]:
    """The members whose bits are set in ``mask``, highest first, as raid5.c walks them."""
    found = []
    while mask:
        member = mask.bit_length() - 1
        found.append(member)
        mask ^= 1 << member
    return tuple(found)
