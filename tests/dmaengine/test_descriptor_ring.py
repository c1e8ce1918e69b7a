"""When a ring's completions are told, in which order work is done, and how a ring grows."""

import numpy as np
import pytest

from raidsim import Machine
from raidsim.dmaengine import (
    DMA_COMPLETE,
    DMA_CTRL_ACK,
    DMA_IN_PROGRESS,
    DMA_PREP_FENCE,
    DMA_PREP_INTERRUPT,
    dma_sync_wait,
)
from raidsim.dmaengine.drivers import DeviceProfile, EngineProfile, Quirks

LATENCY_NS = 100


def make(timed=True, **settings):
    settings = {
        "capabilities": ("memcpy", "memset", "interrupt"),
        "threshold_slots": 0,
        "descriptor_latency_ns": LATENCY_NS,
        "bytes_per_second": 10**9,
    } | settings
    profile = EngineProfile(name="test", description="", devices=(DeviceProfile(**settings),))
    machine = Machine(timed=timed, engines=[profile])
    return machine, machine.dmaengine.devices[0].channels[0]


def fill(chan, block, value, flags=0, length=None):
    return chan.prep_dma_memset(block, value, 0, length or len(block), flags)


def submit_all(machine, chan, count, flags=0):
    """Submit so many fills of no matter what; when each was told complete."""
    times = []
    for _ in range(count):
        tx = fill(chan, np.zeros(1, np.uint8), 1, flags)
        tx.callback = lambda _param: times.append(machine.sim.now_ns)
        tx.tx_submit()
    chan.issue_pending()
    return times


# -- completion -----------------------------------------------------------------------------------


def test_coalesced_completions_are_told_by_the_dozen():
    machine, chan = make(completion="coalesced", coalesced_descriptors=3, completion_timer_ns=10**6)
    times = submit_all(machine, chan, 6, DMA_PREP_INTERRUPT)
    machine.sim.run()
    assert times == [303, 303, 303, 606, 606, 606]


def test_the_timer_tells_what_does_not_make_the_dozen_full():
    machine, chan = make(completion="coalesced", coalesced_descriptors=3, completion_timer_ns=5000)
    times = submit_all(machine, chan, 2)
    machine.sim.run()
    assert times == [5101, 5101]


def test_a_driver_without_interrupts_looks_when_its_timer_says():
    machine, chan = make(completion="polled", completion_timer_ns=1000)
    times = submit_all(machine, chan, 2, DMA_PREP_INTERRUPT)
    machine.sim.run()
    assert times == [1101, 1101]


def test_a_driver_without_interrupts_looks_when_somebody_waits():
    machine, chan = make(completion="polled", completion_timer_ns=10**9)
    times = submit_all(machine, chan, 2)
    assert dma_sync_wait(chan, chan.cookie) == DMA_COMPLETE
    assert times[0] < 300


@pytest.mark.parametrize("completion", ["interrupt", "coalesced", "polled"])
def test_untimed_every_completion_is_told(completion):
    machine, chan = make(timed=False, completion=completion, coalesced_descriptors=20)
    times = submit_all(machine, chan, 7)
    machine.sim.run()
    assert len(times) == 7
    assert chan.tx_status(chan.cookie) == DMA_COMPLETE


@pytest.mark.parametrize(
    ("publishes_each", "status"), [(False, DMA_IN_PROGRESS), (True, DMA_COMPLETE)]
)
def test_a_callback_sees_its_own_completion_where_the_driver_publishes_first(
    publishes_each, status
):
    machine, chan = make(publishes_each_completion=publishes_each)
    seen = []
    tx = fill(chan, np.zeros(1, np.uint8), 1)
    tx.callback = lambda cookie: seen.append(chan.tx_status(cookie))
    tx.callback_param = tx.tx_submit()
    chan.issue_pending()
    machine.sim.run()
    assert seen == [status]


# -- order ----------------------------------------------------------------------------------------


def run_long_then_short(first_flags, **settings):
    """A long fill, then a short one of the same bytes, unfenced or not; what is there at the end,
    and the order in which the callbacks came."""
    machine, chan = make(**settings)
    block = np.zeros(4096, np.uint8)
    order = []
    for value, length, flags in ((1, 4096, first_flags), (2, 16, 0)):
        tx = fill(chan, block, value, flags, length)
        tx.callback, tx.callback_param = order.append, value
        tx.tx_submit()
    chan.issue_pending()
    machine.sim.run()
    return block[0], order


def test_one_after_the_other_by_default():
    assert run_long_then_short(0) == (2, [1, 2])


def test_parallel_work_overtakes_but_is_told_in_order():
    assert run_long_then_short(0, parallel_descriptors=2) == (1, [1, 2])


def test_a_fence_keeps_parallel_work_in_order():
    assert run_long_then_short(DMA_PREP_FENCE, parallel_descriptors=2) == (2, [1, 2])


def test_an_interrupt_descriptor_is_always_a_fence():
    _, chan = make()
    assert chan.prep_dma_interrupt(0).flags & DMA_PREP_FENCE


def test_parallel_descriptors_take_the_time_of_one():
    machine, chan = make(parallel_descriptors=4)
    submit_all(machine, chan, 4)
    machine.sim.run()
    assert machine.sim.now_ns == LATENCY_NS + 1


def test_what_is_issued_later_joins_what_is_under_way():
    machine, chan = make(parallel_descriptors=2)
    for _ in range(2):
        submit_all(machine, chan, 1)
    machine.sim.run()
    assert machine.sim.now_ns == LATENCY_NS + 1


# -- the ring -------------------------------------------------------------------------------------


def test_a_ring_that_may_grow_doubles_when_it_is_full():
    _, chan = make(ring_slots=2, ring_slots_max=8)
    prepared = [fill(chan, np.zeros(1, np.uint8), 1) for _ in range(9)]
    assert all(prepared[:8])
    assert prepared[8] is None
    assert chan.ring_slots == 8


def test_a_ring_does_not_grow_while_it_can_recycle():
    machine, chan = make(ring_slots=2, ring_slots_max=8)
    for _ in range(10):
        fill(chan, np.zeros(1, np.uint8), 1, DMA_CTRL_ACK).tx_submit()
        chan.issue_pending()
        machine.sim.run()
    assert chan.ring_slots == 2


def test_long_operations_are_cut_into_segments_that_take_slots_and_time():
    machine, chan = make(ring_slots=8, quirks=Quirks(segment_bytes=1000))
    fill(chan, np.zeros(2500, np.uint8), 1).tx_submit()
    assert chan.free_slots == 5
    chan.issue_pending()
    machine.sim.run()
    assert machine.sim.now_ns == 3 * LATENCY_NS + 2500


def test_an_operation_longer_than_the_ring_takes_all_of_it():
    _, chan = make(ring_slots=2, quirks=Quirks(segment_bytes=10))
    assert fill(chan, np.zeros(100, np.uint8), 1)
    assert chan.free_slots == 0


def test_operations_have_rates_of_their_own():
    machine, chan = make(operation_bytes_per_second={"memcpy": 2 * 10**9})
    block = np.zeros(4000, np.uint8)
    chan.prep_dma_memcpy(block, 0, block, 2000, 2000, 0).tx_submit()
    fill(chan, block, 1).tx_submit()
    chan.issue_pending()
    machine.sim.run()
    assert machine.sim.now_ns == 2 * LATENCY_NS + 1000 + 4000
