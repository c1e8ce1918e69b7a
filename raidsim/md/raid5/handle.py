"""One pass over a stripe: the order of phases is handle_stripe's in Linux drivers/md/raid5.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.raid5.dirtying import handle_stripe_dirtying
from raidsim.md.raid5.failed import handle_bad_blocks, handle_failed_stripe, handle_failed_sync
from raidsim.md.raid5.fill import handle_stripe_fill
from raidsim.md.raid5.io import ops_run_io
from raidsim.md.raid5.observation import tell_operations
from raidsim.md.raid5.ops import raid_run_ops
from raidsim.md.raid5.parity_check import handle_parity_checks5, handle_parity_checks6
from raidsim.md.raid5.replacement import run_replacement_io, write_to_replacements
from raidsim.md.raid5.split import split_stripe
from raidsim.md.raid5.state import STRIPE_OP_BIOFILL, StripeHeadState
from raidsim.md.raid5.stripe_head import (
    CHECK_IDLE,
    RECONSTRUCT_DRAIN_RESULT,
    RECONSTRUCT_IDLE,
    RECONSTRUCT_PREXOR_DRAIN_RESULT,
    STRIPE_BIOFILL_RUN,
    STRIPE_COMPUTE_RUN,
    STRIPE_DEGRADED,
    STRIPE_DELAYED,
    STRIPE_FULL_WRITE,
    STRIPE_HANDLE,
    STRIPE_INSYNC,
    STRIPE_PREREAD_ACTIVE,
    STRIPE_REPLACED,
    STRIPE_SPLIT,
    STRIPE_SYNC_REQUESTED,
    STRIPE_SYNCED,
    STRIPE_SYNCING,
    members,
)

if TYPE_CHECKING:
    from raidsim.md.raid5.conf import R5Conf
    from raidsim.md.raid5.stripe_head import StripeHead

_RECONSTRUCTED = frozenset({RECONSTRUCT_DRAIN_RESULT, RECONSTRUCT_PREXOR_DRAIN_RESULT})


def handle_stripe(conf: R5Conf, sh: StripeHead) -> None:
    """Take ``sh`` as far as it can go without waiting.

    The caller holds the only reference: nothing of the stripe is in flight.
    """
    sh.state &= ~STRIPE_HANDLE
    if (conf.bad_blocks_mask or sh.write_error or sh.state & STRIPE_SPLIT) and _units_are_set_apart(
        conf, sh
    ):
        return
    if sh.state & STRIPE_SYNC_REQUESTED:
        sh.state &= ~(STRIPE_SYNC_REQUESTED | STRIPE_INSYNC | STRIPE_REPLACED)
        sh.state |= STRIPE_SYNCING
    sh.state &= ~STRIPE_DELAYED
    s = StripeHeadState(conf, sh)

    if s.to_fill:
        s.ops_request |= STRIPE_OP_BIOFILL
        sh.state |= STRIPE_BIOFILL_RUN
    if s.failed > conf.max_degraded:
        sh.check_state = CHECK_IDLE
        sh.reconstruct_state = RECONSTRUCT_IDLE
        if sh.toread_mask or sh.towrite_mask or sh.written_mask:
            handle_failed_stripe(conf, sh, s)
        if s.syncing or s.replacing:
            handle_failed_sync(conf, sh, s)
    if sh.reconstruct_state in _RECONSTRUCTED:
        _write_reconstructed(sh, s)
    if sh.written_mask and _parity_is_written(sh, s):
        _handle_stripe_clean_event(conf, sh)

    reads = sh.toread_mask & ~sh.wantfill
    if (
        reads
        or sh.towrite_mask & ~sh.overwrite
        or (sh.towrite_mask and s.failed)
        or (s.syncing and (sh.uptodate | sh.wantcompute) != conf.all_mask)
        or (s.replacing and s.need_replace & ~sh.uptodate)
    ):
        handle_stripe_fill(conf, sh, s)
    if (
        sh.towrite_mask
        and sh.reconstruct_state == RECONSTRUCT_IDLE
        and sh.check_state == CHECK_IDLE
    ):
        handle_stripe_dirtying(conf, sh, s)
    computing = sh.state & STRIPE_COMPUTE_RUN
    if sh.check_state != CHECK_IDLE or (
        s.syncing and not sh.locked and not computing and not sh.state & STRIPE_INSYNC
    ):
        if conf.raid6:
            handle_parity_checks6(conf, sh, s)
        else:
            handle_parity_checks5(conf, sh, s)
    if sh.state & STRIPE_SYNCING and not sh.locked and not sh.state & STRIPE_COMPUTE_RUN:
        if s.need_replace and not sh.state & STRIPE_REPLACED:
            write_to_replacements(sh, s)
        elif s.replacing or sh.state & STRIPE_INSYNC:
            sh.state &= ~STRIPE_SYNCING
            sh.state |= STRIPE_SYNCED
            conf.mddev.done_sync(sh.sectors, ok=True)
            conf.cache.wake_waiters(sh)
    if sh.read_error and s.failed <= conf.max_degraded and not conf.mddev.readonly:
        _rewrite_read_errors(sh, s)

    if s.ops_request:
        if conf.hook.listeners:
            tell_operations(conf, sh, s)
        raid_run_ops(conf, sh, s)
    if conf.replacing:
        run_replacement_io(conf, sh, s)
    if sh.wantread | sh.wantwrite:
        ops_run_io(conf, sh)
    if s.dec_preread_active:
        # Only now, so that the writes above go out before others read ahead.
        conf.cache.preread_active_stripes -= 1


def _units_are_set_apart(conf: R5Conf, sh: StripeHead) -> bool:
    """Split a stripe whose units are no longer alike, or take its bad blocks down.

    Returns:
        Whether that was to be done, which is all for this pass.
    """
    if sh.state & STRIPE_SPLIT or (sh.units > 1 and conf.bad_members(sh.sector, sh.sectors)):
        split_stripe(conf, sh)
        return True
    if sh.write_error | sh.made_good:
        handle_bad_blocks(conf, sh)
        return True
    return False


def _write_reconstructed(sh: StripeHead, s: StripeHeadState) -> None:
    """New data and parity are in the buffers: write them."""
    prexor = sh.reconstruct_state == RECONSTRUCT_PREXOR_DRAIN_RESULT
    sh.reconstruct_state = RECONSTRUCT_IDLE
    writes = sh.locked & (sh.plan.parity_mask | sh.written_mask)
    sh.wantwrite |= writes
    if not prexor and s.failed <= 1:
        # With the whole row at hand the parity is right now, whatever it was before: that may be
        # all a pending resync had to do.
        parity_renewed = writes & sh.plan.parity_mask and not s.failed
        if writes & s.failed_mask or parity_renewed:
            sh.state |= STRIPE_INSYNC
    if sh.state & STRIPE_PREREAD_ACTIVE:
        sh.state &= ~STRIPE_PREREAD_ACTIVE
        s.dec_preread_active = True


def _parity_is_written(sh: StripeHead, s: StripeHeadState) -> bool:
    """Whether each parity has gone out, or has nowhere to go."""
    clean = sh.uptodate & ~sh.locked
    return not sh.plan.parity_mask & ~clean & s.insync_mask


def _handle_stripe_clean_event(conf: R5Conf, sh: StripeHead) -> None:
    """End the writes that have reached their members."""
    clean = sh.written_mask & sh.uptodate & ~sh.locked
    sh.written_mask &= ~clean
    if sh.state & STRIPE_FULL_WRITE:
        sh.state &= ~STRIPE_FULL_WRITE
        conf.cache.pending_full_writes -= 1
    bitmap = conf.mddev.bitmap
    if bitmap is not None and clean:
        success = not sh.state & STRIPE_DEGRADED
        bitmap.endwrite(sh.sector, sh.sectors, clean.bit_count(), success=success)
    for member in members(clean):
        for bio, _, _, _ in sh.written.pop(member):
            bio.put()


def _rewrite_read_errors(sh: StripeHead, s: StripeHeadState) -> None:
    """Cure a block that could not be read: write what was computed, then read it back.

    That waits for operations that use it: the disk would write it under their eyes. It would write
    what is there already, which is why md may do so.
    """
    curable = sh.read_error & s.failed_mask & sh.uptodate & ~sh.locked
    operating = sh.state & (STRIPE_COMPUTE_RUN | STRIPE_BIOFILL_RUN)
    if operating or sh.reconstruct_state != RECONSTRUCT_IDLE:
        curable &= ~sh.rewrite
    read_back = curable & sh.rewrite
    rewrite = curable & ~sh.rewrite
    sh.wantread |= read_back
    sh.wantwrite |= rewrite
    sh.rewrite |= rewrite
    sh.locked |= curable
