"""A ring of descriptors: bounded, with a doorbell, completion in order, interrupt and tasklet.

One descriptor goes ``prep_dma_*`` (PREPPED) -> ``tx_submit`` (SUBMITTED) ->
``issue_pending`` (ISSUED) -> the hardware works through it -> interrupt -> tasklet: cookie
to 0, callback, dependencies, and back to the free ones once it is acknowledged as well.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from raidsim.dmaengine.channel import DmaAsyncTxDescriptor, DmaChan
from raidsim.dmaengine.completion import async_tx_run_dependencies, dmaengine_invoke_callback
from raidsim.dmaengine.constants import (
    DMA_CTRL_ACK,
    DMA_IN_PROGRESS,
    DMA_PREP_FENCE,
    DMA_PREP_INTERRUPT,
    EBUSY,
)
from raidsim.dmaengine.drivers import arithmetic
from raidsim.dmaengine.events import Completed, Issued, Serviced, Submitted

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.dmaengine.channel import DmaDevice
    from raidsim.dmaengine.drivers.faults import ChannelFaults
    from raidsim.dmaengine.drivers.profile import DeviceProfile


class RingDescriptor(DmaAsyncTxDescriptor):
    """A descriptor and the slots it fills in the ring.

    Attributes:
        length: Bytes per block.
        source_bytes: Bytes the hardware works through for it.
        slots: How many ring slots it takes.
        segments: How many hardware descriptors it is cut into.
        started_ns: When the hardware turned to it.
        origin: Number of what it was prepared for, for those who watch.
        done: Whether the hardware is done with it.
        work: What the hardware does, with ``arguments``.
        arguments: The arguments of ``work``; dropped when done.
    """

    __slots__ = (
        "arguments",
        "done",
        "length",
        "origin",
        "segments",
        "slots",
        "source_bytes",
        "started_ns",
        "work",
    )

    chan: DescriptorRing

    def __init__(self, chan: DescriptorRing) -> None:
        super().__init__(chan)
        self.length = 0
        self.source_bytes = 0
        self.slots = 0
        self.segments = 1
        self.started_ns = 0
        self.origin = 0
        self.done = False
        self.work: Callable[..., None] = arithmetic.nothing
        self.arguments: tuple[Any, ...] = ()

    def tx_submit(self) -> int:
        """Queue it on its channel and return its cookie."""
        return self.chan.submit(self)


class DescriptorRing(DmaChan):
    """A channel with its ring; what it can prepare is its subclass's.

    Attributes:
        unit: What computes for it.
        ring_slots: How many slots the ring has now.
        free_slots: Slots that no descriptor fills.
        submitted: Descriptors that the hardware may not fetch yet.
        submitted_slots: The slots they take.
        faults: The engine faults injected into it.
    """

    keeps_descriptors = False

    __slots__ = (
        "_active",
        "_done",
        "_fenced",
        "_free",
        "_issued",
        "_profile",
        "_segment_bytes",
        "_tasklet_scheduled",
        "_timer_set",
        "_unacknowledged",
        "faults",
        "free_slots",
        "ring_slots",
        "submitted",
        "submitted_slots",
        "unit",
    )

    def __init__(self, device: DmaDevice, profile: DeviceProfile) -> None:
        super().__init__(device)
        self._profile = profile
        self._segment_bytes = profile.quirks.segment_bytes or profile.max_length
        self.unit: arithmetic.Unit = device.machine
        self.ring_slots = 0
        self.free_slots = 0
        self.submitted: deque[RingDescriptor] = deque()
        self.submitted_slots = 0
        self._free: list[RingDescriptor] = []
        self._issued: deque[RingDescriptor] = deque()
        # In the order of the ring: what the hardware is at, what it has done.
        self._active: deque[RingDescriptor] = deque()
        self._done: deque[RingDescriptor] = deque()
        self._unacknowledged: list[RingDescriptor] = []
        self.faults: ChannelFaults | None = None
        self._fenced = False
        self._tasklet_scheduled = False
        self._timer_set = False

    def alloc_chan_resources(self) -> int:
        """Make the ring; its descriptors are made when they are first needed."""
        self.ring_slots = self.free_slots = self._profile.ring_slots
        return self.ring_slots

    def free_chan_resources(self) -> None:
        """Give the ring up."""
        self.ring_slots = self.free_slots = 0
        self._free = []
        self._unacknowledged = []

    def _prepare(
        self,
        operation: str,
        length: int,
        source_bytes: int,
        flags: int,
        work: Callable[..., None],
        arguments: tuple[Any, ...],
        slots: int = 1,
        segment_bytes: int = 0,
    ) -> RingDescriptor | None:
        """Take a free descriptor and fill it in, or return None when the ring is full."""
        segments = 1
        limit = segment_bytes or self._segment_bytes
        if length > limit:
            segments = -(-length // limit)
            # What is longer than the ring takes all of it, in instalments.
            slots = min(slots * segments, max(self.ring_slots, slots))
        if slots > self.free_slots and not self._make_room(slots):
            return None
        self.free_slots -= slots
        tx = self._free.pop() if self._free else RingDescriptor(self)
        tx.cookie = -EBUSY
        tx.flags = flags
        tx.operation = operation
        tx.length = length
        tx.source_bytes = source_bytes
        tx.slots = slots
        tx.segments = segments
        tx.origin = self.device.machine.sim.hook.origin
        tx.done = False
        tx.work = work
        tx.arguments = arguments
        return tx

    def submit(self, tx: RingDescriptor) -> int:
        """Queue ``tx`` behind the others; the threshold issues them."""
        cpu = self.device.machine.cpu
        if cpu is not None:
            cpu.submit_descriptor()
        cookie = self.cookie_assign(tx)
        self.counts.add(tx.operation, tx.length)
        hook = self.device.machine.sim.hook
        if hook.listeners:
            hook.emit(
                Submitted(self.name, cookie, tx.operation, tx.length, tx.source_bytes, tx.origin)
            )
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
        self._issued.extend(self.submitted)
        self.submitted.clear()
        self.submitted_slots = 0
        self._start()

    def unacknowledged(self) -> list[DmaAsyncTxDescriptor]:
        """Return what has completed and keeps its slots until somebody acknowledges it."""
        return [tx for tx in self._unacknowledged if not tx.flags & DMA_CTRL_ACK]

    def tx_status(self, cookie: int) -> int:
        """Return the status of ``cookie``; a driver without interrupts looks at the ring."""
        status = self.cookie_status(cookie)
        if status == DMA_IN_PROGRESS and self._done and self._profile.completion == "polled":
            self._schedule_cleanup()
        return status

    def _start(self) -> None:
        """The hardware fetches descriptors, as many as it works on at once.

        One that is fenced lets none pass until all that is under way is done.
        """
        sim = self.device.machine.sim
        while (
            self._issued
            and len(self._active) < self._profile.parallel_descriptors
            and not self._fenced
        ):
            tx = self._issued.popleft()
            self._active.append(tx)
            self._fenced = bool(tx.flags & DMA_PREP_FENCE)
            tx.started_ns = sim.now_ns
            sim.device_after(self._service_ns(tx) if sim.timed else 0, self._finish, tx)

    def _service_ns(self, tx: RingDescriptor) -> int:
        profile = self._profile
        rate = profile.operation_bytes_per_second.get(tx.operation, profile.bytes_per_second)
        return profile.descriptor_latency_ns * tx.segments + tx.source_bytes * 1_000_000_000 // rate

    def _finish(self, tx: RingDescriptor) -> None:
        """The hardware has done a descriptor; what is done is told in the order of the ring."""
        tx.work(*tx.arguments)
        tx.arguments = ()
        tx.done = True
        hook = self.device.machine.sim.hook
        if hook.listeners:
            hook.emit(Serviced(self.name, tx.cookie, tx.operation, tx.started_ns))
        active = self._active
        while active and active[0].done:
            self._done.append(active.popleft())
        if not active:
            self._fenced = False
        if self._issued:
            self._start()
        completion = self._profile.completion
        if completion == "interrupt":
            if tx.flags & DMA_PREP_INTERRUPT or not active:
                self.device.machine.sim.interrupt(self._irq)
        elif completion == "coalesced" and len(self._done) >= self._profile.coalesced_descriptors:
            self.device.machine.sim.interrupt(self._irq)
        elif not self._timer_set:
            self._timer_set = True
            sim = self.device.machine.sim
            sim.device_after(self._profile.completion_timer_ns, self._timer)

    def _timer(self) -> None:
        """The chip's timer interrupts, or the timer of a driver that polls runs out."""
        self._timer_set = False
        if not self._done:
            return
        if self._profile.completion == "polled":
            self._schedule_cleanup()
        else:
            self.device.machine.sim.interrupt(self._irq)

    def _irq(self) -> None:
        """Leave everything to the tasklet: no descriptor is touched in irq context."""
        self._schedule_cleanup()

    def _schedule_cleanup(self) -> None:
        if not self._tasklet_scheduled:
            self._tasklet_scheduled = True
            self.device.machine.sim.tasklet_schedule(self._cleanup)

    def _cleanup(self) -> None:
        """Complete what the hardware has done.

        The channel's own cookie follows before each callback or at the end, as the driver has it.
        """
        self._tasklet_scheduled = False
        machine = self.device.machine
        if machine.cpu is not None:
            machine.cpu.clean_up()
        hook = machine.sim.hook
        publishes_each = self._profile.publishes_each_completion
        cookie = self.completed_cookie
        origin = hook.origin
        while self._done:
            tx = self._done.popleft()
            cookie = tx.cookie
            tx.cookie = 0
            if publishes_each:
                self.completed_cookie = cookie
            if hook.listeners:
                hook.emit(Completed(self.name, cookie, tx.operation))
                hook.origin = tx.origin
            if tx.callback is not None:
                dmaengine_invoke_callback(tx)
            if tx.next is not None:
                async_tx_run_dependencies(tx)
            if tx.flags & DMA_CTRL_ACK:
                self._recycle(tx)
            else:
                self._unacknowledged.append(tx)
        hook.origin = origin
        self.completed_cookie = cookie

    def _recycle(self, tx: RingDescriptor) -> None:
        self.free_slots += tx.slots
        self._free.append(tx)

    def _make_room(self, slots: int) -> bool:
        """Find so many free slots, if need be by letting the ring grow."""
        self._recycle_acknowledged()
        while slots > self.free_slots and 0 < 2 * self.ring_slots <= self._profile.ring_slots_max:
            self.free_slots += self.ring_slots
            self.ring_slots *= 2
        return slots <= self.free_slots

    def _recycle_acknowledged(self) -> None:
        """Take back what was acknowledged after it had completed."""
        unacknowledged = []
        for tx in self._unacknowledged:
            if tx.flags & DMA_CTRL_ACK:
                self._recycle(tx)
            else:
                unacknowledged.append(tx)
        self._unacknowledged = unacknowledged
