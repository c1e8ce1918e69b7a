"""Devices, channels and descriptors: what a driver gives to dmaengine (include/linux/dmaengine.h).

A driver subclasses ``DmaChan``, overriding the ``prep_dma_*`` hooks that its capabilities call
for, and ``DmaAsyncTxDescriptor``, which knows how to submit itself. A hook that is left alone is
C's null pointer: registration refuses a capability without its hook.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from raidsim.dmaengine.constants import (
    DMA_COMPLETE,
    DMA_IN_PROGRESS,
    DMA_MAX_COOKIE,
    DMA_MIN_COOKIE,
    DMA_PREP_CONTINUE,
    DMA_PREP_PQ_DISABLE_P,
    EBUSY,
)
from raidsim.dmaengine.counts import OperationCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from raidsim.dmaengine.sanitizer import DescriptorRecord
    from raidsim.machine import Machine

Buffer = npt.NDArray[np.uint8]


class SumCheck:
    """Where a validation leaves its result (enum sum_check_flags).

    Attributes:
        flags: 0 when consistent, else ``SUM_CHECK_P_RESULT`` and ``SUM_CHECK_Q_RESULT`` or-ed.
    """

    __slots__ = ("flags",)

    def __init__(self) -> None:
        self.flags = 0


class SlavePort(Protocol):
    """The data register of a peripheral, as a slave channel sees it."""

    def read_into(self, buffer: Buffer) -> None:
        """Fill ``buffer`` with the next bytes the peripheral has."""

    def write_from(self, buffer: Buffer) -> None:
        """Take the bytes of ``buffer``."""


class DmaAsyncTxDescriptor:
    """One operation on its way through an engine (struct dma_async_tx_descriptor).

    The object is a recycled resource of its driver: after it was acknowledged and has completed
    it may stand for another operation, so do not touch it any more (async-tx-api.txt 3.3).

    Attributes:
        cookie: -EBUSY until submitted, positive from then on, 0 when complete.
        flags: ``DMA_PREP_*`` bits and ``DMA_CTRL_ACK``.
        chan: The channel it was prepared on.
        callback: Called with ``callback_param`` when complete.
        callback_param: The callback's one argument.
        parent: The operation it waits for, while that is not submitted or on another channel.
        next: The operation that waits for it.
        operation: Its name, as in ``OperationCounts``; the driver's to set.
        record: What the sanitizer knows of it, on a sanitized machine.
    """

    __slots__ = (
        "callback",
        "callback_param",
        "chan",
        "cookie",
        "flags",
        "next",
        "operation",
        "parent",
        "record",
    )

    def __init__(self, chan: DmaChan) -> None:
        self.chan = chan
        self.cookie = -EBUSY
        self.flags = 0
        self.callback: Callable[[Any], object] | None = None
        self.callback_param: Any = None
        self.parent: DmaAsyncTxDescriptor | None = None
        self.next: DmaAsyncTxDescriptor | None = None
        self.operation = ""
        self.record: DescriptorRecord | None = None

    def tx_submit(self) -> int:
        """Take a cookie and a place in the channel's queue; issue if the threshold is met."""
        raise NotImplementedError


