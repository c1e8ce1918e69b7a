"""``raid_run_ops``: a stripe's copies, xors and syndromes as chains of async_tx operations.

The order of the chains, of the sources in them and the flags are those of Linux
drivers/md/raid5.c. Nothing here knows whether an offload engine or software does the work: a chain
may be complete when its last call returns, or much later; its callback says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.async_tx import (
    ASYNC_TX_ACK,
    ASYNC_TX_FENCE,
    ASYNC_TX_PQ_XOR_DST,
    ASYNC_TX_XOR_DROP_DST,
    ASYNC_TX_XOR_ZERO_DST,
    SumCheck,
    async_gen_syndrome,
    async_memcpy,
    async_raid6_2data_recov,
    async_raid6_datap_recov,
    async_syndrome_val,
    async_trigger_callback,
    async_tx_ack,
    async_xor,
    async_xor_val,
    init_async_submit,
)
from raidsim.md.raid5.state import (
    STRIPE_OP_BIODRAIN,
    STRIPE_OP_BIOFILL,
    STRIPE_OP_CHECK,
    STRIPE_OP_COMPUTE_BLK,
    STRIPE_OP_PREXOR,
    STRIPE_OP_RECONSTRUCT,
)
from raidsim.md.raid5.stripe_head import (
    CHECK_COMPUTE_RESULT,
    CHECK_COMPUTE_RUN,
    CHECK_RESULT,
    CHECK_RUN,
    CHECK_RUN_Q,
    RECONSTRUCT_DRAIN_RESULT,
    RECONSTRUCT_DRAIN_RUN,
    RECONSTRUCT_PREXOR_DRAIN_RESULT,
    RECONSTRUCT_PREXOR_DRAIN_RUN,
    STRIPE_BIOFILL_RUN,
    STRIPE_COMPUTE_RUN,
    STRIPE_HANDLE,
    members,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from raidsim.async_tx import AsyncSubmitCtl
    from raidsim.dmaengine import DmaAsyncTxDescriptor
    from raidsim.md.raid5.conf import R5Conf
    from raidsim.md.raid5.state import StripeHeadState
    from raidsim.md.raid5.stripe_head import StripeHead

    Tx = DmaAsyncTxDescriptor | None
    Page = NDArray[np.uint8]
    Context = tuple[R5Conf, StripeHead]


def raid_run_ops(conf: R5Conf, sh: StripeHead, s: StripeHeadState) -> None:
    """Issue the chains that ``s.ops_request`` asks for."""
    request = s.ops_request
    tx: Tx = None
    if request & STRIPE_OP_BIOFILL:
        ops_run_biofill(conf, sh)
    if request & STRIPE_OP_COMPUTE_BLK:
        if not conf.raid6:
            tx = ops_run_compute5(conf, sh)
        elif sh.target2 < 0:
            tx = ops_run_compute6_1(conf, sh)
        else:
            tx = ops_run_compute6_2(conf, sh)
        if tx is not None and not request & STRIPE_OP_RECONSTRUCT:
            async_tx_ack(tx)  # nothing will depend on it
    if request & STRIPE_OP_PREXOR:
        tx = ops_run_prexor6(conf, sh, tx) if conf.raid6 else ops_run_prexor5(conf, sh, tx)
    if request & STRIPE_OP_BIODRAIN:
        tx = ops_run_biodrain(conf, sh, tx)
    if request & STRIPE_OP_RECONSTRUCT:
        if conf.raid6:
            ops_run_reconstruct6(conf, sh, tx)
        else:
            ops_run_reconstruct5(conf, sh, tx)
    if request & STRIPE_OP_CHECK:
        if sh.check_state == CHECK_RUN:
            ops_run_check_p(conf, sh)
        else:
            ops_run_check_pq(conf, sh, check_p=sh.check_state != CHECK_RUN_Q)
    if request & (STRIPE_OP_BIOFILL | STRIPE_OP_BIODRAIN) and sh.waiters:
        conf.cache.wake_waiters(sh)


# -- bios: in and out ---------------------------------------------------------------------------


def ops_run_biofill(conf: R5Conf, sh: StripeHead) -> None:
    """Copy what is up to date to the bios that read it."""
    tx: Tx = None
    submit = conf.submit
    for member in members(sh.wantfill):
        segments = sh.read[member] = sh.toread.pop(member)
        page = _page(sh, member)
        for bio, page_offset, bio_offset, length in segments:
            init_async_submit(submit, 0, tx, None, None, None)
            tx = async_memcpy(bio.buffer, page, bio_offset, page_offset, length, submit)
    sh.toread_mask &= ~sh.wantfill
    _submit_last(conf, sh, ASYNC_TX_ACK, tx, ops_complete_biofill)
    async_trigger_callback(submit)


def ops_complete_biofill(context: Context) -> None:
    """End the parts of bios that have their data."""
    _, sh = context
    sh.wantfill = 0
    sh.state &= ~STRIPE_BIOFILL_RUN
    done, sh.read = sh.read, {}
    for segments in done.values():
        for bio, _, _, _ in segments:
            bio.put()
    _complete(context)


def ops_run_biodrain(conf: R5Conf, sh: StripeHead, tx: Tx) -> Tx:
    """Copy new data from the bios that write into the stripe."""
    submit = conf.submit
    for member in members(sh.wantdrain):
        segments = sh.written[member] = sh.towrite.pop(member)
        page = _page(sh, member)
        for bio, page_offset, bio_offset, length in segments:
            if bio.fua:
                sh.wantfua |= 1 << member
            init_async_submit(submit, ASYNC_TX_FENCE, tx, None, None, None)
            tx = async_memcpy(page, bio.buffer, page_offset, bio_offset, length, submit)
    drained = sh.wantdrain
    sh.wantdrain = 0
    sh.written_mask |= drained
    sh.towrite_mask &= ~drained
    sh.overwrite &= ~drained
    return tx


# -- computing what is missing ------------------------------------------------------------------


def ops_run_compute5(conf: R5Conf, sh: StripeHead) -> Tx:
    """Target = xor of all other members."""
    return _compute_by_xor(conf, sh, sh.plan.all_mask ^ (1 << sh.target))


def ops_run_compute6_1(conf: R5Conf, sh: StripeHead) -> Tx:
    """Compute one member: Q by the syndrome, any other by P."""
    if sh.target != sh.plan.qd_idx:
        return _compute_by_xor(conf, sh, sh.plan.all_mask & ~(1 << sh.target | sh.plan.q_bit))
    *data, _, q = _syndrome_blocks(sh)
    blocks = [*data, None, q]
    submit = _submit_last(conf, sh, ASYNC_TX_FENCE, None, ops_complete_compute)
    return async_gen_syndrome(blocks, 0, len(blocks), sh.size, submit)


def ops_run_compute6_2(conf: R5Conf, sh: StripeHead) -> Tx:
    """Compute two members."""
    plan = sh.plan
    submit = conf.submit
    blocks = _syndrome_blocks(sh)
    disks = len(blocks)
    slots = sorted((plan.slot_of[sh.target], plan.slot_of[sh.target2]))
    p_slot = plan.syndrome_disks
    if slots[1] == p_slot + 1:
        if slots[0] == p_slot:
            submit = _submit_last(conf, sh, ASYNC_TX_FENCE, None, ops_complete_compute)
            return async_gen_syndrome(blocks, 0, disks, sh.size, submit)
        # Data and Q: the data by P, then Q; P comes out as it was.
        target = sh.target2 if sh.target == plan.qd_idx else sh.target
        sources = _pages(sh, plan.all_mask & ~(1 << target | plan.q_bit))
        init_async_submit(submit, ASYNC_TX_FENCE | ASYNC_TX_XOR_ZERO_DST, None, None, None, None)
        tx = async_xor(_page(sh, target), sources, 0, len(sources), sh.size, submit)
        submit = _submit_last(conf, sh, ASYNC_TX_FENCE, tx, ops_complete_compute)
        return async_gen_syndrome(blocks, 0, disks, sh.size, submit)
    submit = _submit_last(conf, sh, ASYNC_TX_FENCE, None, ops_complete_compute)
    if slots[1] == p_slot:
        return async_raid6_datap_recov(disks, sh.size, slots[0], blocks, submit)
    return async_raid6_2data_recov(disks, sh.size, slots[0], slots[1], blocks, submit)


def _compute_by_xor(conf: R5Conf, sh: StripeHead, source_mask: int) -> Tx:
    submit = _submit_last(
        conf, sh, ASYNC_TX_FENCE | ASYNC_TX_XOR_ZERO_DST, None, ops_complete_compute
    )
    return _xor_or_copy(sh, _page(sh, sh.target), _pages(sh, source_mask), submit)


def ops_complete_compute(context: Context) -> None:
    """The targets are up to date."""
    _, sh = context
    sh.uptodate |= sh.wantcompute
    sh.wantcompute = 0
    sh.state &= ~STRIPE_COMPUTE_RUN
    if sh.check_state == CHECK_COMPUTE_RUN:
        sh.check_state = CHECK_COMPUTE_RESULT
    _complete(context)


# -- new parity ---------------------------------------------------------------------------------


def ops_run_prexor5(conf: R5Conf, sh: StripeHead, tx: Tx) -> Tx:
    """Take the old data, about to be overwritten, out of P."""
    parity = _page(sh, sh.plan.pd_idx)
    sources = [parity, *_pages(sh, sh.wantdrain)]
    submit = conf.submit
    init_async_submit(submit, ASYNC_TX_FENCE | ASYNC_TX_XOR_DROP_DST, tx, None, None, None)
    return async_xor(parity, sources, 0, len(sources), sh.size, submit)


def ops_run_prexor6(conf: R5Conf, sh: StripeHead, tx: Tx) -> Tx:
    """Take the old data, about to be overwritten, out of P and Q."""
    blocks = _syndrome_blocks(sh, sh.wantdrain)
    submit = conf.submit
    init_async_submit(submit, ASYNC_TX_FENCE | ASYNC_TX_PQ_XOR_DST, tx, None, None, None)
    return async_gen_syndrome(blocks, 0, len(blocks), sh.size, submit)


def ops_run_reconstruct5(conf: R5Conf, sh: StripeHead, tx: Tx) -> Tx:
    """P from the new data alone, or from P without the old data and the new."""
    parity = _page(sh, sh.plan.pd_idx)
    if sh.reconstruct_state == RECONSTRUCT_PREXOR_DRAIN_RUN:
        sources = [parity, *_pages(sh, sh.written_mask)]
        flags = ASYNC_TX_ACK | ASYNC_TX_XOR_DROP_DST
    else:
        sources = _pages(sh, sh.plan.data_mask)
        flags = ASYNC_TX_ACK | ASYNC_TX_XOR_ZERO_DST
    submit = _submit_last(conf, sh, flags, tx, ops_complete_reconstruct)
    return _xor_or_copy(sh, parity, sources, submit)


def ops_run_reconstruct6(conf: R5Conf, sh: StripeHead, tx: Tx) -> Tx:
    """P and Q from the new data alone, or from what is left of them and the new."""
    if sh.reconstruct_state == RECONSTRUCT_PREXOR_DRAIN_RUN:
        blocks = _syndrome_blocks(sh, sh.written_mask)
        flags = ASYNC_TX_ACK | ASYNC_TX_PQ_XOR_DST
    else:
        blocks = _syndrome_blocks(sh)
        flags = ASYNC_TX_ACK
    submit = _submit_last(conf, sh, flags, tx, ops_complete_reconstruct)
    return async_gen_syndrome(blocks, 0, len(blocks), sh.size, submit)


def ops_complete_reconstruct(context: Context) -> None:
    """New data and parity are up to date and can be written."""
    _, sh = context
    sh.uptodate |= sh.written_mask | sh.plan.parity_mask
    if sh.wantfua:
        sh.wantfua |= sh.plan.parity_mask  # a write is not safe before its parity is
    if sh.reconstruct_state == RECONSTRUCT_DRAIN_RUN:
        sh.reconstruct_state = RECONSTRUCT_DRAIN_RESULT
    elif sh.reconstruct_state == RECONSTRUCT_PREXOR_DRAIN_RUN:
        sh.reconstruct_state = RECONSTRUCT_PREXOR_DRAIN_RESULT
    _complete(context)


# -- checks -------------------------------------------------------------------------------------


def ops_run_check_p(conf: R5Conf, sh: StripeHead) -> None:
    """Tell whether P is the xor of the data."""
    plan = sh.plan
    parity = _page(sh, plan.pd_idx)
    sources = [parity, *_pages(sh, plan.data_mask)]
    result = sh.zero_sum_result = SumCheck()
    submit = conf.submit
    init_async_submit(submit, 0, None, None, None, None)
    tx = async_xor_val(parity, sources, 0, len(sources), sh.size, result, submit)
    _submit_last(conf, sh, ASYNC_TX_ACK, tx, ops_complete_check)
    async_trigger_callback(submit)


def ops_run_check_pq(conf: R5Conf, sh: StripeHead, *, check_p: bool) -> None:
    """Tell whether P and Q, or Q alone, are those of the data."""
    *data, p, q = _syndrome_blocks(sh)
    blocks = [*data, p if check_p else None, q]
    result = sh.zero_sum_result = SumCheck()
    submit = _submit_last(conf, sh, ASYNC_TX_ACK, None, ops_complete_check)
    async_syndrome_val(blocks, 0, len(blocks), sh.size, result, conf.spare_page, submit)


def ops_complete_check(context: Context) -> None:
    """``zero_sum_result`` is valid."""
    context[1].check_state = CHECK_RESULT
    _complete(context)


# -- what the chains share ----------------------------------------------------------------------


def _submit_last(
    conf: R5Conf,
    sh: StripeHead,
    flags: int,
    depend_tx: Tx,
    callback: Callable[[Any], None],
) -> AsyncSubmitCtl:
    """Prepare the last operation of a chain, whose callback holds a reference of its own."""
    sh.count += 1
    init_async_submit(conf.submit, flags, depend_tx, callback, (conf, sh), None)
    return conf.submit


def _complete(context: Context) -> None:
    conf, sh = context
    sh.state |= STRIPE_HANDLE
    conf.cache.release_stripe(sh)


def _xor_or_copy(sh: StripeHead, dest: Page, sources: list[Page], submit: AsyncSubmitCtl) -> Tx:
    """Xor, or copy where there is but one source, as with two members."""
    if len(sources) == 1:
        submit.flags &= ~(ASYNC_TX_XOR_DROP_DST | ASYNC_TX_XOR_ZERO_DST)
        return async_memcpy(dest, sources[0], 0, 0, sh.size, submit)
    return async_xor(dest, sources, 0, len(sources), sh.size, submit)


def _page(sh: StripeHead, member: int) -> Page:
    page = sh.slab.pages[member]
    assert page is not None
    return page


def _pages(sh: StripeHead, mask: int) -> list[Page]:
    """The buffers of the members in ``mask``, highest first."""
    pages = sh.slab.pages
    return [page for member in members(mask) if (page := pages[member]) is not None]


def _syndrome_blocks(sh: StripeHead, mask: int = -1) -> tuple[Page | None, ...]:
    """Data in the order of Q's coefficients, P, Q; data outside of ``mask`` left out."""
    return sh.plan.syndrome_blocks(sh.slab.pages, mask)
