import numpy as np
import pytest

from raidsim import Machine
from raidsim.dmaengine import (
    DMA_COMPLETE,
    DMA_CTRL_ACK,
    DMA_IN_PROGRESS,
    DMA_PREP_INTERRUPT,
    DmaAsyncTxDescriptor,
)
from raidsim.dmaengine.drivers import DeviceProfile, EngineProfile
from raidsim.dmaengine.drivers.ring import RingDescriptor
from raidsim.dmaengine.errors import DescriptorError
from raidsim.dmaengine.events import Completed, Issued, Serviced, Submitted
from raidsim.sim import PROCESS, TASKLET

BLOCK = np.zeros(1, np.uint8)


def make(timed=False, **settings):
    settings = {"ring_slots": 4, "threshold_slots": 0} | settings
    device = DeviceProfile(
        capabilities=("memcpy", "memset", "xor", "pq", "interrupt"), max_xor=8, max_pq=8, **settings
    )
    profile = EngineProfile(name="test", description="", devices=(device,))
    machine = Machine(timed=timed, engines=[profile])
    return machine, machine.dmaengine.devices[0].channels[0]


def interrupt(chan, flags=0):
    tx = chan.prep_dma_interrupt(flags)
    tx.tx_submit()
    return tx


def test_nothing_happens_until_it_is_issued():
    machine, chan = make()
    tx = interrupt(chan)
    machine.sim.run()
    assert chan.tx_status(tx.cookie) == DMA_IN_PROGRESS
    cookie = tx.cookie
    chan.issue_pending()
    machine.sim.run()
    assert chan.tx_status(cookie) == DMA_COMPLETE
    assert tx.cookie == 0


def test_the_threshold_issues_by_itself():
    machine, chan = make(threshold_slots=3)
    txs = [interrupt(chan) for _ in range(2)]
    machine.sim.run()
    assert all(tx.cookie for tx in txs)
    txs.append(interrupt(chan))
    machine.sim.run()
    assert not any(tx.cookie for tx in txs)


def test_descriptors_complete_in_order():
    machine, chan = make()
    order = []
    for number in range(3):
        tx = chan.prep_dma_interrupt(0)
        tx.callback, tx.callback_param = order.append, number
        tx.tx_submit()
    chan.issue_pending()
    machine.sim.run()
    assert order == [0, 1, 2]


def test_preparation_returns_none_when_all_descriptors_are_in_use():
    _, chan = make()
    assert all(chan.prep_dma_interrupt(0) for _ in range(4))
    assert chan.prep_dma_interrupt(0) is None


def test_a_descriptor_is_recycled_only_when_complete_and_acknowledged():
    machine, chan = make(ring_slots=2)
    acknowledged, kept = interrupt(chan, DMA_CTRL_ACK), interrupt(chan)
    assert chan.prep_dma_interrupt(0) is None
    chan.issue_pending()
    machine.sim.run()
    assert interrupt(chan) is acknowledged
    assert chan.prep_dma_interrupt(0) is None
    kept.flags |= DMA_CTRL_ACK
    assert chan.prep_dma_interrupt(0) is kept


def test_preparing_forgets_an_acknowledgement_made_before():
    machine, chan = make(ring_slots=1)
    tx = interrupt(chan, DMA_CTRL_ACK)
    chan.issue_pending()
    machine.sim.run()
    assert not chan.prep_dma_interrupt(0).flags & DMA_CTRL_ACK
    assert tx.chan is chan


def test_a_descriptor_takes_the_slots_its_sources_need():
    _, chan = make(xor_slots=((2, 1), (8, 3)))
    blocks = [np.zeros(8, np.uint8) for _ in range(3)]
    assert chan.prep_dma_xor(blocks[0], blocks, 0, 8, 0)
    assert chan.free_slots == 1
    assert chan.prep_dma_xor(blocks[0], blocks, 0, 8, 0) is None
    assert chan.prep_dma_xor(blocks[0], blocks[:2], 0, 8, 0)


def test_more_sources_than_the_engine_takes_are_refused():
    _, chan = make()
    blocks = [np.zeros(8, np.uint8) for _ in range(9)]
    with pytest.raises(DescriptorError, match="xor of 9 sources, the engine takes 8"):
        chan.prep_dma_xor(blocks[0], blocks, 0, 8, 0)
    with pytest.raises(DescriptorError, match="pq of 9 sources"):
        chan.prep_dma_pq((blocks[0], None), blocks, [1] * 9, 0, 8, 0)


