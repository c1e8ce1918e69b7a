"""Engine faults: a channel that goes wrong on demand, with the words of SPDK's accel error module.

A fault stands before the driver of a ring channel and strikes some of its descriptors. In the
kernel most of this ends in a panic or a hang; here it surfaces as a ``RaidsimError``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from raidsim.dmaengine.channel import DmaAsyncTxDescriptor
from raidsim.dmaengine.constants import (
    DMA_COMPLETE,
    DMA_ERROR,
    DMA_IN_PROGRESS,
    SUM_CHECK_P_RESULT,
)
from raidsim.dmaengine.counts import OPERATIONS
from raidsim.dmaengine.drivers import arithmetic
from raidsim.dmaengine.errors import EngineHaltedError
from raidsim.dmaengine.events import EngineFaultFired
from raidsim.dmaengine.interposer import Interposer, interpose
from raidsim.sim import Trigger
from raidsim.tables import suggest

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random
    from typing import Any

    from raidsim.dmaengine.drivers.descriptor_ring import DescriptorRing, RingDescriptor
    from raidsim.dmaengine.interposer import Preparation
    from raidsim.sim import Simulator

    InterposedRing = DescriptorRing
else:
    InterposedRing = object

NEVER_COMPLETES = "never_completes"
FAILS = "fails"
CORRUPTS = "corrupts"
NO_DESCRIPTOR = "no_descriptor"
STUCK = "stuck"
LATE_INTERRUPT = "late_interrupt"
FAULT_KINDS = (NEVER_COMPLETES, FAILS, CORRUPTS, NO_DESCRIPTOR, STUCK, LATE_INTERRUPT)


@dataclass(slots=True, kw_only=True)
class EngineFault(Trigger):
    """A fault, and which descriptors it strikes: by default every one.

    * ``never_completes``: the descriptor is not carried out and is in progress for ever. Who waits
      gets ``DMA_ERROR`` after 5 s, and so async_tx a ``QuiesceError``; what depends on it waits
      for ever.
    * ``fails``: it is not carried out, and its status is ``DMA_ERROR``. A callback or a dependent
      operation would never be told: then ``EngineHaltedError`` ends the run, as the drivers' BUG()
      does.
    * ``corrupts``: one bit of what it writes, or the verdict of a validation, is wrong.
    * ``no_descriptor``: its preparation returns nothing.
    * ``stuck``: from it on the channel does no more.
    * ``late_interrupt``: the interrupt that tells of it comes late, when timed.

    Attributes:
        kind: One of ``FAULT_KINDS``.
        operations: The operations it strikes; all when empty.
        delay_ns: How late an interrupt comes.

    Raises:
        FaultError: It makes no sense; the message names every mistake.
    """

    kind: str
    operations: tuple[str, ...] = ()
    delay_ns: int = 1_000_000

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"engine fault {self.kind!r}"

    def mistakes(self) -> list[str]:
        """What makes no sense about it, one line each."""
        found = Trigger.mistakes(self)
        if self.kind not in FAULT_KINDS:
            found.append(f"no such kind: {suggest(self.kind, FAULT_KINDS)}")
        found += [
            f"no operation {word!r}: {suggest(word, OPERATIONS)}"
            for word in self.operations
            if word not in OPERATIONS
        ]
        return found

    def strikes(self, operation: str, sim: Simulator, random: Random) -> bool:
        """Tell whether it strikes this operation, and count."""
        return (not self.operations or operation in self.operations) and self.picks(sim, random)


class ChannelFaults:
    """The faults of one channel, and what they have done to it.

    Attributes:
        faults: Those in force, in the order of asking.
        struck: Descriptors that are to go wrong once they are submitted, and how.
        lost: Cookies that stay in progress for ever.
        failed: Cookies whose status is an error.
        stuck: Whether the channel does no more.
        late_ns: How late the next interrupt is.
    """

    __slots__ = ("failed", "faults", "late_ns", "lost", "struck", "stuck")

    def __init__(self) -> None:
        self.faults: list[EngineFault] = []
        self.struck: dict[RingDescriptor, str] = {}
        self.lost: set[int] = set()
        self.failed: set[int] = set()
        self.stuck = False
        self.late_ns = 0


def inject_fault(chan: DescriptorRing, fault: EngineFault) -> None:
    """Let ``fault`` strike what is prepared on ``chan`` from now on; faults stack."""
    if chan.faults is None:
        chan.faults = ChannelFaults()
    chan.faults.faults.append(fault)
    interpose(chan, FaultyChannel)


def remove_fault(chan: DescriptorRing, fault: EngineFault) -> None:
    """Let ``fault`` strike no more; a channel that it left stuck goes on."""
    state = chan.faults
    assert state is not None
    state.faults.remove(fault)
    if fault.kind == STUCK:
        state.stuck = False
        chan.issue_pending()


class FaultyChannel(Interposer, InterposedRing):
    """A ring channel with faults."""

    __slots__ = ()

    if TYPE_CHECKING:
        faults: ChannelFaults

    def intercept_prep(
        self, asked: Preparation, prep_dma: Callable[[], DmaAsyncTxDescriptor | None]
    ) -> DmaAsyncTxDescriptor | None:
        """Have the driver prepare what is asked, unless a fault has it that there is nothing."""
        kinds = {fault.kind: fault for fault in self.faults.faults if self._strikes(fault, asked)}
        if NO_DESCRIPTOR in kinds:
            return None
        tx: Any = super().intercept_prep(asked, prep_dma)
        if tx is None:
            return None
        if CORRUPTS in kinds:
            random = self.device.machine.sim.random(f"{self.name} corrupts where")
            tx.work = partial(_corrupt, tx.work, asked, random.random())
        if LATE_INTERRUPT in kinds:
            tx.work = partial(_delay, tx.work, self.faults, kinds[LATE_INTERRUPT].delay_ns)
        for kind in (STUCK, NEVER_COMPLETES, FAILS):
            if kind in kinds:
                self.faults.struck[tx] = kind
                break
        return tx  # type: ignore[no-any-return]  # a ring's descriptor, with its work

    def submit(self, tx: RingDescriptor) -> int:
        """Submit ``tx``, or only seem to."""
        kind = self.faults.struck.pop(tx, None)
        if kind == STUCK:
            self.faults.stuck = True
        elif kind == NEVER_COMPLETES:
            cookie = self.cookie_assign(tx)
            self.faults.lost.add(cookie)
            _hold_back_children(tx)
            return cookie
        elif kind == FAILS:
            return self._submit_failing(tx)
        return super().submit(tx)

    def issue_pending(self) -> None:
        """Ring the doorbell, if there is anybody to hear it."""
        if not self.faults.stuck:
            super().issue_pending()

    def tx_status(self, cookie: int) -> int:
        """Return the status, as the faults have it."""
        if cookie in self.faults.lost:
            return DMA_IN_PROGRESS
        status = super().tx_status(cookie)
        return DMA_ERROR if status == DMA_COMPLETE and cookie in self.faults.failed else status

    def _strikes(self, fault: EngineFault, asked: Preparation) -> bool:
        if fault.kind == CORRUPTS and not asked.writes and asked.result is None:
            return False
        sim = self.device.machine.sim
        if not fault.strikes(asked.operation, sim, sim.random(f"{self.name} {fault.kind}")):
            return False
        sim.hook.tell(EngineFaultFired(self.name, fault.kind, asked.operation))
        return True

    def _submit_failing(self, tx: RingDescriptor) -> int:
        tx.work, tx.arguments = arithmetic.nothing, ()
        relied_on = tx.callback is not None
        cookie = super().submit(tx)
        self.faults.failed.add(cookie)
        tx.callback, tx.callback_param = partial(_fail, tx, cookie), relied_on
        _hold_back_children(tx)
        return cookie

    def _irq(self) -> None:
        late_ns, self.faults.late_ns = self.faults.late_ns, 0
        if late_ns:
            sim = self.device.machine.sim
            sim.device_after(late_ns, sim.interrupt, super()._irq)
        else:
            super()._irq()


def _hold_back_children(tx: RingDescriptor) -> None:
    """Let what is to depend on ``tx`` wait for its clean-up, on its own channel too."""
    tx.parent = DmaAsyncTxDescriptor(tx.chan)


def _fail(tx: RingDescriptor, cookie: int, relied_on: bool) -> None:
    """Leave the failure to who looks at the status; whoever does not has to be stopped."""
    tx.cookie = cookie
    if relied_on or tx.next is not None:
        raise EngineHaltedError(
            f"{tx.chan.name}: {tx.operation} failed, and what relies on it would never be told"
            f" (the kernel's drivers BUG() here)"
        )


def _corrupt(work: Callable[..., None], asked: Preparation, where: float, *arguments: Any) -> None:
    work(*arguments)
    if asked.result is not None:
        asked.result.flags ^= SUM_CHECK_P_RESULT
    else:
        bit = int(where * 8 * sum(length for _, _, length in asked.writes))
        for buffer, offset, length in asked.writes:
            if bit < 8 * length:
                buffer[offset + bit // 8] ^= 1 << bit % 8
                break
            bit -= 8 * length


def _delay(
    work: Callable[..., None], faults: ChannelFaults, delay_ns: int, *arguments: Any
) -> None:
    work(*arguments)
    faults.late_ns = delay_ns
