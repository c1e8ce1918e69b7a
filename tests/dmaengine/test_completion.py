import pytest

from raidsim import Machine
from raidsim.dmaengine import (
    DMA_COMPLETE,
    DMA_ERROR,
    async_tx_run_dependencies,
    dma_wait_for_async_tx,
)
from raidsim.dmaengine.completion import WAIT_LIMIT_NS
from raidsim.dmaengine.constants import DMA_MAX_COOKIE
from raidsim.dmaengine.drivers import DeviceProfile, EngineProfile
from raidsim.dmaengine.errors import DmaContextError
from raidsim.sim import TASKLET


def make(timed=False, **settings):
    settings = {"threshold_slots": 0} | settings
    device = DeviceProfile(capabilities=("interrupt",), **settings)
    profile = EngineProfile(name="test", description="", devices=(device, device))
    machine = Machine(timed=timed, engines=[profile])
    return machine, *(device.channels[0] for device in machine.dmaengine.devices)


def chain(parent, child):
    parent.next, child.parent = child, parent


def test_waiting_for_nothing_is_complete():
    assert dma_wait_for_async_tx(None) == DMA_COMPLETE


def test_waiting_issues_what_is_pending():
    _, chan, _ = make()
    tx = chan.prep_dma_interrupt(0)
    tx.tx_submit()
    assert dma_wait_for_async_tx(tx) == DMA_COMPLETE
    assert tx.cookie == 0
    assert dma_wait_for_async_tx(tx) == DMA_COMPLETE


def test_waiting_handles_dependency_chains():
    _, first, second = make()
    parent, middle, last = (chan.prep_dma_interrupt(0) for chan in (first, second, second))
    chain(parent, middle)
    chain(middle, last)
    parent.tx_submit()
    assert dma_wait_for_async_tx(last) == DMA_COMPLETE
    assert (parent.cookie, middle.cookie, last.cookie) == (0, 0, 0)


def test_waiting_for_what_can_not_come_is_an_error_not_a_hang():
    _, first, second = make()
    parent, child = first.prep_dma_interrupt(0), second.prep_dma_interrupt(0)
    chain(parent, child)
    assert dma_wait_for_async_tx(child) == DMA_ERROR


def test_five_seconds_of_virtual_time_are_the_limit():
    _, chan, _ = make(timed=True, descriptor_latency_ns=WAIT_LIMIT_NS)
    tx = chan.prep_dma_interrupt(0)
    tx.tx_submit()
    assert dma_wait_for_async_tx(tx) == DMA_COMPLETE

    _, chan, _ = make(timed=True, descriptor_latency_ns=WAIT_LIMIT_NS + 1)
    tx = chan.prep_dma_interrupt(0)
    tx.tx_submit()
    assert dma_wait_for_async_tx(tx) == DMA_ERROR


def test_waiting_in_irq_context_is_refused():
    machine, chan, _ = make()
    tx = chan.prep_dma_interrupt(0)
    tx.tx_submit()
    with pytest.raises(DmaContextError, match="irq context"):
        machine.sim.interrupt(dma_wait_for_async_tx, tx)


def test_waiting_in_a_callback_is_refused():
    machine, chan, _ = make()
    tx = chan.prep_dma_interrupt(0)
    tx.callback, tx.callback_param = dma_wait_for_async_tx, tx
    tx.tx_submit()
    chan.issue_pending()
    with pytest.raises(DmaContextError, match="completion callback"):
        machine.sim.run()


def test_run_dependencies_submits_a_chain_on_one_channel_and_issues_it():
    _, first, second = make()
    parent = first.prep_dma_interrupt(0)
    children = [second.prep_dma_interrupt(0) for _ in range(2)]
    chain(parent, children[0])
    chain(children[0], children[1])
    async_tx_run_dependencies(parent)
    assert [child.cookie for child in children] == [2, 3]
    assert parent.next is None
    assert children[0].next is None
    assert children[1].parent is None
    assert not second.submitted


def test_run_dependencies_stops_where_the_chain_leaves_the_channel():
    _, first, second = make()
    parent, child = first.prep_dma_interrupt(0), second.prep_dma_interrupt(0)
    grandchild = first.prep_dma_interrupt(0)
    chain(parent, child)
    chain(child, grandchild)
    async_tx_run_dependencies(parent)
    assert child.cookie > 0
    assert child.next is grandchild
    assert grandchild.cookie < 0


def test_a_callback_runs_before_its_dependants_are_submitted():
    machine, first, second = make()
    parent, child = first.prep_dma_interrupt(0), second.prep_dma_interrupt(0)
    chain(parent, child)
    seen = []
    parent.callback = lambda _param: seen.append(child.cookie)
    parent.tx_submit()
    first.issue_pending()
    machine.sim.run()
    assert seen[0] < 0
    assert child.cookie == 0


def test_a_callback_runs_in_tasklet_context_even_while_somebody_polls():
    machine, chan, _ = make()
    contexts = []
    tx = chan.prep_dma_interrupt(0)
    tx.callback = lambda _param: contexts.append(machine.sim.context)
    tx.tx_submit()
    dma_wait_for_async_tx(tx)
    assert contexts == [TASKLET]


def test_a_completed_descriptor_is_complete_also_while_cookies_wrap():
    _, chan, _ = make()
    tx = chan.prep_dma_interrupt(0)
    tx.tx_submit()
    dma_wait_for_async_tx(tx)
    chan.completed_cookie, chan.cookie = DMA_MAX_COOKIE, 1
    assert tx.cookie == 0
    assert dma_wait_for_async_tx(tx) == DMA_COMPLETE
