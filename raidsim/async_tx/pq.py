"""RAID6 syndrome generation and validation offload (crypto/async_tx/async_pq.c).

Blocks come as data 0 to disks - 3, then P, then Q. P is the xor of the data, Q the sum of 2^i
times data i in GF(2^8); a data block that is None stands for zeros.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.async_tx.errors import OperationError
from raidsim.async_tx.submit import (
    ASYNC_TX_ACK,
    ASYNC_TX_FENCE,
    ASYNC_TX_PQ_XOR_DST,
    async_tx_find_channel,
    async_tx_submit,
    async_tx_sync_epilog,
    begin_software,
    check_submission,
    prepare_descriptor,
)
from raidsim.dmaengine import (
    DMA_PQ,
    DMA_PQ_VAL,
    DMA_PREP_CONTINUE,
    DMA_PREP_FENCE,
    DMA_PREP_INTERRUPT,
    DMA_PREP_PQ_DISABLE_P,
    DMA_PREP_PQ_DISABLE_Q,
    SUM_CHECK_P_RESULT,
    SUM_CHECK_Q_RESULT,
)
from raidsim.raid6.tables import gfexp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raidsim.async_tx.submit import AsyncSubmitCtl
    from raidsim.dmaengine import Buffer, DmaAsyncTxDescriptor, DmaChan, SumCheck

_MAX_DISKS = 255


def async_gen_syndrome(
    blocks: Sequence[Buffer | None],
    offset: int,
    disks: int,
    length: int,
    submit: AsyncSubmitCtl,
) -> DmaAsyncTxDescriptor | None:
    """Generate P and Q, or one of them where the other is None (async-tx-api.txt 3.2, pq).

    More sources than the engine takes at once become a chain of descriptors, each of which
    carries on what the one before left in P and Q.

    Honoured flags: ``ASYNC_TX_ACK``, ``ASYNC_TX_FENCE``; ``ASYNC_TX_PQ_XOR_DST``: xor the new
    syndrome into what P and Q hold, which only software can do.

    Args:
        blocks: Data, P and Q: at least ``disks`` entries.
        offset: Where the blocks begin in every buffer, in bytes.
        disks: How many blocks, P and Q included; at most 255.
        length: Bytes per block.
        submit: On return, ``submit.depend_tx`` is the queued descriptor if there is one.

    Returns:
        The queued descriptor, or None when P and Q are written.

    Raises:
        OperationError: Too many disks, or neither P nor Q.
        AsyncTxError: The submission breaks a rule of the document.
    """
    check_submission(submit)
    p, q = blocks[disks - 2], blocks[disks - 1]
    if not 3 <= disks <= _MAX_DISKS:
        raise OperationError(f"async_gen_syndrome takes 3 to {_MAX_DISKS} disks, not {disks}")
    if p is None and q is None:
        raise OperationError("async_gen_syndrome: P and Q are both missing, nothing to generate")
    chan = async_tx_find_channel(submit, DMA_PQ)
    if chan is not None and not submit.flags & ASYNC_TX_PQ_XOR_DST:
        device = chan.device
        sources, coefficients = _sources(blocks, disks)
        if (
            sources
            and not (offset | length) & (device.pq_align - 1)
            and device.min_length <= length <= device.max_length
        ):
            tx = _do_async_gen_syndrome(chan, (p, q), sources, coefficients, offset, length, submit)
            submit.machine.async_tx_stats.offloaded.add("pq", length)
            return tx
    begin_software("pq", length, submit)
    cpu = submit.machine.cpu
    if cpu is not None:
        updates = submit.flags & ASYNC_TX_PQ_XOR_DST
        cpu.compute("xor_syndrome" if updates else "pq", _count(blocks[: disks - 2]), length)
    sanitizer = submit.machine.sanitizer
    if sanitizer is not None:
        reads = present_extents(blocks[: disks - 2], offset, length)
        writes = present_extents((p, q), offset, length)
        sanitizer.cpu("pq in software", reads, writes)
    raid6 = submit.machine.raid6
    if len(blocks) != disks:
        blocks = blocks[:disks]
    if submit.flags & ASYNC_TX_PQ_XOR_DST:
        raid6.xor_syndrome(blocks, 0, disks - 3, length, offset)  # those that are there
    else:
        raid6.gen_syndrome(blocks, length, offset)
    async_tx_sync_epilog(submit)
    return None


def async_syndrome_val(
    blocks: Sequence[Buffer | None],
    offset: int,
    disks: int,
    length: int,
    pqres: SumCheck,
    spare: Buffer | None,
    submit: AsyncSubmitCtl,
) -> DmaAsyncTxDescriptor | None:
    """Tell whether P and Q, or the one there is, fit the data (async-tx-api.txt 3.2, pq_val).

    P and Q are only read. Honoured flags: ``ASYNC_TX_ACK``, ``ASYNC_TX_FENCE``.

    Args:
        blocks: Data, P and Q: at least ``disks`` entries.
        offset: Where the blocks begin in every buffer, in bytes.
        disks: How many blocks, P and Q included; 4 to 255.
        length: Bytes per block.
        pqres: Its flags become 0 or the ``SUM_CHECK_*_RESULT`` bits of what does not fit.
        spare: Room for ``offset`` + ``length`` bytes, which the synchronous path needs.
        submit: On return, ``submit.depend_tx`` is the queued descriptor if there is one.

    Returns:
        The queued descriptor, or None when ``pqres`` is set.

    Raises:
        OperationError: The number of disks is out of range, there is neither P nor Q, or no
            engine takes it and there is no spare.
        AsyncTxError: The submission breaks a rule of the document.
    """
    check_submission(submit)
    p, q = blocks[disks - 2], blocks[disks - 1]
    if not 4 <= disks <= _MAX_DISKS:
        raise OperationError(f"async_syndrome_val takes 4 to {_MAX_DISKS} disks, not {disks}")
    if p is None and q is None:
        raise OperationError("async_syndrome_val: P and Q are both missing, nothing to validate")
    chan = async_tx_find_channel(submit, DMA_PQ_VAL)
    if chan is not None:
        device = chan.device
        sources, coefficients = _sources(blocks, disks)
        if (
            sources
            and disks <= device.max_pq
            and not (offset | length) & (device.pq_align - 1)
            and device.min_length <= length <= device.max_length
        ):
            flags = DMA_PREP_INTERRUPT if submit.cb_fn is not None else 0
            if submit.flags & ASYNC_TX_FENCE:
                flags |= DMA_PREP_FENCE
            tx = prepare_descriptor(
                chan,
                submit,
                chan.prep_dma_pq_val,
                (p, q),
                sources,
                coefficients,
                offset,
                length,
                pqres,
                flags | _disabled(p, q),
            )
            async_tx_submit(chan, tx, submit)
            submit.depend_tx = tx
            submit.machine.async_tx_stats.offloaded.add("pq_val", length)
            return tx
    if spare is None:
        raise OperationError("async_syndrome_val: no engine validates this, so it needs a spare")
    begin_software("pq_val", length, submit)
    cpu = submit.machine.cpu
    if cpu is not None:
        cpu.compute("pq_val", _count(blocks[: disks - 2]), length)
    sanitizer = submit.machine.sanitizer
    if sanitizer is not None:
        reads = present_extents(blocks[:disks], offset, length)
        sanitizer.cpu("pq_val in software", reads, [(spare, offset, length)])
    pqres.flags = _mismatch(blocks, offset, disks, length, spare, submit)
    async_tx_sync_epilog(submit)
    return None


def present_extents(
    blocks: Sequence[Buffer | None], offset: int, length: int
) -> list[tuple[Buffer, int, int]]:
    """Return the bytes that an operation on ``blocks`` touches, for the sanitizer."""
    return [(block, offset, length) for block in blocks if block is not None]


def _sources(blocks: Sequence[Buffer | None], disks: int) -> tuple[list[Buffer], list[int]]:
    """Squeeze out what is None; every block keeps the coefficient of its place."""
    sources = []
    coefficients = []
    for index in range(disks - 2):
        block = blocks[index]
        if block is not None:
            sources.append(block)
            coefficients.append(gfexp[index])
    return sources, coefficients


def _count(blocks: Sequence[Buffer | None]) -> int:
    return sum(block is not None for block in blocks)


def _disabled(p: Buffer | None, q: Buffer | None) -> int:
    if p is None:
        return DMA_PREP_PQ_DISABLE_P
    return DMA_PREP_PQ_DISABLE_Q if q is None else 0


def _do_async_gen_syndrome(
    chan: DmaChan,
    pq: tuple[Buffer | None, Buffer | None],
    sources: list[Buffer],
    coefficients: list[int],
    offset: int,
    length: int,
    submit: AsyncSubmitCtl,
) -> DmaAsyncTxDescriptor:
    """Queue as many descriptors as ``max_pq`` asks for; all but the last are only links."""
    device = chan.device
    flags_orig, cb_fn = submit.flags, submit.cb_fn
    disabled = _disabled(*pq)
    dma_flags = disabled
    start = 0
    while True:
        stop = start + device.dma_maxpq(dma_flags)
        if stop < len(sources):
            submit.flags = (flags_orig & ~ASYNC_TX_ACK) | ASYNC_TX_FENCE
            submit.cb_fn = None
        else:
            submit.flags, submit.cb_fn = flags_orig, cb_fn
            if cb_fn is not None:
                dma_flags |= DMA_PREP_INTERRUPT
        if submit.flags & ASYNC_TX_FENCE:
            dma_flags |= DMA_PREP_FENCE
        tx = prepare_descriptor(
            chan,
            submit,
            chan.prep_dma_pq,
            pq,
            sources[start:stop],
            coefficients[start:stop],
            offset,
            length,
            dma_flags,
        )
        async_tx_submit(chan, tx, submit)
        submit.depend_tx = tx
        if stop >= len(sources):
            return tx
        start = stop
        dma_flags = disabled | DMA_PREP_CONTINUE


def _mismatch(
    blocks: Sequence[Buffer | None],
    offset: int,
    disks: int,
    length: int,
    spare: Buffer,
    submit: AsyncSubmitCtl,
) -> int:
    """Generate anew, beside what is to be validated, and compare."""
    machine = submit.machine
    p, q = blocks[disks - 2], blocks[disks - 1]
    new_p, new_q = machine.scratch(offset + length), spare
    anew = [*blocks[: disks - 2], None if p is None else new_p, None if q is None else new_q]
    machine.raid6.gen_syndrome(anew, length, offset)
    flags = 0
    if p is not None and not machine.raid6.equal(p, new_p, length, offset):
        flags |= SUM_CHECK_P_RESULT
    if q is not None and not machine.raid6.equal(q, new_q, length, offset):
        flags |= SUM_CHECK_Q_RESULT
    return flags
