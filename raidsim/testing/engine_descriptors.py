"""What a driver must do with descriptors, whatever the operation is."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from raidsim.dmaengine import (
    DMA_COMPLETE,
    DMA_CTRL_ACK,
    DMA_IN_PROGRESS,
    DMA_MEMCPY,
    DMA_PREP_FENCE,
    DMA_PREP_INTERRUPT,
    DmaAsyncTxDescriptor,
    DmaChan,
    DmaDevice,
    dma_wait_for_async_tx,
)
from raidsim.dmaengine.constants import DMA_MAX_COOKIE, DMA_MIN_COOKIE, EBUSY
from raidsim.sim import CONTEXT_NAMES, IRQ, TASKLET
from raidsim.testing.conformance import require
from raidsim.testing.engine_bench import Point

if TYPE_CHECKING:
    from raidsim.testing.engine_bench import EngineBench

_FIELDS = frozenset(DmaAsyncTxDescriptor.__slots__)
# More descriptors than any ring may have.
_MOST_DESCRIPTORS = 1 << 17


def _check_resources(bench: EngineBench) -> None:
    chan = bench.chan
    for _ in range(2):
        bench.wait(bench.submit(DMA_CTRL_ACK).cookie)
        chan.free_chan_resources()
        count = chan.alloc_chan_resources()
        require(
            count,
            f"alloc_chan_resources returned {count!r}, not how many descriptors there are",
        )
    bench.wait(bench.submit(DMA_CTRL_ACK).cookie)


def _check_fresh_descriptor(bench: EngineBench) -> None:
    used: set[int] = set()
    for _ in range(_MOST_DESCRIPTORS):
        tx = bench.given(bench.prepare())
        require(tx.cookie == -EBUSY, f"a descriptor is prepared with cookie {tx.cookie}")
        require(not tx.flags & DMA_CTRL_ACK, "a descriptor is acknowledged when prepared")
        require(tx.chan is bench.chan, "a descriptor's chan is not the channel that prepared it")
        require(tx.parent is None, "a descriptor is prepared with a parent")
        require(tx.next is None, "a descriptor is prepared with a child")
        if id(tx) in used:
            return
        used.add(id(tx))
        bench.wait(tx.tx_submit())
        tx.flags |= DMA_CTRL_ACK
        # Some rings come round only after all of their descriptors: some calls are enough.
        if len(used) == 300:
            return


def _check_prepared_flags(bench: EngineBench) -> None:
    flags = DMA_PREP_INTERRUPT | DMA_CTRL_ACK | DMA_PREP_FENCE
    tx = bench.given(bench.prepare(flags))
    require(tx.flags & flags == flags, f"prepared with flags {flags:#x} it has {tx.flags:#x}")


def _check_submission(bench: EngineBench) -> None:
    called: list[object] = []
    tx = bench.given(bench.prepare(callback=called.append))
    cookie = tx.tx_submit()
    require(not called, "the callback was called while the operation was being submitted")
    require(tx.cookie == cookie, f"tx_submit returned {cookie}, the descriptor has {tx.cookie}")


def _check_cookies(bench: EngineBench) -> None:
    chan = bench.chan
    for start in (chan.cookie, DMA_MAX_COOKIE - 1):
        chan.cookie = chan.completed_cookie = cookie = start
        for _ in range(4):
            tx = bench.given(bench.prepare())
            cookie = cookie + 1 if cookie < DMA_MAX_COOKIE else DMA_MIN_COOKIE
            given = tx.tx_submit()
            require(given == cookie, f"tx_submit gave cookie {given} where {cookie} is next")
            status = chan.tx_status(cookie)
            require(status == DMA_IN_PROGRESS, f"before anything ran, the status is {status}")
            bench.wait(cookie)
            require(tx.cookie == 0, f"a completed descriptor has cookie {tx.cookie}, not 0")
            require(
                chan.completed_cookie == cookie,
                f"completed_cookie is {chan.completed_cookie} after {cookie} completed",
            )
            require(chan.tx_status(cookie) == DMA_COMPLETE, "a completed cookie is not complete")
            tx.flags |= DMA_CTRL_ACK


def _check_issue_pending(bench: EngineBench) -> None:
    bench.chan.issue_pending()
    first = [bench.submit() for _ in range(3)]
    bench.chan.issue_pending()
    second = [bench.submit() for _ in range(2)]
    bench.chan.issue_pending()
    bench.settle()
    # A driver without interrupts completes when it is looked at.
    bench.chan.tx_status(second[-1].cookie)
    bench.settle()
    late = sum(tx.cookie != 0 for tx in (*first, *second))
    require(not late, f"{late} of 5 operations did not complete after issue_pending")
    bench.chan.issue_pending()
    bench.settle()


def _check_waiting(bench: EngineBench) -> None:
    status = dma_wait_for_async_tx(bench.submit())
    require(status == DMA_COMPLETE, f"dma_wait_for_async_tx returned {status}")


def _check_order(bench: EngineBench) -> None:
    order: list[int] = []
    last = [bench.submit(0, order.append, number) for number in range(5)][-1]
    bench.wait(last.cookie)
    require(order == sorted(order), f"operations submitted in order completed as {order}")
    if DMA_MEMCPY not in bench.capabilities:
        return
    length = bench.length(bench.device.copy_align)
    blocks = bench.blocks(5, length)
    expected = blocks[0].copy()
    for source, dest in pairwise(blocks):
        tx = bench.chan.prep_dma_memcpy(dest, 0, source, 0, length, DMA_PREP_FENCE)
        bench.given(tx).tx_submit()
    bench.wait(bench.chan.cookie)
    require((blocks[-1] == expected).all(), "an operation did not see what the one before wrote")


def _check_callback(bench: EngineBench) -> None:
    called: list[object] = []
    last = [bench.submit(DMA_CTRL_ACK, called.append, parameter) for parameter in ("a", "b", "c")][
        -1
    ]
    bench.wait(last.cookie)
    for parameter in ("a", "b", "c"):
        count = called.count(parameter)
        require(count == 1, f"a callback was called {count} times with its parameter")
    for _ in range(8):
        bench.wait(bench.submit(DMA_CTRL_ACK).cookie)
    require(len(called) == 3, "a callback was called again when its descriptor was used again")


def _check_callback_context(bench: EngineBench) -> None:
    sim = bench.machine.sim
    contexts: list[int] = []
    last = [
        bench.submit(DMA_CTRL_ACK, lambda _param: contexts.append(sim.context)) for _ in range(3)
    ][-1]
    bench.wait(last.cookie)
    wrong = {CONTEXT_NAMES[context] for context in contexts if context != TASKLET}
    require(not wrong, f"a callback ran in {' and '.join(sorted(wrong))} context")


def _check_irq_context(bench: EngineBench) -> None:
    sim = bench.machine.sim
    kind = type(bench.given(bench.prepare()))
    own = kind.__dict__.get("__setattr__")
    write = kind.__setattr__
    written: set[str] = set()

    def watch(tx: DmaAsyncTxDescriptor, name: str, value: Any) -> None:
        if sim.context == IRQ and name in _FIELDS:
            written.add(name)
        write(tx, name, value)

    kind.__setattr__ = watch  # type: ignore[method-assign,assignment]  # for the check only
    try:
        last = [bench.submit(DMA_CTRL_ACK, lambda _param: None) for _ in range(3)][-1]
        bench.wait(last.cookie)
    finally:
        if own is None:
            del kind.__setattr__
        else:
            kind.__setattr__ = own  # type: ignore[method-assign]  # as it was
    require(not written, f"in irq context the driver wrote {', '.join(sorted(written))}")


class _Dependant(DmaAsyncTxDescriptor):
    """An operation elsewhere, which only notes when it is submitted."""

    __slots__ = ("submitted",)

    def __init__(self, chan: DmaChan) -> None:
        super().__init__(chan)
        self.submitted = 0

    def tx_submit(self) -> int:
        self.submitted += 1
        return self.chan.cookie_assign(self)


class _Elsewhere(DmaChan):
    """A channel of some other device."""

    __slots__ = ("issued",)

    def __init__(self, device: DmaDevice) -> None:
        super().__init__(device)
        self.issued = 0

    def issue_pending(self) -> None:
        self.issued += 1


def _check_dependencies(bench: EngineBench) -> None:
    elsewhere = _Elsewhere(DmaDevice(bench.machine, set()))
    dependant = _Dependant(elsewhere)
    parent = bench.given(bench.prepare())
    parent.next, dependant.parent = dependant, parent
    cookie = parent.tx_submit()
    require(not dependant.submitted, "a dependant was submitted together with its parent")
    bench.wait(cookie)
    require(
        dependant.submitted == 1,
        f"an operation on another channel was submitted {dependant.submitted} times "
        f"when the one it depends on completed",
    )
    require(parent.next is None, "a completed descriptor still has its child")
    require(dependant.parent is None, "a submitted dependant still has its parent")
    require(elsewhere.issued, "the channel of a dependant was not issued")
    parent, child = bench.given(bench.prepare()), bench.given(bench.prepare())
    parent.next, child.parent = child, parent
    bench.wait(parent.tx_submit())
    bench.chan.issue_pending()
    bench.settle()
    require(child.cookie == 0, "an operation that depends on one of its own channel never ran")


def _check_acknowledgement(bench: EngineBench) -> None:
    kept: list[DmaAsyncTxDescriptor] = []
    for _ in range(_MOST_DESCRIPTORS):
        tx = bench.prepare()
        if tx is None or len(kept) == 300:
            break
        require(
            all(tx is not each for each in kept),
            "a descriptor was used again though nobody acknowledged it",
        )
        kept.append(tx)
        bench.wait(tx.tx_submit())


def _check_recycling(bench: EngineBench) -> None:
    chan = bench.chan
    chan.free_chan_resources()
    count = chan.alloc_chan_resources()
    for flags, when in ((0, "once complete"), (DMA_CTRL_ACK, "when prepared")):
        for number in range(count + 1):
            tx = bench.prepare(flags)
            require(
                tx is not None,
                f"after {number} operations, each acknowledged {when}, no descriptor is left",
            )
            assert tx is not None
            bench.wait(tx.tx_submit())
            tx.flags |= DMA_CTRL_ACK


def _check_ring_full(bench: EngineBench) -> None:
    held: list[DmaAsyncTxDescriptor] = []
    while (tx := bench.prepare()) is not None:
        held.append(tx)
        require(
            len(held) < _MOST_DESCRIPTORS,
            f"{len(held)} descriptors are in use and preparation still returns more",
        )
    require(len({id(tx) for tx in held}) == len(held), "a descriptor in use was given out again")
    for tx in held:
        tx.flags |= DMA_CTRL_ACK
        tx.tx_submit()
    bench.wait(bench.chan.cookie)
    require(bench.prepare() is not None, "a ring that was full once stays full")


DESCRIPTOR_POINTS = (
    Point(
        "waiting",
        "async-tx-api.txt 3.5, 1/: dma_wait_for_async_tx() polls for the completion",
        _check_waiting,
    ),
    Point(
        "submission",
        "async-tx-api.txt 3.4: operations do not run while they are submitted",
        _check_submission,
    ),
    Point(
        "issue-pending",
        "async-tx-api.txt 3.4: issue_pending forces all that was submitted",
        _check_issue_pending,
    ),
    Point(
        "cookies",
        "cookies count up from the channel's last, wrap from 2^31 - 1 to 1, and end as 0",
        _check_cookies,
    ),
    Point(
        "prepared-flags",
        "preparation keeps the flags it is given",
        _check_prepared_flags,
    ),
    Point(
        "callback",
        "async-tx-api.txt 3.5, 2/: a completion callback is called once, with its parameter",
        _check_callback,
    ),
    Point(
        "callback-context",
        "async-tx-api.txt 4.1, 1/: completion callbacks happen in tasklet context",
        _check_callback_context,
    ),
    Point(
        "irq-context",
        "async-tx-api.txt 4.1, 2/: descriptor fields are never manipulated in irq context",
        _check_irq_context,
    ),
    Point(
        "order",
        "the operations of one channel take effect and complete in the order of submission",
        _check_order,
    ),
    Point(
        "dependencies",
        "async-tx-api.txt 4.1, 3/: the clean-up path uses async_tx_run_dependencies()",
        _check_dependencies,
    ),
    Point(
        "resources",
        "a channel that was freed works again for its next client",
        _check_resources,
    ),
    Point(
        "recycling",
        "async-tx-api.txt 3.3: descriptors are reused as operations complete",
        _check_recycling,
    ),
    Point(
        "ring-full",
        "preparation returns None when all descriptors are in use, and only then",
        _check_ring_full,
    ),
    Point(
        "acknowledgement",
        "async-tx-api.txt 3.3: a descriptor is not recycled before it is acknowledged",
        _check_acknowledgement,
    ),
    Point(
        "fresh-descriptor",
        "a prepared descriptor keeps nothing of the operation it stood for before",
        _check_fresh_descriptor,
    ),
)
