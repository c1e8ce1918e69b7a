"""A memory-to-memory client: received packets are copied to their readers by DMA.

It is what the network stack's offload was (net/core/user_dma.c of Linux 2.6.35): a holder of
dmaengine that shares the public channels with everybody else, and the only one that counts what
it copies in the channels' ``memcpy_count`` and ``bytes_transferred``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.dmaengine.completion import dma_sync_wait
from raidsim.dmaengine.constants import DMA_COMPLETE, DMA_CTRL_ACK, DMA_MEMCPY
from raidsim.dmaengine.errors import DmaengineError
from raidsim.dmaengine.registry import dma_find_channel, dmaengine_get, dmaengine_put

if TYPE_CHECKING:
    from raidsim.dmaengine.channel import Buffer, DmaChan
    from raidsim.machine import Machine


def dma_async_memcpy_buf_to_buf(chan: DmaChan, dest: Buffer, src: Buffer) -> int | None:
    """Copy ``src`` to ``dest``, which is as long (drivers/dma/dmaengine.c).

    Returns:
        The cookie, or None when the channel has no descriptor left.
    """
    tx = chan.prep_dma_memcpy(dest, 0, src, 0, len(src), DMA_CTRL_ACK)
    if tx is None:
        return None
    chan.memcpy_count += 1
    chan.bytes_transferred += len(src)
    return tx.tx_submit()


class NetDma:
    """A socket's receive path.

    Attributes:
        offloaded: Packets copied by an engine.
        copied: Packets copied by the CPU, for want of a channel or of a descriptor.
    """

    def __init__(self, machine: Machine) -> None:
        self.offloaded = 0
        self.copied = 0
        self._machine = machine
        self._pending: dict[DmaChan, int] = {}
        dmaengine_get(machine)

    def receive(self, packet: Buffer, dest: Buffer) -> None:
        """Begin to copy a packet to its reader's buffer, which is as long."""
        chan = dma_find_channel(self._machine, DMA_MEMCPY)
        device = None if chan is None else chan.device
        cookie = None
        if (
            chan is not None
            and device is not None
            and device.min_length <= len(packet) <= device.max_length
            and not len(packet) & (device.copy_align - 1)
        ):
            cookie = dma_async_memcpy_buf_to_buf(chan, dest, packet)
            if cookie is not None:
                self._pending[chan] = cookie
        if cookie is None:
            dest[:] = packet
            self.copied += 1
        else:
            self.offloaded += 1

    def drain(self) -> None:
        """Wait until all packets have reached their readers.

        Raises:
            DmaengineError: A copy did not complete.
        """
        while self._pending:
            chan, cookie = self._pending.popitem()
            if dma_sync_wait(chan, cookie) != DMA_COMPLETE:
                raise DmaengineError(f"net_dma: a copy on {chan.name} did not complete")

    def close(self) -> None:
        """Wait for what is under way and hold dmaengine no longer."""
        self.drain()
        dmaengine_put(self._machine)
