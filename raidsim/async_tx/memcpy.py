"""Copy offload (crypto/async_tx/async_memcpy.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.async_tx.submit import (
    ASYNC_TX_FENCE,
    async_tx_find_channel,
    async_tx_submit,
    async_tx_sync_epilog,
    begin_software,
    check_submission,
)
from raidsim.dmaengine import DMA_MEMCPY, DMA_PREP_FENCE, DMA_PREP_INTERRUPT

if TYPE_CHECKING:
    from raidsim.async_tx.submit import AsyncSubmitCtl
    from raidsim.dmaengine import Buffer, DmaAsyncTxDescriptor


def async_memcpy(
    dest: Buffer,
    src: Buffer,
    dest_offset: int,
    src_offset: int,
    length: int,
    submit: AsyncSubmitCtl,
) -> DmaAsyncTxDescriptor | None:
    """Copy ``length`` bytes (async-tx-api.txt 3.2).

    Offsets and length are bytes. Honoured flags: ``ASYNC_TX_ACK``, ``ASYNC_TX_FENCE``.

    Returns:
        The queued descriptor, or None when the copy is done.

    Raises:
        AsyncTxError: The submission breaks a rule of the document.
    """
    check_submission(submit)
    chan = async_tx_find_channel(submit, DMA_MEMCPY)
    if chan is not None:
        device = chan.device
        if (
            not (dest_offset | src_offset | length) & (device.copy_align - 1)
            and device.min_length <= length <= device.max_length
        ):
            flags = DMA_PREP_INTERRUPT if submit.cb_fn is not None else 0
            if submit.flags & ASYNC_TX_FENCE:
                flags |= DMA_PREP_FENCE
            tx = chan.prep_dma_memcpy(dest, dest_offset, src, src_offset, length, flags)
            if tx is not None:
                async_tx_submit(chan, tx, submit)
                submit.machine.async_tx_stats.offloaded.add("memcpy", length)
                return tx
    begin_software("memcpy", length, submit)
    cpu = submit.machine.cpu
    if cpu is not None:
        cpu.compute("memcpy", 1, length)
    sanitizer = submit.machine.sanitizer
    if sanitizer is not None:
        reads, writes = [(src, src_offset, length)], [(dest, dest_offset, length)]
        sanitizer.cpu("memcpy in software", reads, writes)
    dest[dest_offset : dest_offset + length] = src[src_offset : src_offset + length]
    async_tx_sync_epilog(submit)
    return None
