"""What one pass of ``handle_stripe`` knows and wants (``struct stripe_head_state``, raid5.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.raid5.replacement import replacements_at
from raidsim.md.raid5.stripe_head import STRIPE_BIOFILL_RUN, STRIPE_SYNCING

if TYPE_CHECKING:
    from raidsim.md.raid5.conf import R5Conf
    from raidsim.md.raid5.stripe_head import StripeHead

# ops_request: which chains ``raid_run_ops`` is to issue.
STRIPE_OP_BIOFILL = 1 << 0
STRIPE_OP_COMPUTE_BLK = 1 << 1
STRIPE_OP_PREXOR = 1 << 2
STRIPE_OP_BIODRAIN = 1 << 3
STRIPE_OP_RECONSTRUCT = 1 << 4
STRIPE_OP_CHECK = 1 << 5


class StripeHeadState:
    """A stripe head seen at the start of a pass, and what the pass decides.

    Attributes:
        insync_mask, failed_mask: members that can, and cannot, be read here (``R5_Insync``).
        failed: how many cannot.
        need_replace: slots whose replacement does not have this stripe yet (``R5_NeedReplace``).
        read_repl: slots whose replacement has it, and is read instead (``R5_ReadRepl``).
        want_replace: slots whose replacement is to be written now (``R5_WantReplace``).
        syncing: a resync, recovery, check or repair wants this whole stripe.
        replacing: a sync has nothing to do here but to write replacements, if any.
        to_fill: members whose up-to-date data some read wants: they need no access.
        req_compute: this pass asked for a computation.
        dec_preread_active: the stripe no longer counts as reading ahead.
        ops_request: the chains to issue, ``STRIPE_OP_*``.
    """

    __slots__ = (
        "dec_preread_active",
        "failed",
        "failed_mask",
        "insync_mask",
        "need_replace",
        "ops_request",
        "read_repl",
        "replacing",
        "req_compute",
        "syncing",
        "to_fill",
        "want_replace",
    )

    def __init__(self, conf: R5Conf, sh: StripeHead) -> None:
        """Look at ``sh`` (analyse_stripe)."""
        insync = conf.in_sync_mask
        if conf.recovering:
            insync = conf.insync_mask(sh.sector + sh.sectors)
        self.need_replace = self.read_repl = self.want_replace = 0
        if conf.replacing:
            self.read_repl, self.need_replace = replacements_at(conf, sh)
        if conf.bad_blocks_mask:
            insync = _without_bad_blocks(conf, sh, insync, self.read_repl)
        insync |= self.read_repl
        if sh.read_error:
            # A member that is out of sync anyway has nothing to cure; one that could not be read
            # here counts as failed here.
            sh.read_error &= insync
            sh.rewrite &= insync
            insync &= ~sh.read_error
        failed = conf.all_mask & ~insync
        self.insync_mask = insync
        self.failed_mask = failed
        self.failed = failed.bit_count()
        self.to_fill = 0
        if sh.toread_mask and not sh.state & STRIPE_BIOFILL_RUN:
            # What is read back after a read error is written to under whoever would copy it.
            self.to_fill = sh.toread_mask & sh.uptodate & ~(sh.rewrite & sh.locked)
            sh.wantfill |= self.to_fill
        self.syncing = self.replacing = False
        if sh.state & STRIPE_SYNCING:
            # A resync, check or repair, a member being rebuilt or one that could not be read, and a
            # stripe that was never in sync want the whole stripe; else it is replacements alone.
            do_recovery = conf.present_mask & failed
            mddev = conf.mddev
            never_synced = sh.sector >= mddev.recovery_cp
            self.syncing = bool(do_recovery or never_synced or not mddev.sync_recover)
            self.replacing = not self.syncing
        self.req_compute = False
        self.dec_preread_active = False
        self.ops_request = 0


def _without_bad_blocks(conf: R5Conf, sh: StripeHead, insync: int, read_repl: int) -> int:
    """Take the members that have a bad block here out of ``insync``, unless they are not read.

    Where what belongs there is known, the block is tried anew, as after a read error; but not on
    a member that is known to refuse writes.
    """
    for member, rdev in conf.bad_members(sh.sector, sh.sectors).items():
        bit = 1 << member
        if read_repl & bit:
            continue
        if sh.uptodate & bit and not rdev.write_error_seen:
            insync |= bit
            sh.read_error |= bit
        else:
            insync &= ~bit
    return insync
