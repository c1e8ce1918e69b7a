"""Which blocks a stripe needs first, and whether to read or to compute them.

References: need_this_block, fetch_block and handle_stripe_fill in Linux drivers/md/raid5.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.raid5.conf import DISABLE_RMW
from raidsim.md.raid5.state import STRIPE_OP_COMPUTE_BLK
from raidsim.md.raid5.stripe_head import (
    CHECK_IDLE,
    RECONSTRUCT_IDLE,
    STRIPE_COMPUTE_RUN,
    STRIPE_HANDLE,
    STRIPE_PREREAD_ACTIVE,
)

if TYPE_CHECKING:
    from raidsim.md.raid5.conf import R5Conf
    from raidsim.md.raid5.state import StripeHeadState
    from raidsim.md.raid5.stripe_head import StripeHead


def handle_stripe_fill(conf: R5Conf, sh: StripeHead, s: StripeHeadState) -> None:
    """Read, or compute, what the stripe needs, unless a computation or check is under way."""
    if (
        not sh.state & STRIPE_COMPUTE_RUN
        and sh.check_state == CHECK_IDLE
        and sh.reconstruct_state == RECONSTRUCT_IDLE
    ):
        needed = _needed_blocks(conf, sh, s) & ~(sh.locked | sh.uptodate)
        if needed:
            _fetch_blocks(conf, sh, s, needed)
    sh.state |= STRIPE_HANDLE


def _needed_blocks(conf: R5Conf, sh: StripeHead, s: StripeHeadState) -> int:
    """The members whose blocks are needed now, up to date or not (need_this_block)."""
    partial_writes = sh.towrite_mask & ~sh.overwrite
    if s.syncing or sh.toread_mask & s.failed_mask:
        return conf.all_mask
    needed = sh.toread_mask | partial_writes
    if s.replacing:
        needed |= s.need_replace
    if s.failed and sh.towrite_mask and _failure_needs_all(conf, sh, s, partial_writes):
        # Reading ahead of a write waits until no more writes are likely to come; what has failed
        # costs no read.
        needed |= conf.all_mask if sh.state & STRIPE_PREREAD_ACTIVE else s.failed_mask
    return needed


def _failure_needs_all(
    conf: R5Conf, sh: StripeHead, s: StripeHeadState, partial_writes: int
) -> bool:
    """Whether a write to a stripe with failed members needs every block."""
    missing = s.failed_mask & ~sh.uptodate
    if missing & partial_writes:
        return True
    forced_rcw = s.failed >= 2 and missing & (sh.towrite_mask | sh.plan.parity_mask)
    if not forced_rcw and conf.rmw_level != DISABLE_RMW and sh.sector < conf.mddev.recovery_cp:
        return False  # the old parity can be trusted, so a read-modify-write will do
    return bool(missing & sh.plan.data_mask & ~sh.overwrite)


def _fetch_blocks(conf: R5Conf, sh: StripeHead, s: StripeHeadState, needed: int) -> None:
    """Compute failed members when all else is there; read the others (fetch_block).

    A member that works is read, never computed, or else check and repair would miss what is wrong
    with it. P of RAID6 is the exception: with all else up to date it has been trusted already. Two
    at once are for RAID6 alone: md tries it on a failed RAID5 with the rest in its cache as well,
    and gives back what it got.
    """
    missing = conf.all_mask & ~sh.uptodate
    computable = s.failed_mask | (sh.plan.p_bit if conf.raid6 else 0)
    if missing == missing & -missing:
        if missing & computable:
            _compute(sh, s, missing.bit_length() - 1, -1)
            return
    elif conf.raid6 and missing.bit_count() == 2 and s.failed >= 2:
        target = needed.bit_length() - 1
        other = missing ^ (1 << target)
        _compute(sh, s, target, other.bit_length() - 1)
        return
    reads = needed & s.insync_mask
    sh.locked |= reads
    sh.wantread |= reads


def _compute(sh: StripeHead, s: StripeHeadState, target: int, target2: int) -> None:
    sh.state |= STRIPE_COMPUTE_RUN
    s.ops_request |= STRIPE_OP_COMPUTE_BLK
    sh.wantcompute |= 1 << target
    if target2 >= 0:
        sh.wantcompute |= 1 << target2
    sh.target = target
    sh.target2 = target2
    s.req_compute = True
