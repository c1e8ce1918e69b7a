"""A ring engine: what a channel of the profile's chip can prepare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.dmaengine.channel import DmaDevice
from raidsim.dmaengine.constants import (
    DMA_PREP_CONTINUE,
    DMA_PREP_FENCE,
    DMA_PREP_INTERRUPT,
)
from raidsim.dmaengine.drivers import arithmetic
from raidsim.dmaengine.drivers.descriptor_ring import DescriptorRing, RingDescriptor
from raidsim.dmaengine.drivers.profile import slots_needed
from raidsim.dmaengine.errors import DescriptorError
from raidsim.raid6.tables import gfexp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raidsim.dmaengine.channel import Buffer, SlavePort, SumCheck
    from raidsim.dmaengine.drivers.profile import DeviceProfile
    from raidsim.machine import Machine

__all__ = ["RingChannel", "RingDescriptor", "RingDevice"]


class RingChannel(DescriptorRing):
    """A channel of a chip.

    Attributes:
        slave: The peripheral at the other end of slave transfers, once configured.
    """

    __slots__ = ("_pq_slots", "_quirks", "_quirky_pq", "_xor_slots", "slave")

    device: RingDevice

    def __init__(self, device: RingDevice, profile: DeviceProfile) -> None:
        super().__init__(device, profile)
        quirks = self._quirks = profile.quirks
        self._quirky_pq = (
            quirks.needs_two_pq_sources
            or quirks.needs_q
            or quirks.separate_p_and_q
            or quirks.pq_coefficient_limit > 0
        )
        self._xor_slots = [slots_needed(profile.xor_slots, n) for n in range(profile.max_xor + 1)]
        self._pq_slots = [slots_needed(profile.pq_slots, n) for n in range(profile.max_pq + 4)]
        self.slave: SlavePort | None = None

    def prep_dma_memcpy(
        self,
        dest: Buffer,
        dest_offset: int,
        src: Buffer,
        src_offset: int,
        length: int,
        flags: int,
    ) -> RingDescriptor | None:
        """Prepare a copy."""
        arguments = (dest, dest_offset, src, src_offset, length)
        return self._prepare("memcpy", length, length, flags, arithmetic.memcpy, arguments)

    def prep_dma_memset(
        self, dest: Buffer, value: int, offset: int, length: int, flags: int
    ) -> RingDescriptor | None:
        """Prepare a fill."""
        arguments = (dest, value, offset, length)
        return self._prepare("memset", length, length, flags, arithmetic.memset, arguments)

    def prep_dma_xor(
        self, dest: Buffer, sources: Sequence[Buffer], offset: int, length: int, flags: int
    ) -> RingDescriptor | None:
        """Prepare a xor of at most ``max_xor`` sources."""
        count = len(sources)
        self._check_sources("xor", count, self.device.max_xor)
        arguments = (self.unit, dest, sources, offset, length)
        return self._prepare(
            "xor", length, count * length, flags, arithmetic.xor, arguments, self._xor_slots[count]
        )

    def prep_dma_xor_val(
        self, sources: Sequence[Buffer], offset: int, length: int, result: SumCheck, flags: int
    ) -> RingDescriptor | None:
        """Prepare a validation of at most ``max_xor`` sources."""
        count = len(sources)
        self._check_sources("xor_val", count, self.device.max_xor)
        return self._prepare(
            "xor_val",
            length,
            count * length,
            flags,
            arithmetic.xor_val,
            (self.unit, sources, offset, length, result),
            self._xor_slots[count],
            self._quirks.xor_val_segment_bytes,
        )

    def prep_dma_pq(
        self,
        pq: tuple[Buffer | None, Buffer | None],
        sources: Sequence[Buffer],
        coefficients: Sequence[int],
        offset: int,
        length: int,
        flags: int,
    ) -> RingDescriptor | None:
        """Prepare a pq of at most ``dma_maxpq(flags)`` sources.

        To carry on P and Q it reads them: the old Q times 1 into Q. Into P, which knows no
        coefficients, every source goes: so the old P is given times 0, and the old Q once more,
        times 0, to cancel the first in P.

        Raises:
            DescriptorError: More sources than the engine takes, or what a quirk of it refuses.
        """
        device = self.device
        self._check_sources("pq", len(sources), device.dma_maxpq(flags))
        p, q = pq
        if flags & DMA_PREP_CONTINUE and not self._quirks.ignores_pq_continue:
            if p is not None and q is not None:
                sources = [*sources, p, q, q]
                coefficients = [*coefficients, 0, 1, 0]
            elif q is not None:
                sources = [*sources, q]
                coefficients = [*coefficients, 1]
            elif p is not None:
                sources = [*sources, p]
                coefficients = [*coefficients, 0]
        if self._quirky_pq:
            return self._prepare_quirky_pq(pq, sources, coefficients, offset, length, flags)
        count = len(sources)
        arguments = (self.unit, p, q, sources, coefficients, offset, length)
        return self._prepare(
            "pq", length, count * length, flags, arithmetic.pq, arguments, self._pq_slots[count]
        )

    def _prepare_quirky_pq(
        self,
        pq: tuple[Buffer | None, Buffer | None],
        sources: Sequence[Buffer],
        coefficients: Sequence[int],
        offset: int,
        length: int,
        flags: int,
    ) -> RingDescriptor | None:
        """Prepare a pq on a chip that has its own ways with it."""
        quirks = self._quirks
        p, q = pq
        if quirks.needs_q and q is None:
            raise DescriptorError(f"{self.name}: pq without Q, which this engine writes anyway")
        if quirks.needs_two_pq_sources and len(sources) == 1:
            if p is not None:
                raise DescriptorError(f"{self.name}: pq with P of 1 source, the engine needs 2")
            sources, coefficients = [*sources, *sources], [*coefficients, 0]
        count = len(sources)
        passes = 2 if quirks.separate_p_and_q and p is not None and q is not None else 1
        arguments = (self.unit, p, q, sources, coefficients, offset, length)
        tx = self._prepare(
            "pq",
            length,
            count * length * passes,
            flags,
            arithmetic.pq,
            arguments,
            self._pq_slots[count] * passes,
        )
        limit = quirks.pq_coefficient_limit
        if tx is not None and limit and not {0, *gfexp[:limit]}.issuperset(coefficients):
            tx.segments *= count
        return tx

    def prep_dma_pq_val(
        self,
        pq: tuple[Buffer | None, Buffer | None],
        sources: Sequence[Buffer],
        coefficients: Sequence[int],
        offset: int,
        length: int,
        result: SumCheck,
        flags: int,
    ) -> RingDescriptor | None:
        """Prepare a validation of at most ``max_pq`` blocks, P and Q included."""
        count = len(sources)
        self._check_sources("pq_val", count + 2, self.device.max_pq)
        return self._prepare(
            "pq_val",
            length,
            count * length,
            flags,
            arithmetic.pq_val,
            (self.unit, *pq, sources, coefficients, offset, length, result),
            self._pq_slots[count],
        )

    def prep_dma_interrupt(self, flags: int) -> RingDescriptor | None:
        """Prepare a descriptor that only interrupts, when all before it is done."""
        flags |= DMA_PREP_INTERRUPT | DMA_PREP_FENCE
        return self._prepare(
            "interrupt", 0, self._quirks.interrupt_bytes, flags, arithmetic.nothing, ()
        )

    def slave_config(self, port: SlavePort) -> None:
        """Connect the channel to a peripheral."""
        self.slave = port

    def prep_slave_sg(
        self, buffers: Sequence[Buffer], direction: int, flags: int
    ) -> RingDescriptor | None:
        """Prepare a transfer between the peripheral and ``buffers``, one after the other.

        Raises:
            DescriptorError: No peripheral was configured.
        """
        if self.slave is None:
            raise DescriptorError(f"{self.name}: no peripheral; call slave_config first")
        length = sum(map(len, buffers))
        arguments = (self.slave, buffers, direction)
        return self._prepare("slave", length, length, flags, arithmetic.slave, arguments)

    def _check_sources(self, operation: str, source_count: int, most: int) -> None:
        if source_count > most:
            raise DescriptorError(
                f"{self.name}: {operation} of {source_count} sources, the engine takes {most}"
            )


class RingDevice(DmaDevice):
    """A device of ring channels, as its profile describes it."""

    def __init__(self, machine: Machine, profile: DeviceProfile) -> None:
        super().__init__(machine, profile.cap_mask)
        self.max_xor = profile.max_xor
        self.max_pq = profile.max_pq
        self.native_pq_continue = profile.native_pq_continue
        self.copy_align = profile.copy_align
        self.xor_align = profile.xor_align
        self.pq_align = profile.pq_align
        self.fill_align = profile.fill_align
        self.min_length = profile.min_length
        self.max_length = profile.max_length
        self.channels = [RingChannel(self, profile) for _ in range(profile.channels)]
