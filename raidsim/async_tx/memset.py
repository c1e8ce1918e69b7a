"""Fill offload (crypto/async_tx/async_memset.c)."""

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
from raidsim.dmaengine import DMA_MEMSET, DMA_PREP_FENCE, DMA_PREP_INTERRUPT

if TYPE_CHECKING:
    from raidsim.async_tx.submit import AsyncSubmitCtl
    from raidsim.dmaengine import Buffer, DmaAsyncTxDescriptor


def async_memset(
    dest: Buffer, value: int, offset: int, length: int, submit: AsyncSubmitCtl
) -> DmaAsyncTxDescriptor | None:
    """Fill ``length`` bytes with the low byte of ``value`` (async-tx-api.txt 3.2).

    Honoured flags: ``ASYNC_TX_ACK``, ``ASYNC_TX_FENCE``.

    Returns:
        The queued descriptor, or None when the fill is done.

    Raises:
        AsyncTxError: The submission breaks a rule of the document.
    """
    check_submission(submit)
    chan = async_tx_find_channel(submit, DMA_MEMSET)
    if chan is not None:
        device = chan.device
        if (
            not (offset | length) & (device.fill_align - 1)
            and device.min_length <= length <= device.max_length
        ):
            flags = DMA_PREP_INTERRUPT if submit.cb_fn is not None else 0
            if submit.flags & ASYNC_TX_FENCE:
                flags |= DMA_PREP_FENCE
            tx = chan.prep_dma_memset(dest, value, offset, length, flags)
            if tx is not None:
                async_tx_submit(chan, tx, submit)
                submit.machine.async_tx_stats.offloaded.add("memset", length)
                return tx
    begin_software("memset", length, submit)
    cpu = submit.machine.cpu
    if cpu is not None:
        cpu.compute("memset", 1, length)
    sanitizer = submit.machine.sanitizer
    if sanitizer is not None:
        sanitizer.cpu("memset in software", (), [(dest, offset, length)])
    dest[offset : offset + length] = value & 0xFF
    async_tx_sync_epilog(submit)
    return None