class DmaChan:
    """One channel of a device (struct dma_chan), with the hooks of its driver.

    The ``prep_dma_*`` hooks return a descriptor, or None when there is none left. ``offset``
    and ``length`` are bytes; one offset holds for all buffers of a call.

    Attributes:
        device: The device it belongs to.
        name: ``dma<device>chan<channel>``, given at registration.
        client_count: How many references are held; 0 when nobody uses it.
        client_name: Who holds it exclusively, if that client says so.
        memcpy_count: Copies made by clients that count them, which async_tx does not.
        bytes_transferred: The bytes of these copies.
        table_count: How many cells of the channel table it fills.
        cookie: The last cookie given out.
        completed_cookie: The last cookie known complete.
        counts: The descriptors submitted here, by operation.
        keeps_descriptors: Whether the driver has a list of its descriptors, so that the sanitizer
            may not replace one that is used again.
    """

    keeps_descriptors = True

    __slots__ = (
        "bytes_transferred",
        "client_count",
        "client_name",
        "completed_cookie",
        "cookie",
        "counts",
        "device",
        "memcpy_count",
        "name",
        "table_count",
    )

    def __init__(self, device: DmaDevice) -> None:
        self.device = device
        self.name = "unregistered"
        self.client_count = 0
        self.client_name = ""
        self.memcpy_count = 0
        self.bytes_transferred = 0
        self.table_count = 0
        self.cookie = self.completed_cookie = DMA_MIN_COOKIE
        self.counts = OperationCounts()

    def cookie_assign(self, tx: DmaAsyncTxDescriptor) -> int:
        """Give ``tx`` the channel's next cookie; they wrap from 2^31 - 1 to 1."""
        cookie = self.cookie + 1 if self.cookie < DMA_MAX_COOKIE else DMA_MIN_COOKIE
        tx.cookie = self.cookie = cookie
        return cookie

    def cookie_status(self, cookie: int) -> int:
        """Tell whether the operation that had ``cookie`` is complete (dma_async_is_complete)."""
        completed, used = self.completed_cookie, self.cookie
        if completed <= used:
            complete = cookie <= completed or cookie > used
        else:
            complete = used < cookie <= completed
        return DMA_COMPLETE if complete else DMA_IN_PROGRESS

    def alloc_chan_resources(self) -> int:
        """Make the channel ready for its first client; return how many descriptors it has."""
        raise NotImplementedError

    def free_chan_resources(self) -> None:
        """Give back what the channel holds: its last client is gone."""
        raise NotImplementedError

    @property
    def queued(self) -> int:
        """How many descriptors were submitted and are not known complete."""
        return (self.cookie - self.completed_cookie) % DMA_MAX_COOKIE

    def issue_pending(self) -> None:
        """Let the hardware have everything that was submitted to the channel."""
        raise NotImplementedError

    def unacknowledged(self) -> list[DmaAsyncTxDescriptor]:
        """Return the descriptors that have completed and that nobody has acknowledged.

        A driver that recycles descriptors without an acknowledgement has none.
        """
        return []

    def tx_status(self, cookie: int) -> int:
        """Return ``DMA_COMPLETE``, ``DMA_IN_PROGRESS``, ``DMA_PAUSED`` or ``DMA_ERROR``."""
        return self.cookie_status(cookie)

    def prep_dma_memcpy(
        self,
        dest: Buffer,
        dest_offset: int,
        src: Buffer,
        src_offset: int,
        length: int,
        flags: int,
    ) -> DmaAsyncTxDescriptor | None:
        """Prepare a copy."""
        raise NotImplementedError

    def prep_dma_memset(
        self, dest: Buffer, value: int, offset: int, length: int, flags: int
    ) -> DmaAsyncTxDescriptor | None:
        """Prepare filling ``dest`` with the byte ``value``."""
        raise NotImplementedError

    def prep_dma_xor(
        self,
        dest: Buffer,
        sources: Sequence[Buffer],
        offset: int,
        length: int,
        flags: int,
    ) -> DmaAsyncTxDescriptor | None:
        """Prepare dest = xor of the sources, of which dest may be one."""
        raise NotImplementedError

    def prep_dma_xor_val(
        self,
        sources: Sequence[Buffer],
        offset: int,
        length: int,
        result: SumCheck,
        flags: int,
    ) -> DmaAsyncTxDescriptor | None:
        """Prepare setting the P bit of ``result`` unless the xor of the sources is zero."""
        raise NotImplementedError

    def prep_dma_pq(
        self,
        pq: tuple[Buffer | None, Buffer | None],
        sources: Sequence[Buffer],
        coefficients: Sequence[int],
        offset: int,
        length: int,
        flags: int,
    ) -> DmaAsyncTxDescriptor | None:
        """Prepare P = xor of the sources, Q = sum of coefficient times source.

        ``DMA_PREP_PQ_DISABLE_P`` and ``_Q`` leave one out; with ``DMA_PREP_CONTINUE`` what P and
        Q hold is carried on.
        """
        raise NotImplementedError

    def prep_dma_pq_val(
        self,
        pq: tuple[Buffer | None, Buffer | None],
        sources: Sequence[Buffer],
        coefficients: Sequence[int],
        offset: int,
        length: int,
        result: SumCheck,
        flags: int,
    ) -> DmaAsyncTxDescriptor | None:
        """Prepare setting in ``result`` the bits of whichever of P and Q does not fit."""
        raise NotImplementedError

    def prep_dma_interrupt(self, flags: int) -> DmaAsyncTxDescriptor | None:
        """Prepare an operation that does nothing but interrupt."""
        raise NotImplementedError

    def slave_config(self, port: SlavePort) -> None:
        """Connect the channel to a peripheral; ``DMA_SLAVE`` asks for it."""
        raise NotImplementedError

    def prep_slave_sg(
        self, buffers: Sequence[Buffer], direction: int, flags: int
    ) -> DmaAsyncTxDescriptor | None:
        """Prepare moving bytes between the channel's peripheral and ``buffers``.

        ``direction`` is ``DMA_FROM_DEVICE`` or ``DMA_TO_DEVICE``.
        """
        raise NotImplementedError


class DmaDevice:
    """One DMA device (struct dma_device): what its channels can do.

    Attributes:
        machine: The machine it is part of.
        cap_mask: Its capabilities, ``DMA_*``; they are the device's, not the channel's.
        channels: Its channels.
        dev_id: Its number, given at registration.
        max_xor: Most sources of one xor.
        max_pq: Most sources of one pq, continuation sources included.
        native_pq_continue: Whether a continued pq costs no sources (DMA_HAS_PQ_CONTINUE).
        copy_align: Offsets and lengths of a memcpy are multiples of this many bytes; a power of
            two. So are ``xor_align``, ``pq_align`` and ``fill_align``.
        min_length: Fewest bytes of one operation.
        max_length: Most bytes of one operation.
    """

    def __init__(self, machine: Machine, cap_mask: set[int]) -> None:
        self.machine = machine
        self.cap_mask = cap_mask
        self.channels: list[DmaChan] = []
        self.dev_id = -1
        self.max_xor = 0
        self.max_pq = 0
        self.native_pq_continue = False
        self.copy_align = self.xor_align = self.pq_align = self.fill_align = 1
        self.min_length = 1
        self.max_length = 1 << 62

    def dma_maxpq(self, flags: int) -> int:
        """Return how many new sources one pq descriptor with these prep flags takes.

        An engine without native continuation needs one source more for the old Q, and two more
        for the old P and for cancelling Q in it, unless P is disabled (include/linux/dmaengine.h).
        """
        if self.native_pq_continue or not flags & DMA_PREP_CONTINUE:
            return self.max_pq
        if flags & DMA_PREP_PQ_DISABLE_P:
            return self.max_pq - 1
        return self.max_pq - 3
