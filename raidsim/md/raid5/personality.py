"""The raid4/5/6 personality: what md core calls, and the loop that handles stripes (raid5d)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.async_tx import async_tx_issue_pending_all
from raidsim.md.bio import READ
from raidsim.md.raid5.conf import R5Conf
from raidsim.md.raid5.handle import handle_stripe
from raidsim.md.raid5.observation import number_of, tell_asked, tell_if_idle
from raidsim.md.raid5.request import StripeRequest, chunk_aligned_read, sync_extent
from raidsim.md.raid5.stripe_cache import NR_STRIPES
from raidsim.md.raid5.stripe_head import STRIPE_HANDLE, STRIPE_SYNC_REQUESTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.machine import Machine
    from raidsim.md.bio import Bio
    from raidsim.md.layout import Geometry
    from raidsim.md.mddev import Mddev
    from raidsim.md.raid5.stripe_head import StripeHead

# Stripes handled before the engines are told to begin with what they were given.
MAX_STRIPE_BATCH = 8


class Raid5:
    """The personality of one array (``struct md_personality``, Linux drivers/md/raid5.c).

    Args:
        mddev: the array, which calls it.
        machine: what its operations run on.
        geometry: its shape.
        stripe_cache_size: units of 4 KiB per member in the stripe cache.
    """

    __slots__ = ("_awake", "_handled", "_machine", "conf")

    def __init__(
        self,
        mddev: Mddev,
        machine: Machine,
        geometry: Geometry,
        stripe_cache_size: int = NR_STRIPES,
    ) -> None:
        self._machine = machine
        self._awake = False
        self._handled = 0
        self.conf = R5Conf(mddev, machine, geometry, stripe_cache_size, self.wake)

    def make_request(self, bio: Bio) -> None:
        """Take a read or write of the array apart; it ends when its last part has."""
        conf = self.conf
        conf.mddev.io_sectors += len(bio.buffer) >> 9
        if bio.operation == READ and not conf.degraded:
            chunk_aligned_read(conf, bio)
        else:
            StripeRequest(conf, bio, bio.sector, len(bio.buffer)).start()

    def skip_sync(self, sector: int, limit: int) -> int:
        """Tell how much a resync or recovery may leave out from member ``sector`` on.

        Args:
            sector: from the start of the members' data.
            limit: where the sync has something else to do.

        Returns:
            Sectors that the bitmap says are in sync.
        """
        conf = self.conf
        bitmap = conf.mddev.bitmap
        if bitmap is None or conf.fullsync or conf.mddev.sync_requested:
            return 0
        needed, end = bitmap.sync_run(sector, limit)
        return 0 if needed else end - sector

    def sync_request(self, sector: int, end_sector: int, retry: Callable[[], object]) -> int:
        """Let the stripe at member ``sector`` be brought in sync, or checked.

        Args:
            sector: from the start of the members' data.
            end_sector: where the sync ends.
            retry: called when there is a point in asking again.

        Returns:
            How many sectors the stripe covers, 0 when it has to be asked for again. For each
            covered sector ``mddev.done_sync`` will be called.
        """
        conf = self.conf
        bitmap = conf.mddev.bitmap
        if bitmap is not None and not (conf.fullsync or conf.mddev.sync_requested):
            end_sector = min(end_sector, bitmap.sync_run(sector, end_sector)[1])
        units = sync_extent(conf, sector, end_sector)
        if conf.mddev.sync_requested:
            # A check is about what the members hold, not about what was read of them long ago.
            conf.cache.forget_idle(sector)
        sh = conf.cache.get_active_stripe(sector, units, conf.plan(sector), retry)
        if sh is None:
            return 0
        if bitmap is not None and None not in conf.disks and not conf.mddev.sync_check:
            bitmap.start_sync(sector, sh.sectors)
        sh.state |= STRIPE_SYNC_REQUESTED | STRIPE_HANDLE
        if conf.hook.listeners:
            tell_asked(conf, sh, 0, "sync")
        conf.cache.release_stripe(sh)
        return sh.sectors

    def wake(self) -> None:
        """There is a stripe to handle: run raid5d soon."""
        if not self._awake:
            self._awake = True
            self._machine.sim.call_soon(self._raid5d)

    def _raid5d(self) -> None:
        """Handle stripes until none is ready, or the superblocks have to be written first."""
        self._awake = False
        conf = self.conf
        cache = conf.cache
        if cache.begin_bitmap_flush():
            self._flush_bitmap()
        cpu = self._machine.cpu
        mddev = conf.mddev
        sh = None
        begun = again = False
        while not mddev.sb_change_pending:
            if sh is None:
                if cpu is not None and begun:
                    self.wake()  # time has passed: programs on other CPUs get their turn
                    return
                cache.activate_delayed()
                sh = cache.get_priority_stripe()
                if sh is None:
                    break
                begun = True
                self._handled += 1
            if cpu is not None:
                cpu.handle_stripe(sh.units)
            if conf.hook.listeners:
                self._handle_observed(sh)
            else:
                handle_stripe(conf, sh)
            if cache.keep_if_ready(sh):
                again = True
            else:
                sh = None
            if self._handled % MAX_STRIPE_BATCH == 0:
                async_tx_issue_pending_all(self._machine)
        if sh is not None:
            cache.release_stripe(sh)
        async_tx_issue_pending_all(self._machine)
        if mddev.sb_change_pending:
            mddev.check_recovery()
        elif again:
            # Giving such a stripe back wakes raid5d in md. It finds no stripe, but perhaps a
            # failure that woke nobody, since it broke the array.
            self.wake()

    def _handle_observed(self, sh: StripeHead) -> None:
        conf = self.conf
        with conf.hook.working_for(number_of(conf, sh)):
            handle_stripe(conf, sh)
        tell_if_idle(conf, sh)

    def _flush_bitmap(self) -> None:
        """Bring the bits of the writes that wait for them to the members."""
        cache = self.conf.cache
        bitmap = self.conf.mddev.bitmap
        if bitmap is None:  # it was taken off meanwhile
            cache.end_bitmap_flush()
        else:
            bitmap.unplug(cache.end_bitmap_flush)
