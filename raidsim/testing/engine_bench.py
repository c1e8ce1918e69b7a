"""The bench that an engine is checked on: a machine with it, blocks of bytes, and a few tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from raidsim.dmaengine import (
    DMA_COMPLETE,
    DMA_CTRL_ACK,
    DMA_INTERRUPT,
    DMA_MEMCPY,
    DMA_MEMSET,
    DMA_PQ,
    DMA_PQ_VAL,
    DMA_PREP_INTERRUPT,
    DMA_PRIVATE,
    DMA_XOR,
    DMA_XOR_VAL,
    SumCheck,
    dma_async_device_register,
    dma_request_channel,
    dma_sync_wait,
)
from raidsim.machine import Machine
from raidsim.testing.conformance import Nonconformity, require

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.dmaengine import Buffer, DmaAsyncTxDescriptor, DmaChan, DmaDevice

_OPERATIONS = frozenset(
    {DMA_MEMCPY, DMA_MEMSET, DMA_XOR, DMA_XOR_VAL, DMA_PQ, DMA_PQ_VAL, DMA_INTERRUPT}
)
# More pieces of work than any operation here comes to.
_MOST_STEPS = 1 << 20


class Point(NamedTuple):
    """One thing that the users of an engine rely on.

    Attributes:
        name: What a failure is reported as.
        rule: The rule, and where it stands.
        check: Raises ``Nonconformity`` where it is broken.
        needs: The capability it is about; None for any operation at all.
    """

    name: str
    rule: str
    check: Callable[[EngineBench], object]
    needs: int | None = None

    def applies(self, capabilities: set[int]) -> bool:
        """Tell whether a device with these capabilities has to conform."""
        if self.needs is None:
            return not capabilities.isdisjoint(_OPERATIONS)
        return self.needs in capabilities


class EngineBench:
    """A machine with one device of the driver.

    Attributes:
        machine: The machine.
        device: The device, registered.
        chan: Its first channel, which has a client.
        generator: Seeded random bytes.
    """

    def __init__(self, factory: Callable[[Machine], DmaDevice], *, timed: bool) -> None:
        self.machine = Machine(timed=timed, kernel="numpy")
        self.device = factory(self.machine)
        dma_async_device_register(self.device)
        self.chan: DmaChan = self.device.channels[0]
        if DMA_PRIVATE in self.device.cap_mask:
            dma_request_channel(
                self.machine, self.device.cap_mask, lambda chan, wanted: chan is wanted, self.chan
            )
        self.generator = np.random.default_rng(0)
        device = self.device
        align = max(device.copy_align, device.fill_align, device.xor_align, device.pq_align)
        self._simplest_blocks = self.blocks(4, self.length(align))

    @property
    def capabilities(self) -> set[int]:
        """What the device claims to be capable of."""
        return self.device.cap_mask

    def blocks(self, count: int, size: int) -> list[Buffer]:
        """Return so many blocks of random bytes."""
        return list(self.generator.integers(0, 256, (count, size), np.uint8))

    def length(self, align: int = 1) -> int:
        """Return the shortest length that suits the device and ``align``, a page at least."""
        return max(_round_up(self.device.min_length, align), 4096)

    def prepare(
        self, flags: int = 0, callback: Callable[[Any], object] | None = None, parameter: Any = None
    ) -> DmaAsyncTxDescriptor | None:
        """Prepare the simplest operation there is, on bytes that nobody looks at."""
        if callback is not None:
            flags |= DMA_PREP_INTERRUPT
        tx = self._prepare_simplest(flags)
        if tx is not None and callback is not None:
            tx.callback, tx.callback_param = callback, parameter
        return tx

    def _prepare_simplest(self, flags: int) -> DmaAsyncTxDescriptor | None:
        chan, capabilities = self.chan, self.capabilities
        dest, other, *sources = self._simplest_blocks
        length = dest.size
        if DMA_MEMCPY in capabilities:
            return chan.prep_dma_memcpy(dest, 0, sources[0], 0, length, flags)
        if DMA_MEMSET in capabilities:
            return chan.prep_dma_memset(dest, 0, 0, length, flags)
        if DMA_XOR in capabilities:
            return chan.prep_dma_xor(dest, sources, 0, length, flags)
        if DMA_PQ in capabilities:
            return chan.prep_dma_pq((dest, other), sources, [1, 2], 0, length, flags)
        if DMA_XOR_VAL in capabilities:
            return chan.prep_dma_xor_val(sources, 0, length, SumCheck(), flags)
        if DMA_PQ_VAL in capabilities:
            return chan.prep_dma_pq_val(
                (dest, other), sources, [1, 2], 0, length, SumCheck(), flags
            )
        return chan.prep_dma_interrupt(flags)

    def submit(
        self, flags: int = 0, callback: Callable[[Any], object] | None = None, parameter: Any = None
    ) -> DmaAsyncTxDescriptor:
        """Prepare the simplest operation and submit it."""
        tx = self.given(self.prepare(flags, callback, parameter))
        tx.tx_submit()
        return tx

    def given(self, tx: DmaAsyncTxDescriptor | None) -> DmaAsyncTxDescriptor:
        """Return ``tx``, which had to be prepared."""
        require(tx is not None, "preparation returned None although descriptors are free")
        assert tx is not None
        return tx

    def wait(self, cookie: int) -> None:
        """Issue what is pending and let everything up to ``cookie`` complete, callbacks and all."""
        status = dma_sync_wait(self.chan, cookie)
        require(status == DMA_COMPLETE, f"the operation did not complete: its status is {status}")
        self.settle()

    def settle(self) -> None:
        """Let devices and tasklets run until they have nothing more to do."""
        for _ in range(_MOST_STEPS):
            if not self.machine.sim.spin():
                return
        raise Nonconformity("the engine never comes to rest")

    def carry_out(self, tx: DmaAsyncTxDescriptor | None) -> None:
        """Submit what was prepared, with nothing before it, and let it complete."""
        tx = self.given(tx)
        tx.flags |= DMA_CTRL_ACK
        self.wait(tx.tx_submit())


def _round_up(number: int, align: int) -> int:
    return -(-number // align) * align
