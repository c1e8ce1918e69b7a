"""A ring engine: bounded descriptors, a doorbell, in-order completion, interrupt, tasklet.

One descriptor goes ``prep_dma_*`` (PREPPED) -> ``tx_submit`` (SUBMITTED) ->
``issue_pending`` (ISSUED) -> the hardware works through it -> interrupt -> tasklet: cookie
to 0, callback, dependencies, and back to the free ones once it is acknowledged as well.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from raidsim.dmaengine.channel import DmaAsyncTxDescriptor, DmaChan, DmaDevice
from raidsim.dmaengine.completion import async_tx_run_dependencies, dmaengine_invoke_callback
from raidsim.dmaengine.constants import (
    DMA_CTRL_ACK,
    DMA_PREP_CONTINUE,
    DMA_PREP_INTERRUPT,
    EBUSY,
)
from raidsim.dmaengine.drivers import arithmetic
from raidsim.dmaengine.errors import DescriptorError
from raidsim.dmaengine.events import Completed, Issued, Submitted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from raidsim.dmaengine.channel import Buffer, SumCheck
    from raidsim.dmaengine.drivers.profile import DeviceProfile
    from raidsim.machine import Machine


class RingDescriptor(DmaAsyncTxDescriptor):
    """A descriptor and the slots it fills in the ring.

    Attributes:
        operation: Its name, for counters and events.
        length: Bytes per block.
        source_bytes: Bytes the hardware reads for it.
        slots: How many ring slots it takes.
        work: What the hardware does, with ``arguments``.
        arguments: The arguments of ``work``; dropped when done.
    """

    __slots__ = ("arguments", "length", "operation", "slots", "source_bytes", "work")

    chan: RingChannel

    def __init__(self, chan: RingChannel) -> None:
        super().__init__(chan)
        self.operation = ""
        self.length = 0
        self.source_bytes = 0
        self.slots = 0
        self.work: Callable[..., None] = arithmetic.nothing
        self.arguments: tuple[Any, ...] = ()

    def tx_submit(self) -> int:
        """Queue it on its channel and return its cookie."""
        return self.chan.submit(self)


class RingChannel(DmaChan):
    """A channel with its ring.

    Attributes:
        free_slots: Slots that no descriptor fills.
        submitted: Descriptors that the hardware may not fetch yet.
        submitted_slots: The slots they take.
    """

    __slots__ = (
        "_done",
        "_free",
        "_issued",
        "_profile",
        "_slots",
        "_tasklet_scheduled",
        "_unacknowledged",
        "free_slots",
        "submitted",
        "submitted_slots",
    )

    device: RingDevice

    def __init__(self, device: RingDevice, profile: DeviceProfile) -> None:
        super().__init__(device)
        self._profile = profile
        most_sources = max(profile.max_xor, profile.max_pq + 3)
        self._slots = [profile.slots(count) for count in range(most_sources + 1)]
        self.free_slots = 0
        self.submitted: deque[RingDescriptor] = deque()
        self.submitted_slots = 0
        self._free: list[RingDescriptor] = []
        self._issued: deque[RingDescriptor] = deque()
        self._done: deque[RingDescriptor] = deque()
        self._unacknowledged: list[RingDescriptor] = []
        self._tasklet_scheduled = False

    def alloc_chan_resources(self) -> int:
        """Make the ring; its descriptors are made when they are first needed."""
        self.free_slots = self._profile.ring_slots
        return self.free_slots

    def free_chan_resources(self) -> None:
        """Give the ring up."""
        self.free_slots = 0
        self._free = []
        self._unacknowledged = []

    def _prepare(
        self,
        operation: str,
        length: int,
        source_count: int,
        flags: int,
        work: Callable[..., None],
        arguments: tuple[Any, ...],
    ) -> RingDescriptor | None:
        """Take a free descriptor and fill it in, or return None when the ring is full."""
        slots = self._slots[source_count]
        if slots > self.free_slots:
            self._recycle_acknowledged()
            if slots > self.free_slots:
                return None
        self.free_slots -= slots
        tx = self._free.pop() if self._free else RingDescriptor(self)
        tx.cookie = -EBUSY
        tx.flags = flags
        tx.operation = operation
        tx.length = length
        tx.source_bytes = source_count * length
        tx.slots = slots
        tx.work = work
        tx.arguments = arguments
        return tx

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
        return self._prepare("memcpy", length, 1, flags, arithmetic.memcpy, arguments)

    def prep_dma_memset(
        self, dest: Buffer, value: int, offset: int, length: int, flags: int
    ) -> RingDescriptor | None:
        """Prepare a fill."""
        arguments = (dest, value, offset, length)
        return self._prepare("memset", length, 0, flags, arithmetic.memset, arguments)

    def prep_dma_xor(
        self, dest: Buffer, sources: Sequence[Buffer], offset: int, length: int, flags: int
    ) -> RingDescriptor | None:
        """Prepare a xor of at most ``max_xor`` sources."""
        self._check_sources("xor", len(sources), self.device.max_xor)
        arguments = (self.device.machine, dest, sources, offset, length)
        return self._prepare("xor", length, len(sources), flags, arithmetic.xor, arguments)

    def prep_dma_xor_val(
        self, sources: Sequence[Buffer], offset: int, length: int, result: SumCheck, flags: int
    ) -> RingDescriptor | None:
        """Prepare a validation of at most ``max_xor`` sources."""
        self._check_sources("xor_val", len(sources), self.device.max_xor)
        arguments = (self.device.machine, sources, offset, length, result)
        return self._prepare("xor_val", length, len(sources), flags, arithmetic.xor_val, arguments)

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
        """
        device = self.device
        self._check_sources("pq", len(sources), device.dma_maxpq(flags))
        p, q = pq
        if flags & DMA_PREP_CONTINUE:
            if p is not None and q is not None:
                sources = [*sources, p, q, q]
                coefficients = [*coefficients, 0, 1, 0]
            elif q is not None:
                sources = [*sources, q]
                coefficients = [*coefficients, 1]
            elif p is not None:
                sources = [*sources, p]
                coefficients = [*coefficients, 0]
        arguments = (device.machine, p, q, sources, coefficients, offset, length)
        return self._prepare("pq", length, len(sources), flags, arithmetic.pq, arguments)

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
        self._check_sources("pq_val", len(sources) + 2, self.device.max_pq)
        arguments = (self.device.machine, *pq, sources, coefficients, offset, length, result)
        return self._prepare("pq_val", length, len(sources), flags, arithmetic.pq_val, arguments)

    def prep_dma_interrupt(self, flags: int) -> RingDescriptor | None:
        """Prepare a descriptor that only interrupts."""
        flags |= DMA_PREP_INTERRUPT
        return self._prepare("interrupt", 0, 0, flags, arithmetic.nothing, ())

    def _check_sources(self, operation: str, source_count: int, most: int) -> None:
        if source_count > most:
            raise DescriptorError(
                f"{self.name}: {operation} of {source_count} sources, the engine takes {most}"
            )

    def submit(self, tx: RingDescriptor) -> int:
        """Queue ``tx`` behind the others; the threshold issues them."""
        cookie = self.cookie_assign(tx)
        self.counts.add(tx.operation, tx.length)
        hook = self.device.machine.sim.hook
        if hook.listeners:
            hook.emit(Submitted(self.name, cookie, tx.operation, tx.length))
        self.submitted.append(tx)
        self.submitted_slots += tx.slots
        if self.submitted_slots >= self._profile.threshold_slots > 0:
            self.issue_pending()
        return cookie

    def issue_pending(self) -> None:
        """Ring the doorbell."""
        if not self.submitted:
            return
        hook = self.device.machine.sim.hook
        if hook.listeners:
            for tx in self.submitted:
                hook.emit(Issued(self.name, tx.cookie, tx.operation))
        idle = not self._issued
        self._issued.extend(self.submitted)
        self.submitted.clear()
        self.submitted_slots = 0
        if idle:
            self._start()

    def _start(self) -> None:
        """The hardware fetches the next descriptor."""
        profile = self._profile
        service_ns = (
            profile.descriptor_latency_ns
            + self._issued[0].source_bytes * 1_000_000_000 // profile.bytes_per_second
        )
        self.device.machine.sim.device_after(service_ns, self._finish)

    def _finish(self) -> None:
        """The hardware has done a descriptor; it interrupts where asked to and at the end."""
        tx = self._issued.popleft()
        tx.work(*tx.arguments)
        tx.arguments = ()
        self._done.append(tx)
        if self._issued:
            self._start()
        if tx.flags & DMA_PREP_INTERRUPT or not self._issued:
            self.device.machine.sim.interrupt(self._irq)

    def _irq(self) -> None:
        """Leave everything to the tasklet: no descriptor is touched in irq context."""
        if not self._tasklet_scheduled:
            self._tasklet_scheduled = True
            self.device.machine.sim.tasklet_schedule(self._cleanup)

    def _cleanup(self) -> None:
        """Complete what the hardware has done; the channel's own cookie follows at the end."""
        self._tasklet_scheduled = False
        hook = self.device.machine.sim.hook
        cookie = self.completed_cookie
        while self._done:
            tx = self._done.popleft()
            cookie = tx.cookie
            tx.cookie = 0
            if hook.listeners:
                hook.emit(Completed(self.name, cookie, tx.operation))
            if tx.callback is not None:
                dmaengine_invoke_callback(tx)
            if tx.next is not None:
                async_tx_run_dependencies(tx)
            if tx.flags & DMA_CTRL_ACK:
                self._recycle(tx)
            else:
                self._unacknowledged.append(tx)
        self.completed_cookie = cookie

    def _recycle(self, tx: RingDescriptor) -> None:
        self.free_slots += tx.slots
        self._free.append(tx)

    def _recycle_acknowledged(self) -> None:
        """Take back what was acknowledged after it had completed."""
        unacknowledged = []
        for tx in self._unacknowledged:
            if tx.flags & DMA_CTRL_ACK:
                self._recycle(tx)
            else:
                unacknowledged.append(tx)
        self._unacknowledged = unacknowledged


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
