"""How a stripe's waiting writes get their new parity: read-modify-write or reconstruct-write.

References: handle_stripe_dirtying and schedule_reconstruction in Linux drivers/md/raid5.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.raid5.conf import DISABLE_RMW, PREFER_RMW
from raidsim.md.raid5.observation import tell_costs
from raidsim.md.raid5.state import (
    STRIPE_OP_BIODRAIN,
    STRIPE_OP_PREXOR,
    STRIPE_OP_RECONSTRUCT,
)
from raidsim.md.raid5.stripe_head import (
    RECONSTRUCT_DRAIN_RUN,
    RECONSTRUCT_PREXOR_DRAIN_RUN,
    STRIPE_BIT_DELAY,
    STRIPE_COMPUTE_RUN,
    STRIPE_DELAYED,
    STRIPE_FULL_WRITE,
    STRIPE_HANDLE,
    STRIPE_PREREAD_ACTIVE,
)
from raidsim.md.superblock import MAX_SECTOR

if TYPE_CHECKING:
    from raidsim.md.raid5.conf import R5Conf
    from raidsim.md.raid5.state import StripeHeadState
    from raidsim.md.raid5.stripe_head import StripeHead


def handle_stripe_dirtying(conf: R5Conf, sh: StripeHead, s: StripeHeadState) -> None:
    """Choose the cheaper way, read what it needs, and start it once nothing is missing.

    A block that would have to be read costs 1, one that cannot be read costs more than all others
    together.
    """
    plan = sh.plan
    unknown = ~(sh.locked | sh.uptodate | sh.wantcompute)
    rmw_needs = (sh.towrite_mask | plan.parity_mask) & unknown
    rcw_needs = plan.data_mask & ~sh.overwrite & unknown
    recovery_cp = conf.mddev.recovery_cp
    if conf.rmw_level == DISABLE_RMW or (
        recovery_cp != MAX_SECTOR and sh.sector >= recovery_cp and not s.failed
    ):
        # The old parity is not to be built on: it may never have been right.
        rcw, rmw = 1, 2
    else:
        rmw = _cost(conf, rmw_needs, s.insync_mask)
        rcw = _cost(conf, rcw_needs, s.insync_mask)
    if conf.hook.listeners:
        tell_costs(conf, sh, (rmw, rcw), (rmw_needs, rcw_needs))
    sh.state |= STRIPE_HANDLE
    prefer_rmw = conf.rmw_level == PREFER_RMW
    if rmw and (rmw < rcw or (rmw == rcw and prefer_rmw)):
        _read_ahead(sh, rmw_needs & s.insync_mask)
    elif rcw and (rcw < rmw or (rcw == rmw and not prefer_rmw)):
        rcw = rcw_needs.bit_count()
        if rcw_needs:
            _read_ahead(sh, rcw_needs & s.insync_mask)
    if rcw > conf.raid_disks and rmw > conf.raid_disks and not sh.state & STRIPE_PREREAD_ACTIVE:
        sh.state |= STRIPE_DELAYED
    if (
        (s.req_compute or not sh.state & STRIPE_COMPUTE_RUN)
        and not sh.locked
        and (rcw == 0 or rmw == 0)
        and not sh.state & STRIPE_BIT_DELAY
    ):
        _schedule_reconstruction(conf, sh, s, rcw == 0)


def _cost(conf: R5Conf, needs: int, insync_mask: int) -> int:
    unreadable = needs & ~insync_mask
    return (needs & insync_mask).bit_count() + 2 * conf.raid_disks * unreadable.bit_count()


def _read_ahead(sh: StripeHead, reads: int) -> None:
    """Read blocks for a write, or wait a while: the rest of the row may be written as well."""
    if sh.state & STRIPE_PREREAD_ACTIVE:
        sh.locked |= reads
        sh.wantread |= reads
    else:
        sh.state |= STRIPE_DELAYED


def _schedule_reconstruction(
    conf: R5Conf, sh: StripeHead, s: StripeHeadState, reconstruct_write: bool
) -> None:
    """Lock what the new data and parity go into, and request the operations."""
    plan = sh.plan
    if reconstruct_write:
        drain = sh.towrite_mask
        sh.uptodate &= ~drain
        sh.reconstruct_state = RECONSTRUCT_DRAIN_RUN
        s.ops_request |= STRIPE_OP_BIODRAIN | STRIPE_OP_RECONSTRUCT
        if drain == plan.data_mask and not sh.state & STRIPE_FULL_WRITE:
            sh.state |= STRIPE_FULL_WRITE
            conf.cache.pending_full_writes += 1
            conf.writes.full_row += sh.units
        else:
            conf.writes.rcw += sh.units
    else:
        drain = sh.towrite_mask & (sh.uptodate | sh.wantcompute)
        sh.reconstruct_state = RECONSTRUCT_PREXOR_DRAIN_RUN
        conf.writes.rmw += sh.units
        s.ops_request |= STRIPE_OP_PREXOR | STRIPE_OP_BIODRAIN | STRIPE_OP_RECONSTRUCT
    sh.wantdrain |= drain
    sh.locked |= drain | plan.parity_mask
    sh.uptodate &= ~plan.parity_mask
