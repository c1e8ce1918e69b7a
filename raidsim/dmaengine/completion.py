"""How a descriptor's end is awaited, told, and passed on to those that depend on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.dmaengine.constants import (
    DMA_COMPLETE,
    DMA_ERROR,
    DMA_IN_PROGRESS,
    EBUSY,
)
from raidsim.dmaengine.errors import DmaContextError
from raidsim.dmaengine.events import Callback
from raidsim.sim import IRQ

if TYPE_CHECKING:
    from raidsim.dmaengine.channel import DmaAsyncTxDescriptor, DmaChan

WAIT_LIMIT_NS = 5_000_000_000


def dma_wait_for_async_tx(tx: DmaAsyncTxDescriptor | None) -> int:
    """Spin until ``tx`` is complete (async-tx-api.txt 3.5).

    It handles dependency chains and issuing pending operations: the channels of all that ``tx``
    waits for are issued. The spinning CPU lets devices, interrupts and tasklets run.

    Returns:
        ``DMA_COMPLETE``, also for None; ``DMA_ERROR`` when 5 s of virtual time did not
        suffice, once until it was submitted and once from then on, or nothing is left that could
        complete it.

    Raises:
        DmaContextError: Called in irq context or from a callback, where what it waits for could
            not run.
    """
    if tx is None:
        return DMA_COMPLETE
    machine = tx.chan.device.machine
    _refuse_wait(tx.chan)
    if machine.sanitizer is not None:
        machine.sanitizer.touched(tx, "waited for")
    cpu = machine.cpu
    if cpu is not None:
        with cpu.spinning():
            status = _wait(tx)
    else:
        status = _wait(tx)
    if status == DMA_COMPLETE and machine.sanitizer is not None:
        machine.sanitizer.waited(tx)
    return status


def dma_sync_wait(chan: DmaChan, cookie: int) -> int:
    """Issue what is pending on ``chan`` and spin until ``cookie`` is complete.

    The limit is looked at before the status, as in drivers/dma/dmaengine.c: a completion that
    is seen too late is an error.

    Returns:
        The status: ``DMA_ERROR`` after 5 s of virtual time or when nothing is left to run.

    Raises:
        DmaContextError: As ``dma_wait_for_async_tx``.
    """
    _refuse_wait(chan)
    device = chan.device
    sim = device.machine.sim
    deadline_ns = sim.now_ns + WAIT_LIMIT_NS
    chan.issue_pending()
    while True:
        if sim.now_ns > deadline_ns:
            return DMA_ERROR
        status = chan.tx_status(cookie)
        if status != DMA_IN_PROGRESS:
            return status
        if not sim.spin():
            return DMA_ERROR


def async_tx_run_dependencies(tx: DmaAsyncTxDescriptor) -> None:
    """Submit what waits for ``tx``; a driver's clean-up calls this (async-tx-api.txt 4.1).

    A chain goes on while it stays on one channel; where it leaves that channel it stops, for
    there an interrupt descriptor stands that has its own clean-up.
    """
    dep = tx.next
    if dep is None:
        return
    tx.next = None
    chan = dep.chan
    while dep is not None:
        dep.parent = None
        child = dep.next
        if child is not None and child.chan is chan:
            dep.next = None
        else:
            child = None
        dep.tx_submit()
        dep = child
    chan.issue_pending()


def dmaengine_invoke_callback(tx: DmaAsyncTxDescriptor) -> None:
    """Call the descriptor's callback, once; a driver's clean-up calls this."""
    callback = tx.callback
    if callback is None:
        return
    tx.callback = None
    machine = tx.chan.device.machine
    sim = machine.sim
    if machine.sanitizer is not None:
        machine.sanitizer.callback_begins(tx)
    if sim.hook.listeners:
        sim.hook.emit(Callback(tx.chan.name, sim.context))
    sim.in_callback = True
    try:
        callback(tx.callback_param)
    finally:
        sim.in_callback = False


def _wait(tx: DmaAsyncTxDescriptor) -> int:
    """Spin until ``tx`` is submitted, and then until it is complete."""
    sim = tx.chan.device.machine.sim
    deadline_ns = sim.now_ns + WAIT_LIMIT_NS
    while tx.cookie == -EBUSY:
        ancestor = tx.parent
        while ancestor is not None:
            ancestor.chan.issue_pending()
            ancestor = ancestor.parent
        if not sim.spin() or sim.now_ns > deadline_ns:
            return DMA_ERROR
    return dma_sync_wait(tx.chan, tx.cookie) if tx.cookie else DMA_COMPLETE


def _refuse_wait(chan: DmaChan) -> None:
    sim = chan.device.machine.sim
    if sim.context == IRQ or sim.in_callback:
        where = "a completion callback" if sim.in_callback else "irq context"
        raise DmaContextError(f"waiting for {chan.name} in {where}: it could never complete there")
