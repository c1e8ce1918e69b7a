"""RAID6 recovery offload (crypto/async_tx/async_raid6_recov.c).

An engine knows no recovery, but it can generate a syndrome without the failed blocks, and with
one or two sources of a pq it multiplies. With P' and Q' that syndrome, a and b the failed data
blocks, and all arithmetic in GF(2^8):

    data b = (P + P') / (2^(b-a) + 1) + (Q + Q') / (2^a + 2^b)
    data a = P + P' + data b

Each step depends on the one before. The failed blocks hold the intermediate results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.async_tx.errors import OperationError
from raidsim.async_tx.memcpy import async_memcpy
from raidsim.async_tx.pq import async_gen_syndrome, present_extents
from raidsim.async_tx.submit import (
    ASYNC_TX_FENCE,
    ASYNC_TX_XOR_DROP_DST,
    ASYNC_TX_XOR_ZERO_DST,
    async_tx_find_channel,
    async_tx_quiesce,
    async_tx_submit,
    async_tx_sync_epilog,
    begin_software,
    check_submission,
    init_async_submit,
)
from raidsim.async_tx.xor import async_xor
from raidsim.dmaengine import DMA_PQ, DMA_PREP_FENCE, DMA_PREP_PQ_DISABLE_P
from raidsim.raid6.tables import gfexi, gfexp, gfinv

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raidsim.async_tx.submit import AsyncSubmitCtl
    from raidsim.dmaengine import Buffer, DmaAsyncTxDescriptor


def async_raid6_2data_recov(
    disks: int,
    length: int,
    faila: int,
    failb: int,
    blocks: Sequence[Buffer | None],
    submit: AsyncSubmitCtl,
) -> DmaAsyncTxDescriptor | None:
    """Recover two data blocks from the others, P and Q (async-tx-api.txt 3.2, 2data).

    Args:
        disks: How many blocks, P and Q included.
        length: Bytes per block.
        faila: Index of one failed data block.
        failb: Index of the other; the order does not matter.
        blocks: Data, P and Q: at least ``disks`` entries. The failed ones are written.
        submit: Flags and callback are those of the last step.

    Returns:
        The last queued descriptor, or None when both blocks are recovered.

    Raises:
        OperationError: The failed indices are equal or no data, or a block is missing.
        AsyncTxError: The submission breaks a rule of the document.
    """
    check_submission(submit)
    if faila == failb:
        raise OperationError(f"async_raid6_2data_recov: block {faila} can not fail twice")
    if faila > failb:
        faila, failb = failb, faila
    p, q = blocks[disks - 2], blocks[disks - 1]
    data_a = _failed(blocks, faila, disks)
    data_b = _failed(blocks, failb, disks)
    if p is None or q is None:
        raise OperationError("async_raid6_2data_recov needs both P and Q")
    if not _offloads(length, submit):
        begin_software("2data", length, submit)
        cpu = submit.machine.cpu
        if cpu is not None:
            cpu.compute("2data", len(_survivors(blocks, disks, faila, failb)), length)
        _check_software("2data", blocks[:disks], (data_a, data_b), length, submit)
        submit.machine.raid6.recover_2data(blocks[:disks], faila, failb, length)
        async_tx_sync_epilog(submit)
        return None
    submit.machine.async_tx_stats.offloaded.add("2data", length)

    flags, cb_fn, cb_param = submit.flags, submit.cb_fn, submit.cb_param
    coefficients = [gfexi[failb - faila], gfinv[gfexp[faila] ^ gfexp[failb]]]
    survivors = _survivors(blocks, disks, faila, failb)
    if not survivors:
        _next(submit, ASYNC_TX_FENCE, submit.depend_tx)
        tx = _sum_product(data_b, [p, q], coefficients, length, submit)
        init_async_submit(
            submit, flags | ASYNC_TX_XOR_ZERO_DST, tx, cb_fn, cb_param, submit.scribble
        )
        return async_xor(data_a, [p, data_b], 0, 2, length, submit)

    tx = _partial_syndrome(disks, survivors, (data_a, data_b), length, submit)
    tx = _xor_into(data_a, p, length, tx, submit)
    tx = _xor_into(data_b, q, length, tx, submit)
    _next(submit, ASYNC_TX_FENCE, tx)
    tx = _sum_product(data_b, [data_a, data_b], coefficients, length, submit)
    init_async_submit(submit, flags | ASYNC_TX_XOR_DROP_DST, tx, cb_fn, cb_param, submit.scribble)
    return async_xor(data_a, [data_a, data_b], 0, 2, length, submit)


def async_raid6_datap_recov(
    disks: int,
    length: int,
    faila: int,
    blocks: Sequence[Buffer | None],
    submit: AsyncSubmitCtl,
) -> DmaAsyncTxDescriptor | None:
    """Recover a data block and P from the other data and Q (async-tx-api.txt 3.2, datap).

    Args:
        disks: How many blocks, P and Q included.
        length: Bytes per block.
        faila: Index of the failed data block.
        blocks: Data, P and Q: at least ``disks`` entries. The failed one and P are written.
        submit: Flags and callback are those of the last step.

    Returns:
        The last queued descriptor, or None when both blocks are recovered.

    Raises:
        OperationError: The failed index is no data, or a block is missing.
        AsyncTxError: The submission breaks a rule of the document.
    """
    check_submission(submit)
    p, q = blocks[disks - 2], blocks[disks - 1]
    data_a = _failed(blocks, faila, disks)
    if p is None or q is None:
        raise OperationError("async_raid6_datap_recov needs the blocks of both P and Q")
    survivors = _survivors(blocks, disks, faila, faila)
    if not survivors or not _offloads(length, submit):
        begin_software("datap", length, submit)
        cpu = submit.machine.cpu
        if cpu is not None:
            cpu.compute("datap", len(survivors), length)
        _check_software("datap", blocks[:disks], (data_a, p), length, submit)
        submit.machine.raid6.recover_datap(blocks[:disks], faila, length)
        async_tx_sync_epilog(submit)
        return None
    submit.machine.async_tx_stats.offloaded.add("datap", length)

    flags, cb_fn, cb_param = submit.flags, submit.cb_fn, submit.cb_param
    tx = _partial_syndrome(disks, survivors, (p, data_a), length, submit)
    tx = _xor_into(data_a, q, length, tx, submit)
    _next(submit, ASYNC_TX_FENCE, tx)
    tx = _sum_product(data_a, [data_a], [gfinv[gfexp[faila]]], length, submit)
    init_async_submit(submit, flags | ASYNC_TX_XOR_DROP_DST, tx, cb_fn, cb_param, submit.scribble)
    return async_xor(p, [p, data_a], 0, 2, length, submit)


def _failed(blocks: Sequence[Buffer | None], index: int, disks: int) -> Buffer:
    if not 0 <= index < disks - 2:
        raise OperationError(f"raid6 recovery: block {index} is no data block of {disks} disks")
    block = blocks[index]
    if block is None:
        raise OperationError(f"raid6 recovery: failed block {index} needs a buffer to go to")
    return block


def _survivors(
    blocks: Sequence[Buffer | None], disks: int, faila: int, failb: int
) -> list[tuple[int, Buffer]]:
    return [
        (index, block)
        for index, block in enumerate(blocks[: disks - 2])
        if block is not None and index not in {faila, failb}
    ]


def _check_software(
    operation: str,
    reads: Sequence[Buffer | None],
    writes: Sequence[Buffer],
    length: int,
    submit: AsyncSubmitCtl,
) -> None:
    sanitizer = submit.machine.sanitizer
    if sanitizer is not None:
        sanitizer.cpu(
            f"{operation} in software",
            present_extents(reads, 0, length),
            present_extents(writes, 0, length),
        )


def _offloads(length: int, submit: AsyncSubmitCtl) -> bool:
    """Tell whether an engine multiplies blocks of this length."""
    chan = async_tx_find_channel(submit, DMA_PQ)
    if chan is None:
        return False
    device = chan.device
    return not length & (device.pq_align - 1) and device.min_length <= length <= device.max_length


def _next(submit: AsyncSubmitCtl, flags: int, tx: DmaAsyncTxDescriptor | None) -> None:
    """Set up a step that is not the last: no callback."""
    init_async_submit(submit, flags, tx, None, None, submit.scribble)


def _partial_syndrome(
    disks: int,
    survivors: list[tuple[int, Buffer]],
    pq: tuple[Buffer, Buffer],
    length: int,
    submit: AsyncSubmitCtl,
) -> DmaAsyncTxDescriptor | None:
    """Generate P' and Q' of the survivors into ``pq``, the first step of a recovery.

    Engines do not uniformly take a syndrome of one source, hence copy and multiply for that.
    """
    p, q = pq
    _next(submit, ASYNC_TX_FENCE, submit.depend_tx)
    if len(survivors) == 1:
        ((good, source),) = survivors
        tx = async_memcpy(p, source, 0, 0, length, submit)
        _next(submit, ASYNC_TX_FENCE, tx)
        return _sum_product(q, [source], [gfexp[good]], length, submit)
    partial: list[Buffer | None] = [None] * (disks - 2)
    for index, block in survivors:
        partial[index] = block
    return async_gen_syndrome([*partial, p, q], 0, disks, length, submit)


def _xor_into(
    dest: Buffer,
    source: Buffer,
    length: int,
    tx: DmaAsyncTxDescriptor | None,
    submit: AsyncSubmitCtl,
) -> DmaAsyncTxDescriptor | None:
    _next(submit, ASYNC_TX_FENCE | ASYNC_TX_XOR_DROP_DST, tx)
    return async_xor(dest, [dest, source], 0, 2, length, submit)


def _sum_product(
    dest: Buffer,
    sources: list[Buffer],
    coefficients: list[int],
    length: int,
    submit: AsyncSubmitCtl,
) -> DmaAsyncTxDescriptor | None:
    """Multiply one source, or add the products of two: a pq without P, of which Q is the result.

    ``dest`` may be a source.
    """
    chan = async_tx_find_channel(submit, DMA_PQ)
    if chan is not None:
        tx = chan.prep_dma_pq(
            (None, dest),
            sources,
            coefficients,
            0,
            length,
            DMA_PREP_PQ_DISABLE_P | DMA_PREP_FENCE,
        )
        if tx is not None:
            async_tx_submit(chan, tx, submit)
            return tx
    async_tx_quiesce(submit)
    cpu = submit.machine.cpu
    if cpu is not None:
        cpu.compute("sum_product", len(sources), length)
    _check_software("sum_product", sources, (dest,), length, submit)
    submit.machine.raid6.sum_product(dest, sources, coefficients, length)
    return None
