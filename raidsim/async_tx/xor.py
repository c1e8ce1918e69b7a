"""Xor and xor validation offload (crypto/async_tx/async_xor.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.async_tx.errors import OperationError
from raidsim.async_tx.submit import (
    ASYNC_TX_ACK,
    ASYNC_TX_FENCE,
    ASYNC_TX_XOR_DROP_DST,
    async_tx_find_channel,
    async_tx_submit,
    async_tx_sync_epilog,
    begin_software,
    check_submission,
    prepare_descriptor,
)
from raidsim.dmaengine import (
    DMA_PREP_FENCE,
    DMA_PREP_INTERRUPT,
    DMA_XOR,
    DMA_XOR_VAL,
    SUM_CHECK_P_RESULT,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raidsim.async_tx.submit import AsyncSubmitCtl
    from raidsim.dmaengine import Buffer, DmaAsyncTxDescriptor, DmaChan, SumCheck


def async_xor(
    dest: Buffer,
    src_list: Sequence[Buffer | None],
    offset: int,
    src_cnt: int,
    length: int,
    submit: AsyncSubmitCtl,
) -> DmaAsyncTxDescriptor | None:
    """Xor the sources and write the result to ``dest`` (async-tx-api.txt 3.2).

    More sources than the engine takes at once become a chain of descriptors, each of which has
    ``dest`` as its first source. Sources that are None are left out.

    Honoured flags: ``ASYNC_TX_ACK``, ``ASYNC_TX_FENCE``; ``ASYNC_TX_XOR_DROP_DST``: ``dest`` is
    also the first source; ``ASYNC_TX_XOR_ZERO_DST``: it is none, as without either flag.

    Args:
        dest: Where the result goes.
        src_list: At least ``src_cnt`` sources.
        offset: Where the blocks begin in every buffer, in bytes.
        src_cnt: How many sources; at least 2.
        length: Bytes per block.
        submit: On return, ``submit.depend_tx`` is the queued descriptor if there is one.

    Returns:
        The queued descriptor, or None when ``dest`` is written.

    Raises:
        OperationError: Fewer than two sources, or ``DROP_DST`` and ``dest`` is not the first.
        AsyncTxError: The submission breaks a rule of the document.
    """
    check_submission(submit)
    if src_cnt < 2:
        raise OperationError(f"async_xor takes at least 2 sources, not {src_cnt}")
    if submit.flags & ASYNC_TX_XOR_DROP_DST and src_list[0] is not dest:
        raise OperationError("ASYNC_TX_XOR_DROP_DST: the destination must be the first source")
    sources = [source for source in src_list[:src_cnt] if source is not None]
    chan = async_tx_find_channel(submit, DMA_XOR)
    if chan is not None and sources:
        device = chan.device
        if (
            not (offset | length) & (device.xor_align - 1)
            and device.min_length <= length <= device.max_length
        ):
            tx = _do_async_xor(chan, dest, sources, offset, length, submit)
            submit.machine.async_tx_stats.offloaded.add("xor", length)
            return tx
    begin_software("xor", length, submit)
    cpu = submit.machine.cpu
    if cpu is not None:
        cpu.compute("xor", len(sources), length)
    sanitizer = submit.machine.sanitizer
    if sanitizer is not None:
        reads = [(source, offset, length) for source in sources]
        sanitizer.cpu("xor in software", reads, [(dest, offset, length)])
    if sources:
        submit.machine.raid6.xor_gen(dest, sources, length, offset)
    else:
        dest[offset : offset + length] = 0
    async_tx_sync_epilog(submit)
    return None


def async_xor_val(
    dest: Buffer,
    src_list: Sequence[Buffer],
    offset: int,
    src_cnt: int,
    length: int,
    result: SumCheck,
    submit: AsyncSubmitCtl,
) -> DmaAsyncTxDescriptor | None:
    """Tell whether the xor of the sources is zero (async-tx-api.txt 3.2).

    Nothing but ``result`` is written, on engines as in software. Honoured flags:
    ``ASYNC_TX_ACK``, ``ASYNC_TX_FENCE``.

    Args:
        dest: The block that should be the xor of the others; the first source.
        src_list: At least ``src_cnt`` sources.
        offset: Where the blocks begin in every buffer, in bytes.
        src_cnt: How many sources; at least 2.
        length: Bytes per block.
        result: Its flags become 0, or ``SUM_CHECK_P_RESULT`` when the result is not zero.
        submit: On return, ``submit.depend_tx`` is the queued descriptor if there is one.

    Returns:
        The queued descriptor, or None when ``result`` is set.

    Raises:
        OperationError: Fewer than two sources, or ``dest`` is not the first.
        AsyncTxError: The submission breaks a rule of the document.
    """
    check_submission(submit)
    if src_cnt < 2:
        raise OperationError(f"async_xor_val takes at least 2 sources, not {src_cnt}")
    if src_list[0] is not dest:
        raise OperationError("async_xor_val: the destination must be the first source")
    chan = async_tx_find_channel(submit, DMA_XOR_VAL)
    if chan is not None:
        device = chan.device
        if (
            src_cnt <= device.max_xor
            and not (offset | length) & (device.xor_align - 1)
            and device.min_length <= length <= device.max_length
        ):
            return _do_async_xor_val(chan, src_list[:src_cnt], offset, length, result, submit)
    begin_software("xor_val", length, submit)
    machine = submit.machine
    if machine.cpu is not None:
        machine.cpu.compute("xor_val", src_cnt, length)
    if machine.sanitizer is not None:
        reads = [(source, offset, length) for source in src_list[:src_cnt]]
        machine.sanitizer.cpu("xor_val in software", reads, ())
    expected = machine.scratch(offset + length)
    machine.raid6.xor_gen(expected, src_list[1:src_cnt], length, offset)
    equal = machine.raid6.equal(dest, expected, length, offset)
    result.flags = 0 if equal else SUM_CHECK_P_RESULT
    async_tx_sync_epilog(submit)
    return None


def _do_async_xor(
    chan: DmaChan,
    dest: Buffer,
    sources: list[Buffer],
    offset: int,
    length: int,
    submit: AsyncSubmitCtl,
) -> DmaAsyncTxDescriptor:
    """Queue as many descriptors as ``max_xor`` asks for; all but the last are only links."""
    device = chan.device
    flags_orig, cb_fn = submit.flags, submit.cb_fn
    max_xor = device.max_xor
    while True:
        piece = sources[:max_xor]
        sources = sources[max_xor:]
        dma_flags = 0
        if sources:
            submit.flags = (flags_orig & ~ASYNC_TX_ACK) | ASYNC_TX_FENCE
            submit.cb_fn = None
        else:
            submit.flags, submit.cb_fn = flags_orig, cb_fn
            if cb_fn is not None:
                dma_flags = DMA_PREP_INTERRUPT
        if submit.flags & ASYNC_TX_FENCE:
            dma_flags |= DMA_PREP_FENCE
        tx = prepare_descriptor(
            chan, submit, chan.prep_dma_xor, dest, piece, offset, length, dma_flags
        )
        async_tx_submit(chan, tx, submit)
        submit.depend_tx = tx
        if not sources:
            return tx
        sources.insert(0, dest)


def _do_async_xor_val(
    chan: DmaChan,
    sources: Sequence[Buffer],
    offset: int,
    length: int,
    result: SumCheck,
    submit: AsyncSubmitCtl,
) -> DmaAsyncTxDescriptor:
    flags = DMA_PREP_INTERRUPT if submit.cb_fn is not None else 0
    if submit.flags & ASYNC_TX_FENCE:
        flags |= DMA_PREP_FENCE
    tx = prepare_descriptor(
        chan, submit, chan.prep_dma_xor_val, sources, offset, length, result, flags
    )
    async_tx_submit(chan, tx, submit)
    submit.depend_tx = tx
    submit.machine.async_tx_stats.offloaded.add("xor_val", length)
    return tx
