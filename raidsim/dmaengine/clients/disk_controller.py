"""A device-to-memory client: a disk controller whose bytes arrive by DMA on a channel of its own.

It holds a slave channel exclusively, as such a user must (async-tx-api.txt 4.2).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from raidsim.dmaengine.constants import (
    DMA_CTRL_ACK,
    DMA_FROM_DEVICE,
    DMA_PREP_INTERRUPT,
    DMA_SLAVE,
    DMA_TO_DEVICE,
)
from raidsim.dmaengine.errors import DmaBusyError
from raidsim.dmaengine.registry import dma_release_channel, dma_request_channel

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.dmaengine.channel import Buffer
    from raidsim.machine import Machine


class DiskController:
    """A disk and the channel that its bytes come and go by.

    Commands queue up and are carried out in order.

    Args:
        machine: It needs a device with free slave channels.
        media: What the disk holds.

    Attributes:
        chan: Its channel.

    Raises:
        DmaBusyError: No slave channel is free.
    """

    def __init__(self, machine: Machine, media: Buffer) -> None:
        chan = dma_request_channel(machine, {DMA_SLAVE})
        if chan is None:
            raise DmaBusyError("disk controller: no slave channel is free")
        chan.client_name = "disk_controller"
        chan.slave_config(self)
        self.chan = chan
        self._media = media
        self._offsets: deque[int] = deque()

    def read(self, offset: int, buffer: Buffer, done: Callable[[], object]) -> None:
        """Fill ``buffer`` from byte ``offset`` of the disk on, then call ``done()``."""
        self._command(offset, buffer, DMA_FROM_DEVICE, done)

    def write(self, offset: int, buffer: Buffer, done: Callable[[], object]) -> None:
        """Write ``buffer`` to byte ``offset`` of the disk, then call ``done()``."""
        self._command(offset, buffer, DMA_TO_DEVICE, done)

    def close(self) -> None:
        """Give the channel back."""
        dma_release_channel(self.chan)

    def read_into(self, buffer: Buffer) -> None:
        """Hand over what the present command reads: the channel asks for it."""
        offset = self._offsets.popleft()
        buffer[:] = self._media[offset : offset + len(buffer)]

    def write_from(self, buffer: Buffer) -> None:
        """Take what the present command writes: the channel brings it."""
        offset = self._offsets.popleft()
        self._media[offset : offset + len(buffer)] = buffer

    def _command(
        self, offset: int, buffer: Buffer, direction: int, done: Callable[[], object]
    ) -> None:
        tx = self.chan.prep_slave_sg([buffer], direction, DMA_CTRL_ACK | DMA_PREP_INTERRUPT)
        if tx is None:
            raise DmaBusyError(f"disk controller: {self.chan.name} has no descriptor left")
        self._offsets.append(offset)
        tx.callback = lambda _param: done()
        tx.tx_submit()
        self.chan.issue_pending()