def test_callbacks_run_in_tasklet_context():
    machine, chan = make()
    contexts = []
    tx = chan.prep_dma_interrupt(DMA_PREP_INTERRUPT)
    tx.callback = lambda _param: contexts.append(machine.sim.context)
    tx.tx_submit()
    chan.issue_pending()
    machine.sim.run()
    assert contexts == [TASKLET]
    assert machine.sim.context == PROCESS


def test_a_callback_is_not_called_again_when_its_descriptor_is_used_again():
    machine, chan = make(ring_slots=1)
    called = []
    for callback in (called.append, None):
        tx = chan.prep_dma_interrupt(DMA_CTRL_ACK)
        if callback:
            tx.callback = callback
        tx.tx_submit()
        chan.issue_pending()
        machine.sim.run()
    assert called == [None]


def test_a_descriptor_that_asks_for_an_interrupt_completes_before_those_behind_it():
    machine, chan = make(timed=True, descriptor_latency_ns=100)
    times = []
    for flags in (DMA_PREP_INTERRUPT, 0, 0):
        tx = chan.prep_dma_interrupt(flags) if flags else chan.prep_dma_memset(BLOCK, 0, 0, 1, 0)
        tx.callback = lambda _param: times.append(machine.sim.now_ns)
        tx.tx_submit()
    chan.issue_pending()
    machine.sim.run()
    assert times == [100, 302, 302]


def test_no_descriptor_field_changes_in_irq_context(monkeypatch):
    machine, chan = make()
    fields = DmaAsyncTxDescriptor.__slots__
    written = []

    def watch(self, name, value):
        if name in fields:
            written.append(machine.sim.context)
        object.__setattr__(self, name, value)

    monkeypatch.setattr(RingDescriptor, "__setattr__", watch)
    parent, child = (chan.prep_dma_interrupt(0) for _ in range(2))
    parent.next, child.parent = child, parent
    parent.callback = lambda _param: None
    parent.tx_submit()
    chan.issue_pending()
    machine.sim.run()
    assert child.cookie == 0
    assert set(written) == {PROCESS, TASKLET}


def test_completion_is_published_after_the_callbacks_of_a_pass():
    machine, chan = make()
    statuses = []
    tx = chan.prep_dma_interrupt(0)
    tx.callback = lambda cookie: statuses.append(chan.tx_status(cookie))
    tx.callback_param = tx.tx_submit()
    chan.issue_pending()
    machine.sim.run()
    assert statuses == [DMA_IN_PROGRESS]
    assert chan.tx_status(tx.callback_param) == DMA_COMPLETE


def test_the_channel_counts_its_operations_and_bytes():
    machine, chan = make()
    block = np.zeros(4096, np.uint8)
    for _ in range(3):
        chan.prep_dma_memcpy(block, 0, block, 2048, 2048, 0).tx_submit()
    assert chan.counts.operations["memcpy"] == 3
    assert chan.counts.length_bytes["memcpy"] == 3 * 2048
    assert machine.async_tx_stats.software.operations["memcpy"] == 0


def test_the_hook_sees_a_descriptor_submitted_issued_and_completed():
    machine, chan = make()
    events = []
    machine.sim.hook.subscribe(lambda _time_ns, event: events.append(event))
    interrupt(chan)
    chan.issue_pending()
    machine.sim.run()
    assert events == [
        Submitted("dma0chan0", 2, "interrupt", 0),
        Issued("dma0chan0", 2, "interrupt"),
        Serviced("dma0chan0", 2, "interrupt", 0),
        Completed("dma0chan0", 2, "interrupt"),
    ]


def test_timed_descriptors_take_their_latency_and_their_source_bytes():
    machine, chan = make(timed=True, descriptor_latency_ns=100, bytes_per_second=1_000_000_000)
    blocks = [np.zeros(1000, np.uint8) for _ in range(3)]
    for _ in range(2):
        chan.prep_dma_xor(blocks[0], blocks, 0, 1000, 0).tx_submit()
    chan.issue_pending()
    machine.sim.run()
    assert machine.sim.now_ns == 2 * (100 + 3000)


def test_a_destination_may_be_any_of_the_sources():
    machine, chan = make()
    generator = np.random.default_rng(0)
    first, second = (generator.integers(0, 256, 64, dtype=np.uint8) for _ in range(2))
    for sources in ([first, second], [second, first]):
        expected = first ^ second
        chan.prep_dma_xor(first, sources, 0, 64, DMA_CTRL_ACK).tx_submit()
        chan.issue_pending()
        machine.sim.run()
        assert (first == expected).all()
