"""Submission, dependencies and the channel switch (crypto/async_tx/async_tx.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from raidsim.async_tx.errors import (
    DependencyError,
    DescriptorExhaustedError,
    QuiesceError,
    SubmissionContextError,
)
from raidsim.dmaengine import (
    DMA_COMPLETE,
    DMA_CTRL_ACK,
    DMA_INTERRUPT,
    dma_issue_pending_all,
    dma_wait_for_async_tx,
)
from raidsim.dmaengine.completion import WAIT_LIMIT_NS
from raidsim.dmaengine.events import Callback, ChannelSwitch, Software
from raidsim.sim import IRQ

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.dmaengine import DmaAsyncTxDescriptor, DmaChan
    from raidsim.machine import Machine

# enum async_tx_flags
ASYNC_TX_XOR_ZERO_DST = 1 << 0
ASYNC_TX_XOR_DROP_DST = 1 << 1
ASYNC_TX_ACK = 1 << 2
ASYNC_TX_FENCE = 1 << 3
ASYNC_TX_PQ_XOR_DST = 1 << 4


class AsyncSubmitCtl:
    """How an operation is to be submitted (struct async_submit_ctl).

    Attributes:
        machine: The machine that it runs on.
        flags: ``ASYNC_TX_*`` bits.
        depend_tx: The operation that has to be complete before; None when there is none.
        cb_fn: Called once, with ``cb_param``, when the operation is complete.
        cb_param: The callback's one argument.
        scribble: In C the room to convert addresses in. Taken so that calls read as documented;
            nothing is converted here, and a caller's list of blocks is never changed.
    """

    __slots__ = ("cb_fn", "cb_param", "depend_tx", "flags", "machine", "scribble")

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.flags = 0
        self.depend_tx: DmaAsyncTxDescriptor | None = None
        self.cb_fn: Callable[[Any], object] | None = None
        self.cb_param: Any = None
        self.scribble: object = None


def init_async_submit(
    submit: AsyncSubmitCtl,
    flags: int,
    tx: DmaAsyncTxDescriptor | None,
    cb_fn: Callable[[Any], object] | None,
    cb_param: Any,
    scribble: object,
) -> None:
    """Set all fields of ``submit`` but its machine."""
    submit.flags = flags
    submit.depend_tx = tx
    submit.cb_fn = cb_fn
    submit.cb_param = cb_param
    submit.scribble = scribble


def async_tx_ack(tx: DmaAsyncTxDescriptor) -> None:
    """Let the driver recycle ``tx`` once complete: no child follows (async-tx-api.txt 3.3)."""
    sanitizer = tx.chan.device.machine.sanitizer
    if sanitizer is not None:
        sanitizer.acknowledged(tx, "by async_tx_ack()")
    tx.flags |= DMA_CTRL_ACK


def async_tx_issue_pending_all(machine: Machine) -> None:
    """Issue what is pending on all channels (async-tx-api.txt 3.4)."""
    dma_issue_pending_all(machine)


def async_trigger_callback(submit: AsyncSubmitCtl) -> DmaAsyncTxDescriptor | None:
    """Call back when ``submit.depend_tx`` is complete (async-tx-api.txt 3.5).

    On a channel that can, this is an interrupt descriptor at the end of the chain; otherwise the
    chain is waited for and the callback called at once.

    Returns:
        The interrupt descriptor, or None when all is done.

    Raises:
        AsyncTxError: As any submission.
    """
    check_submission(submit)
    depend_tx = submit.depend_tx
    if depend_tx is not None:
        device = depend_tx.chan.device
        if DMA_INTERRUPT in device.cap_mask:
            tx = depend_tx.chan.prep_dma_interrupt(0)
            if tx is not None:
                async_tx_submit(depend_tx.chan, tx, submit)
                submit.machine.async_tx_stats.offloaded.add("interrupt", 0)
                return tx
        async_tx_quiesce(submit)
    async_tx_sync_epilog(submit)
    return None


def check_submission(submit: AsyncSubmitCtl) -> None:
    """Check what every async_<operation> call must observe.

    Raises:
        SubmissionContextError: Called in irq context or from a callback (async-tx-api.txt 3.6).
        DependencyError: ``submit.depend_tx`` was acknowledged, so that its driver may have
            recycled it (3.3), or it has a child already: one of each is all a descriptor has.
    """
    sim = submit.machine.sim
    if sim.in_callback or sim.context == IRQ:
        _refuse_context(submit.machine)
    depend_tx = submit.depend_tx
    if depend_tx is None:
        return
    if depend_tx.next is not None:
        raise DependencyError(
            f"an operation on {depend_tx.chan.name} already has a child: a descriptor takes one"
        )
    if depend_tx.flags & DMA_CTRL_ACK:
        sanitizer = submit.machine.sanitizer
        if sanitizer is not None:
            sanitizer.touched(depend_tx, "made a dependency")
        raise DependencyError(
            f"an acknowledged operation on {depend_tx.chan.name} can not be a dependency: "
            f"it may have been recycled (async-tx-api.txt 3.3)"
        )


def async_tx_find_channel(submit: AsyncSubmitCtl, capability: int) -> DmaChan | None:
    """Stay on the parent's channel if it is capable, else take the public one that is."""
    depend_tx = submit.depend_tx
    if depend_tx is not None and capability in depend_tx.chan.device.cap_mask:
        return depend_tx.chan
    return submit.machine.dmaengine.channel_table[capability]


