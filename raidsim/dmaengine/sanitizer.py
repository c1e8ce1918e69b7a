"""The sanitizer's view of dmaengine: descriptors, their dependencies, callbacks and ends.

Each operation on a sanitized channel has a descriptor object of its own, unless the driver keeps a
list of them: so whoever holds on to one that was acknowledged is found out, when its driver has
recycled it too (async-tx-api.txt 3.3).
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from raidsim.dmaengine.constants import DMA_COMPLETE, DMA_CTRL_ACK
from raidsim.dmaengine.interposer import Interposer, interpose, with_mixin
from raidsim.sim import CONTEXT_NAMES, IRQ
from raidsim.sim.sanitizer import Operation, Sanitizer, call_site, call_sites, show_site

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.dmaengine.channel import DmaAsyncTxDescriptor, DmaChan
    from raidsim.dmaengine.interposer import Preparation
    from raidsim.sim import Simulator
    from raidsim.sim.sanitizer import Site

    InterposedDescriptor = DmaAsyncTxDescriptor
else:
    InterposedDescriptor = object

_AWAITED = "its callback or a dma_wait_for_async_tx() for it"


class DescriptorRecord(Operation):
    """What the sanitizer knows of a descriptor.

    Attributes:
        cookie: The cookie it got.
        acknowledged: How and where it was acknowledged.
    """

    has_children = True
    __slots__ = ("acknowledged", "cookie")

    def __init__(self, chan: DmaChan, asked: Preparation) -> None:
        super().__init__(f"{asked.operation} on {chan.name}", asked.reads, asked.writes, _AWAITED)
        self.cookie = 0
        self.acknowledged: tuple[str, Site] | None = None


class DmaSanitizer(Sanitizer):
    """Checks every access to the memory of one machine, and every use of a descriptor."""

    def __init__(self, sim: Simulator) -> None:
        super().__init__(sim.hook)
        self._sim = sim
        self._called_back: Operation | None = None

    def watch(self, chan: DmaChan) -> None:
        """Watch all that is prepared on ``chan`` from now on."""
        interpose(chan, SanitizedChannel)

    def submitted(self, tx: DmaAsyncTxDescriptor, depend_tx: DmaAsyncTxDescriptor | None) -> None:
        """Note that ``tx`` is submitted to follow ``depend_tx``, which is thereby acknowledged."""
        record = tx.record
        parent = None if depend_tx is None else depend_tx.record
        if record is not None:
            self.begin(record, parent)
        if parent is not None and record is not None:
            parent.acknowledged = f"by being the dependency of {record.name}", record.site

    def acknowledged(self, tx: DmaAsyncTxDescriptor, how: str) -> None:
        """Note that ``tx`` is acknowledged; its flags still say whether it was already."""
        if tx.flags & DMA_CTRL_ACK:
            self.touched(tx, "acknowledged again")
            return
        record = tx.record
        if record is not None:
            record.acknowledged = how, call_site()

    def touched(self, tx: DmaAsyncTxDescriptor, how: str) -> None:
        """Report that ``tx`` is used once more, if it has been acknowledged."""
        record = tx.record
        if record is None or not tx.flags & DMA_CTRL_ACK or record.acknowledged is None:
            return
        by, site = record.acknowledged
        here = call_site()
        self.report(
            (site, here, how),
            f"the descriptor of {record.name} is {how} after it was acknowledged",
            f"acknowledged {by} at {show_site(site)}",
            f"{how} at {show_site(here)}; it may stand for another operation by now",
            "an owner: use a descriptor before it is acknowledged, or not at all",
        )

    def waited(self, tx: DmaAsyncTxDescriptor) -> None:
        """Note that the CPU has seen ``tx`` complete."""
        self.known_complete(tx.record)

    def callback_begins(self, tx: DmaAsyncTxDescriptor | None) -> None:
        """Note that the callback of ``tx``, or of a synchronous operation, is about to run."""
        self._called_back = None if tx is None else tx.record
        self.known_complete(self._called_back)

    def check_context(self) -> None:
        """Report a submission from a callback or in irq context (async-tx-api.txt 3.6)."""
        if self._sim.in_callback:
            here, *callers = call_sites()
            record = self._called_back
            if record is None:
                what, site = "a synchronous operation", callers[0]
            else:
                what, site = record.name, record.site
            self.report(
                (site, here, "callback"),
                f"the callback of {what} submits an operation",
                f"{what} was submitted at {show_site(site)}",
                f"its callback submits at {show_site(here)}",
                "a way out of the callback: note what is to be done and submit it in process"
                " context (async-tx-api.txt 3.6, 2/)",
            )
        elif self._sim.context == IRQ:
            here = call_site()
            self.report(
                (here, "irq"),
                "an operation is submitted in irq context",
                f"submitted at {show_site(here)}",
                f"the context is {CONTEXT_NAMES[IRQ]}",
                "a tasklet, to submit it from (async-tx-api.txt 3.6, 1/)",
            )

    def polled(self, chan: DmaChan, cookie: int) -> None:
        """Note that the CPU has read "complete" as the status of ``cookie``."""
        for operation in self._in_flight:
            if (
                isinstance(operation, DescriptorRecord)
                and operation.cookie == cookie
                and operation.name.endswith(f" on {chan.name}")
            ):
                self.known_complete(operation)
                return


class SanitizedDescriptor(InterposedDescriptor):
    """A descriptor that the sanitizer has a record of."""

    __slots__ = ()

    def tx_submit(self) -> int:
        """Submit it; whoever does that without async_tx has it depend on nothing."""
        record = self.record
        sanitizer = self.chan.device.machine.sanitizer
        assert record is not None
        assert sanitizer is not None
        if not record.in_flight and not record.cookie and (record.reads or record.writes):
            sanitizer.begin(record)
        record.cookie = cookie = super().tx_submit()
        return cookie


class SanitizedChannel(Interposer):
    """A channel whose descriptors are watched."""

    __slots__ = ()

    def intercept_prep(
        self, asked: Preparation, prep_dma: Callable[[], DmaAsyncTxDescriptor | None]
    ) -> DmaAsyncTxDescriptor | None:
        """Have the driver prepare a descriptor, and return one like it of our own."""
        sanitizer = self.device.machine.sanitizer
        assert sanitizer is not None
        sanitizer.check_context()
        prepared = super().intercept_prep(asked, prep_dma)
        if prepared is None:
            return None
        tx = prepared
        if prepared.record is not None and not self.keeps_descriptors:
            tx = copy(prepared)
            prepared.flags |= DMA_CTRL_ACK  # for whoever still holds the object that was recycled
        if prepared.record is None:
            tx.__class__ = with_mixin(SanitizedDescriptor, type(tx))
        tx.record = DescriptorRecord(self, asked)
        return tx

    def tx_status(self, cookie: int) -> int:
        """Return the status, which is how the CPU learns that an operation is complete."""
        status = super().tx_status(cookie)
        if status == DMA_COMPLETE:
            sanitizer = self.device.machine.sanitizer
            assert sanitizer is not None
            sanitizer.polled(self, cookie)
        return status
