"""The two machines that check, repair, resync and recover a stripe's parity.

References: handle_parity_checks5 and handle_parity_checks6 in Linux drivers/md/raid5.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.async_tx import SUM_CHECK_P_RESULT, SUM_CHECK_Q_RESULT
from raidsim.md.events import MismatchFound
from raidsim.md.raid5.mismatch import find_wrong_member, unit_mismatches
from raidsim.md.raid5.state import STRIPE_OP_CHECK, STRIPE_OP_COMPUTE_BLK
from raidsim.md.raid5.stripe_head import (
    CHECK_COMPUTE_RESULT,
    CHECK_COMPUTE_RUN,
    CHECK_IDLE,
    CHECK_RESULT,
    CHECK_RUN,
    CHECK_RUN_PQ,
    CHECK_RUN_Q,
    STRIPE_COMPUTE_RUN,
    STRIPE_DEGRADED,
    STRIPE_HANDLE,
    STRIPE_INSYNC,
    STRIPE_SPLIT,
    UNIT_SECTORS,
    members,
)

if TYPE_CHECKING:
    from raidsim.md.raid5.conf import R5Conf
    from raidsim.md.raid5.state import StripeHeadState
    from raidsim.md.raid5.stripe_head import StripeHead


def handle_parity_checks5(conf: R5Conf, sh: StripeHead, s: StripeHeadState) -> None:
    """One step for RAID4 and 5, where one member may be missing."""
    sh.state |= STRIPE_HANDLE
    plan = sh.plan
    state = sh.check_state
    if state == CHECK_IDLE and not s.failed:
        sh.check_state = CHECK_RUN
        s.ops_request |= STRIPE_OP_CHECK
        # A check may use P's buffer up (async_tx allows it), so P counts as gone.
        sh.uptodate &= ~plan.p_bit
    elif state in {CHECK_IDLE, CHECK_COMPUTE_RESULT}:
        sh.check_state = CHECK_IDLE
        if not sh.state & STRIPE_INSYNC:  # a write may have brought it in sync meanwhile
            _write_back(sh, s.failed_mask if state == CHECK_IDLE else plan.p_bit)
    elif state == CHECK_RESULT:
        sh.check_state = CHECK_IDLE
        if s.failed:
            return  # meanwhile; the stripe is looked at anew
        if not _mismatches(sh):
            sh.state |= STRIPE_INSYNC
        else:
            _handle_mismatch(conf, sh, s)


def handle_parity_checks6(conf: R5Conf, sh: StripeHead, s: StripeHeadState) -> None:
    """One step for RAID6, where two members may be missing."""
    sh.state |= STRIPE_HANDLE
    plan = sh.plan
    state = sh.check_state
    if state == CHECK_IDLE:
        q_failed = bool(s.failed_mask & plan.q_bit)
        sh.zero_sum_result = None
        sh.wrong = 0
        if s.failed == q_failed:
            sh.check_state = CHECK_RUN  # what can be checked is P
        if not q_failed and s.failed < 2:
            # Q tells whether the data are right, or were computed right.
            sh.check_state = CHECK_RUN_PQ if sh.check_state == CHECK_RUN else CHECK_RUN_Q
        if sh.check_state == CHECK_RUN:
            sh.uptodate &= ~plan.p_bit
        if sh.check_state != CHECK_IDLE:
            s.ops_request |= STRIPE_OP_CHECK
            return
    if state in {CHECK_IDLE, CHECK_COMPUTE_RESULT}:
        sh.check_state = CHECK_IDLE
        if not sh.state & STRIPE_INSYNC:
            _write_back(sh, s.failed_mask | sh.wrong)
    elif state == CHECK_RESULT:
        sh.check_state = CHECK_IDLE
        if not _mismatches(sh):
            if s.failed:
                # Parity is right and there is a computed member to write.
                sh.check_state = CHECK_COMPUTE_RESULT
            else:
                sh.state |= STRIPE_INSYNC
        else:
            _handle_mismatch(conf, sh, s)


def _mismatches(sh: StripeHead) -> int:
    return sh.zero_sum_result.flags if sh.zero_sum_result is not None else 0


def _handle_mismatch(conf: R5Conf, sh: StripeHead, s: StripeHeadState) -> None:
    """Count a mismatch, in units, and make it right unless it is only counted.

    The check of a tall stripe only tells that some unit is wrong, so it is asked which. Where units
    then have to be treated differently, each of them begins again alone.
    """
    plan = sh.plan
    mddev = conf.mddev
    flags = _mismatches(sh)
    units = [flags] if sh.units == 1 else unit_mismatches(conf, sh)
    wrong_units = [unit for unit, found in enumerate(units) if found]
    alike = mddev.mismatch_log is None and units.count(units[0]) == sh.units
    if sh.units > 1 and (s.failed or not wrong_units or not (alike or mddev.sync_check)):
        # P may be used up; computed from the data instead of read, it would pass.
        sh.uptodate &= ~plan.parity_mask
        sh.state |= STRIPE_SPLIT
        return
    wrong = plan.p_bit if units[0] & SUM_CHECK_P_RESULT else 0
    wrong |= plan.q_bit if units[0] & SUM_CHECK_Q_RESULT else 0
    for unit in wrong_units:
        mddev.resync_mismatches += UNIT_SECTORS
        conf.hook.tell(MismatchFound(sh.sector + unit * UNIT_SECTORS, UNIT_SECTORS))
        if mddev.mismatch_log is not None:
            mismatch = find_wrong_member(conf, sh, s, unit)
            mddev.mismatch_log.note(mismatch)
            # Where no single member is to blame, nothing is touched.
            wrong = 1 << mismatch.member if mismatch.member >= 0 else 0
    if mddev.sync_check or not wrong:
        sh.state |= STRIPE_INSYNC
    else:
        _compute(sh, s, wrong)


def _compute(sh: StripeHead, s: StripeHeadState, wrong: int) -> None:
    """Compute the members in ``wrong`` as if they had failed; then they are written back."""
    sh.check_state = CHECK_COMPUTE_RUN
    sh.state |= STRIPE_COMPUTE_RUN
    s.ops_request |= STRIPE_OP_COMPUTE_BLK
    sh.wrong = wrong
    sh.uptodate &= ~wrong
    sh.wantcompute |= wrong
    targets = members(wrong)
    sh.target = targets[0]
    sh.target2 = targets[1] if len(targets) == 2 else -1


def _write_back(sh: StripeHead, targets: int) -> None:
    sh.locked |= targets
    sh.wantwrite |= targets
    sh.state &= ~STRIPE_DEGRADED
    sh.state |= STRIPE_INSYNC