def async_tx_submit(chan: DmaChan, tx: DmaAsyncTxDescriptor, submit: AsyncSubmitCtl) -> None:
    """Submit ``tx`` once ``submit.depend_tx`` lets it, and acknowledge that parent.

    On one channel order itself is the dependency, so that ``tx`` only has to be held back while
    its parent is. Across channels see ``_channel_switch``.

    Raises:
        QuiesceError: The parent had to be polled for and never completed.
    """
    depend_tx = submit.depend_tx
    tx.callback = submit.cb_fn
    tx.callback_param = submit.cb_param
    if tx.record is not None:
        _note_submission(tx, submit)
    if depend_tx is None:
        tx.tx_submit()
    else:
        if depend_tx.chan is not chan:
            _channel_switch(depend_tx, tx)
        elif depend_tx.parent is not None:
            _chain(depend_tx, tx)
        else:
            tx.tx_submit()
        depend_tx.flags |= DMA_CTRL_ACK
    if submit.flags & ASYNC_TX_ACK:
        tx.flags |= DMA_CTRL_ACK


def async_tx_quiesce(submit: AsyncSubmitCtl) -> None:
    """Wait for ``submit.depend_tx``, acknowledge it and forget it.

    Raises:
        QuiesceError: It never completed; the kernel panics here.
    """
    depend_tx = submit.depend_tx
    if depend_tx is None:
        return
    _wait(depend_tx)
    sanitizer = submit.machine.sanitizer
    if sanitizer is not None:
        sanitizer.acknowledged(depend_tx, "by being waited for")
    depend_tx.flags |= DMA_CTRL_ACK
    submit.depend_tx = None


def begin_software(operation: str, length: int, submit: AsyncSubmitCtl) -> None:
    """Start a synchronous path: wait for the parent, count, and tell whoever watches."""
    if submit.depend_tx is not None:
        async_tx_quiesce(submit)
    machine = submit.machine
    machine.async_tx_stats.software.add(operation, length)
    hook = machine.sim.hook
    if hook.listeners:
        hook.emit(Software(operation, length, hook.origin))


def async_tx_sync_epilog(submit: AsyncSubmitCtl) -> None:
    """End a synchronous path: call back in the caller's context (async-tx-api.txt 3.5)."""
    if submit.cb_fn is None:
        return
    machine = submit.machine
    sim = machine.sim
    if machine.sanitizer is not None:
        machine.sanitizer.callback_begins(None)
    if sim.hook.listeners:
        sim.hook.emit(Callback(None, sim.context))
    sim.in_callback = True
    try:
        submit.cb_fn(submit.cb_param)
    finally:
        sim.in_callback = False


