"""The stripe cache: a pool of units, the stripe heads in it, and the lists they wait on.

Stripe heads never overlap. Whoever asks for a range that is not exactly a head's waits until the
heads in its way are idle and then takes their place; alike requests, which are nearly all, meet in
the same head. References: get_active_stripe, release_stripe, __get_priority_stripe and
raid5_activate_delayed in Linux drivers/md/raid5.c.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from raidsim.md.raid5.slab_pool import SlabPool
from raidsim.md.raid5.stripe_head import (
    STRIPE_BIT_DELAY,
    STRIPE_DEGRADED,
    STRIPE_DELAYED,
    STRIPE_HANDLE,
    STRIPE_INSYNC,
    STRIPE_IO_STARTED,
    STRIPE_PREREAD_ACTIVE,
    STRIPE_SYNC_REQUESTED,
    STRIPE_SYNCED,
    UNIT_SECTORS,
    StripeHead,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.disk import DiskRequest
    from raidsim.md.raid5.row_plan import RowPlan
    from raidsim.md.raid5.stripe_head import Slab

NR_STRIPES = 256
IO_THRESHOLD = 1
BYPASS_THRESHOLD = 1
# What decides whether a head that nobody holds any more is handled, and when.
_MAY_WAIT = STRIPE_HANDLE | STRIPE_DELAYED | STRIPE_BIT_DELAY | STRIPE_SYNC_REQUESTED

StripeList = OrderedDict[StripeHead, None]


class StripeCache:
    """All stripe heads of an array.

    Args:
        raid_disks: members, each of which has a buffer in every head.
        capacity_units: size in units of 4 KiB per member (``stripe_cache_size``).
        max_units: the tallest head there may be.
        end_io: completion of the heads' disk requests.
        wake: called when there is a head to handle.

    Attributes:
        pool: the room for the heads.
        preread_active_stripes: heads that were allowed to read what a write needs first.
        pending_full_writes: heads whose full-row write is under way.
        bypass_threshold: how often others may be handled before a head that reads ahead.
        seq_flush, seq_write: flushes of the bitmap begun, and ended: a head waits on the bitmap
            list until the flush ``bm_seq`` has ended.
    """

    def __init__(
        self,
        raid_disks: int,
        capacity_units: int,
        max_units: int,
        end_io: Callable[[DiskRequest], None],
        wake: Callable[[], object],
    ) -> None:
        self.capacity_units = capacity_units
        self.max_units = max_units
        self.preread_active_stripes = 0
        self.pending_full_writes = 0
        self.bypass_threshold = BYPASS_THRESHOLD
        self.seq_flush = self.seq_write = 0
        self._wake = wake
        self.pool = SlabPool(raid_disks, capacity_units, end_io)
        self._heads: dict[int, StripeHead] = {}
        self._starts: list[int] = []
        self._inactive: StripeList = OrderedDict()
        self._handle: StripeList = OrderedDict()
        self._hold: StripeList = OrderedDict()
        self._delayed: StripeList = OrderedDict()
        self._bitmap: StripeList = OrderedDict()
        self._bypass_count = 0
        self._last_hold: StripeHead | None = None
        self._waiting: deque[Callable[[], object]] = deque()

    def member_failed(self, member: int) -> None:
        """A slot loses its member: what was right or wrong with that one says nothing of the next.

        Which may be its replacement, at once.
        """
        bit = 1 << member
        for sh in self._heads.values():
            sh.state &= ~STRIPE_INSYNC
            if sh.write_error & bit:
                sh.state |= STRIPE_DEGRADED
            sh.write_error &= ~bit
            sh.made_good &= ~bit
            sh.forget_read_error(bit)

    # -- finding and giving back ----------------------------------------------------------------

    def get_active_stripe(
        self, sector: int, units: int, plan: RowPlan, retry: Callable[[], object]
    ) -> StripeHead | None:
        """The stripe head of ``units`` units at ``sector``, with a reference for the caller.

        Args:
            sector: first sector on the members, from the start of their data.
            units: height, within one chunk row and at most ``max_units``.
            plan: the plan of that row.
            retry: what to call when there is a point in asking again.

        Returns:
            None when a head in use is in the way, or the cache is full of heads in use.
        """
        sh = self._heads.get(sector)
        if sh is not None and sh.units == units:
            if sh.lru is not None:
                del sh.lru[sh]
                sh.lru = None
            sh.count += 1
            return sh
        if self._waiting:
            self._waiting.append(retry)  # nobody overtakes those who wait already
            return None
        for other in self._overlapping(sector, units * UNIT_SECTORS):
            if other.lru is not self._inactive:
                other.waiters.append(retry)
                return None
            self._drop(other)
        if not self.pool.free_units and self._inactive:
            oldest = next(iter(self._inactive))
            if oldest.units == units:
                self._take_over(oldest, sector, plan)
                return oldest
        slab = self._take_slab(units)
        if slab is None:
            self._waiting.append(retry)
            return None
        return self._insert(sector, plan, slab)

    def forget_idle(self, sector: int) -> None:
        """Let go of an idle head at ``sector``, so that its blocks are read anew."""
        sh = self._heads.get(sector)
        if sh is not None and sh.lru is self._inactive:
            self._drop(sh)

    def release_stripe(self, sh: StripeHead) -> None:
        """Give a reference back; the last one decides on which list the head goes."""
        sh.count -= 1
        if sh.count:
            return
        if sh.state & STRIPE_SYNC_REQUESTED:
            sh.state |= STRIPE_HANDLE
        if sh.state & STRIPE_HANDLE:
            if sh.state & STRIPE_DELAYED and not sh.state & STRIPE_PREREAD_ACTIVE:
                target = self._delayed
            elif sh.state & STRIPE_BIT_DELAY and sh.bm_seq > self.seq_write:
                target = self._bitmap
            else:
                sh.state &= ~(STRIPE_DELAYED | STRIPE_BIT_DELAY)
                target = self._handle
            target[sh] = None
            sh.lru = target
            self._wake()
            return
        if sh.state & STRIPE_PREREAD_ACTIVE:
            sh.state &= ~STRIPE_PREREAD_ACTIVE
            self.preread_active_stripes -= 1
        sh.state &= ~STRIPE_IO_STARTED
        self._inactive[sh] = None
        sh.lru = self._inactive
        if sh.state & STRIPE_SYNCED:
            # The sync goes on where it has just been, which the CPU's cache still holds.
            sh.state &= ~STRIPE_SYNCED
            self._inactive.move_to_end(sh, last=False)
        if sh.waiters:
            self.wake_waiters(sh)
        if self._waiting:
            self._wake_waiting()

    def wake_waiters(self, sh: StripeHead) -> None:
        """Let those try again whom ``sh`` had been in the way of."""
        waiters, sh.waiters = sh.waiters, []
        for retry in waiters:
            retry()

    def split(self, sh: StripeHead, plan: RowPlan) -> list[StripeHead]:
        """Replace an idle ``sh`` by heads of one unit each over the same buffers.

        Only the place in the cache is split; what the units inherit is the caller's affair.

        Returns:
            The new heads, lowest first, each with a reference for the caller.
        """
        self._forget(sh)
        sh.count += 1  # never given back, so that no list takes in what is no longer there
        self.wake_waiters(sh)
        return [
            self._insert(sh.sector + i * UNIT_SECTORS, plan, slab)
            for i, slab in enumerate(self.pool.split(sh.slab))
        ]

    # -- what to handle next --------------------------------------------------------------------

    def activate_delayed(self) -> None:
        """Let all delayed heads read ahead of their writes, once no other does any more."""
        if self.preread_active_stripes >= IO_THRESHOLD:
            return
        while self._delayed:
            sh, _ = self._delayed.popitem(last=False)
            sh.state &= ~STRIPE_DELAYED
            if not sh.state & STRIPE_PREREAD_ACTIVE:
                sh.state |= STRIPE_PREREAD_ACTIVE
                self.preread_active_stripes += 1
            self._hold[sh] = None
            sh.lru = self._hold

    def delay_for_bitmap(self, sh: StripeHead) -> None:
        """Let the writes that ``sh`` was given wait for the next flush of the bitmap."""
        sh.bm_seq = self.seq_flush + 1
        sh.state |= STRIPE_BIT_DELAY

    def begin_bitmap_flush(self) -> bool:
        """Begin a flush if heads wait for one and none is under way; tell whether it began."""
        if not self._bitmap or self.seq_flush != self.seq_write:
            return False
        self.seq_flush += 1
        return True

    def end_bitmap_flush(self) -> None:
        """Let the heads go on that waited for the flush (activate_bit_delay)."""
        self.seq_write = self.seq_flush
        delayed, self._bitmap = self._bitmap, OrderedDict()
        for sh in delayed:
            sh.lru = None
            sh.count += 1
            self.release_stripe(sh)

    def get_priority_stripe(self) -> StripeHead | None:
        """The next head to handle, with a reference for the caller.

        Heads that wait to read ahead come last, but are not passed over for ever: see
        ``bypass_threshold``.
        """
        if self._handle:
            sh, _ = self._handle.popitem(last=False)
            if not self._hold:
                self._bypass_count = 0
            elif not sh.state & STRIPE_IO_STARTED:
                first = next(iter(self._hold))
                if first is self._last_hold:
                    self._bypass_count += 1
                else:
                    self._last_hold = first
                    self._bypass_count = max(0, self._bypass_count - self.bypass_threshold)
        elif self._hold and (
            self._bypass_count > BYPASS_THRESHOLD or self.pending_full_writes == 0
        ):
            sh, _ = self._hold.popitem(last=False)
            self._bypass_count = max(0, self._bypass_count - self.bypass_threshold)
        else:
            return None
        sh.lru = None
        sh.count += 1
        return sh

    def keep_if_ready(self, sh: StripeHead) -> bool:
        """Give a reference back, unless ``sh`` can be handled again at once; tell whether it can.

        So it is taken on while the CPU's cache still holds it.
        """
        if sh.count == 1 and sh.state & _MAY_WAIT == STRIPE_HANDLE:
            return True
        self.release_stripe(sh)
        return False

    @property
    def active_stripes(self) -> int:
        """Units of heads in use (``stripe_cache_active``)."""
        return sum(sh.units for sh in self._heads.values() if sh.lru is not self._inactive)

    def occupancy(self) -> dict[str, int]:
        """How many units are free or idle, wait on which list, or are being worked on."""
        names = {
            id(self._inactive): "idle",
            id(self._handle): "handle",
            id(self._hold): "hold",
            id(self._delayed): "delayed",
            id(self._bitmap): "bitmap",
        }
        units = dict.fromkeys(("free", *names.values(), "busy"), 0)
        units["free"] = self.pool.free_units.bit_count()
        for sh in self._heads.values():
            units["busy" if sh.lru is None else names[id(sh.lru)]] += sh.units
        return units

    # -- room -----------------------------------------------------------------------------------

    def _take_slab(self, units: int) -> Slab | None:
        """Room for a head, for which idle heads are dropped as needed; None if there is none."""
        while True:
            slab = self.pool.take(units)
            if slab is not None or not self._inactive:
                return slab
            self._drop(next(iter(self._inactive)))

    def _insert(self, sector: int, plan: RowPlan, slab: Slab) -> StripeHead:
        sh = StripeHead(sector, slab.units, plan, slab)
        sh.count = 1
        for request in slab.requests:
            request.owner = sh
        self._heads[sector] = sh
        insort(self._starts, sector)
        return sh

    def _take_over(self, sh: StripeHead, sector: int, plan: RowPlan) -> None:
        """Make another stripe of an idle head, over the same buffers."""
        del self._inactive[sh]
        self._forget(sh)
        sh.init_stripe(sector, plan)
        sh.lru = None
        sh.count = 1
        self._heads[sector] = sh
        insort(self._starts, sector)

    def _drop(self, sh: StripeHead) -> None:
        """Free an idle head's units."""
        del self._inactive[sh]
        self._forget(sh)
        self.pool.give_back(sh.slab)

    def _forget(self, sh: StripeHead) -> None:
        del self._heads[sh.sector]
        del self._starts[bisect_left(self._starts, sh.sector)]

    def _overlapping(self, sector: int, sectors: int) -> list[StripeHead]:
        starts = self._starts
        first = end = bisect_left(starts, sector)
        end_sector = sector + sectors
        while end < len(starts) and starts[end] < end_sector:
            end += 1
        if first:
            before = self._heads[starts[first - 1]]
            if before.sector + before.units * UNIT_SECTORS > sector:
                first -= 1
        return [self._heads[start] for start in starts[first:end]]

    def _wake_waiting(self) -> None:
        """Let all who wait for room try again, in the order they came."""
        waiting, self._waiting = self._waiting, deque()
        for retry in waiting:
            retry()