def prepare_descriptor(
    chan: DmaChan,
    submit: AsyncSubmitCtl,
    prep_dma: Callable[..., DmaAsyncTxDescriptor | None],
    *arguments: Any,
) -> DmaAsyncTxDescriptor:
    """Have ``prep_dma(*arguments)`` make a descriptor, if need be by waiting for one.

    A channel that is out of descriptors is issued and the parent waited for, as in the kernel,
    which then loops for ever where none comes back.

    Raises:
        DescriptorExhaustedError: None will come back.
    """
    tx = prep_dma(*arguments)
    if tx is not None:
        return tx
    sim = submit.machine.sim
    async_tx_quiesce(submit)
    deadline_ns = sim.now_ns + WAIT_LIMIT_NS
    chan.issue_pending()
    while True:
        tx = prep_dma(*arguments)
        if tx is not None:
            return tx
        if not sim.spin() or sim.now_ns > deadline_ns:
            leaked = len(chan.unacknowledged())
            raise DescriptorExhaustedError(
                f"{chan.name} has no descriptor left and none will complete; {leaked} that have"
                f" completed were never acknowledged (async-tx-api.txt 3.3)"
            )


def _note_submission(tx: DmaAsyncTxDescriptor, submit: AsyncSubmitCtl) -> None:
    """Tell the sanitizer of a submission, before it has any effect."""
    sanitizer = submit.machine.sanitizer
    assert sanitizer is not None
    sanitizer.submitted(tx, submit.depend_tx)
    if submit.flags & ASYNC_TX_ACK:
        sanitizer.acknowledged(tx, "by ASYNC_TX_ACK")


def _refuse_context(machine: Machine) -> NoReturn:
    if machine.sanitizer is not None:
        machine.sanitizer.check_context()
    if machine.sim.in_callback:
        raise SubmissionContextError(
            "async-tx-api.txt 3.6, 2/: completion callback routines cannot submit new operations"
        )
    raise SubmissionContextError(
        "async-tx-api.txt 3.6, 1/: calls to async_<operation> are not permitted in IRQ context"
    )


def _wait(tx: DmaAsyncTxDescriptor) -> None:
    if dma_wait_for_async_tx(tx) != DMA_COMPLETE:
        raise QuiesceError(f"DMA error waiting for an operation on {tx.chan.name}")


def _chain(parent: DmaAsyncTxDescriptor, child: DmaAsyncTxDescriptor) -> None:
    """Hold ``child`` back until the clean-up of ``parent`` submits it."""
    parent.next = child
    child.parent = parent


def _channel_switch(depend_tx: DmaAsyncTxDescriptor, tx: DmaAsyncTxDescriptor) -> None:
    """Let ``tx`` follow ``depend_tx`` on another channel (async_tx_channel_switch).

    An interrupt descriptor behind ``depend_tx`` on its own channel brings the clean-up that
    submits ``tx``. A channel without that capability, or without a descriptor left for it, is
    polled instead.

    Raises:
        QuiesceError: The polling came to no end.
    """
    chan = depend_tx.chan
    device = chan.device
    intr_tx = None
    if DMA_INTERRUPT in device.cap_mask:
        intr_tx = chan.prep_dma_interrupt(0)
    hook = device.machine.sim.hook
    if hook.listeners:
        hook.emit(ChannelSwitch(chan.name, tx.chan.name, intr_tx is not None, hook.origin))
    if intr_tx is None:
        _wait(depend_tx)
        tx.tx_submit()
        return
    _chain(intr_tx, tx)
    if depend_tx.parent is not None:
        _chain(depend_tx, intr_tx)
    else:
        intr_tx.tx_submit()
    intr_tx.flags |= DMA_CTRL_ACK
    chan.issue_pending()
