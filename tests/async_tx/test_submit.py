"""Descriptors, dependencies, callbacks, contexts: async-tx-api.txt 3.3 to 3.6."""

import numpy as np
import pytest

from raidsim import Machine
from raidsim.async_tx import (
    ASYNC_TX_ACK,
    ASYNC_TX_FENCE,
    ASYNC_TX_XOR_DROP_DST,
    AsyncSubmitCtl,
    DependencyError,
    DescriptorExhaustedError,
    QuiesceError,
    SubmissionContextError,
    SumCheck,
    async_gen_syndrome,
    async_memcpy,
    async_memset,
    async_raid6_2data_recov,
    async_raid6_datap_recov,
    async_syndrome_val,
    async_trigger_callback,
    async_tx_ack,
    async_tx_issue_pending_all,
    async_xor,
    async_xor_val,
    init_async_submit,
)
from raidsim.dmaengine import DMA_CTRL_ACK
from raidsim.dmaengine.completion import WAIT_LIMIT_NS
from raidsim.dmaengine.events import Callback, ChannelSwitch, Issued, Submitted
from raidsim.sim import PROCESS, TASKLET

CALLS = {
    "memcpy": lambda b, submit: async_memcpy(b[0], b[1], 0, 0, 512, submit),
    "memset": lambda b, submit: async_memset(b[0], 0, 0, 512, submit),
    "xor": lambda b, submit: async_xor(b[0], b[1:], 0, 2, 512, submit),
    "xor_val": lambda b, submit: async_xor_val(b[0], b, 0, 3, 512, SumCheck(), submit),
    "pq": lambda b, submit: async_gen_syndrome(b, 0, 8, 512, submit),
    "pq_val": lambda b, submit: async_syndrome_val(
        b, 0, 8, 512, SumCheck(), np.empty(512, np.uint8), submit
    ),
    "datap": lambda b, submit: async_raid6_datap_recov(8, 512, 0, b, submit),
    "2data": lambda b, submit: async_raid6_2data_recov(8, 512, 0, 1, b, submit),
    "trigger_callback": lambda _, submit: async_trigger_callback(submit),
}


@pytest.fixture(params=list(CALLS))
def call(request):
    return CALLS[request.param]


def memcpy(bench, tx=None, flags=0, callback=None, param=None):
    init_async_submit(bench.submit, flags, tx, callback, param, None)
    dest, src = bench.blocks(2)
    return async_memcpy(dest, src, 0, 0, 512, bench.submit)


# 3.3 Descriptor management


def test_the_ack_flag_acknowledges(max8):
    assert not memcpy(max8).flags & DMA_CTRL_ACK
    assert memcpy(max8, flags=ASYNC_TX_ACK).flags & DMA_CTRL_ACK


def test_async_tx_ack_acknowledges(max8):
    tx = memcpy(max8)
    async_tx_ack(tx)
    assert tx.flags & DMA_CTRL_ACK


@pytest.mark.parametrize("capability", ["memset", "xor", "xor_val", "pq", "pq_val"])
def test_submitting_a_descriptor_as_a_dependency_acknowledges_it(
    make_bench, engine, capability, call
):
    _, device_each = engine
    bench = make_bench([device_each("memcpy", capability)])
    parent = memcpy(bench)
    init_async_submit(bench.submit, ASYNC_TX_ACK, parent, None, None, None)
    assert not parent.flags & DMA_CTRL_ACK
    call(bench.blocks(8), bench.submit)
    assert parent.flags & DMA_CTRL_ACK


def test_an_acknowledged_parent_is_refused_by_every_operation(max8, call):
    tx = memcpy(max8, flags=ASYNC_TX_ACK)
    init_async_submit(max8.submit, 0, tx, None, None, None)
    free = tx.chan.free_slots
    with pytest.raises(DependencyError, match=r"acknowledged operation on dma0chan0 .* 3\.3"):
        call(max8.blocks(8), max8.submit)
    assert tx.chan.free_slots == free


def test_a_descriptor_takes_one_child(make_bench, engine):
    _, device_each = engine
    bench = make_bench([device_each("memcpy", "xor")])
    parent = memcpy(bench)
    blocks = bench.blocks(3)
    init_async_submit(bench.submit, 0, parent, None, None, None)
    child = async_xor(blocks[0], blocks[1:], 0, 2, 512, bench.submit)
    init_async_submit(bench.submit, 0, parent, None, None, None)
    with pytest.raises(DependencyError):
        async_xor(blocks[0], blocks[1:], 0, 2, 512, bench.submit)
    # The child waits: the second test is for a parent that nobody acknowledged.
    grandchild = memcpy(bench, child)
    child.flags &= ~DMA_CTRL_ACK
    init_async_submit(bench.submit, 0, child, None, None, None)
    with pytest.raises(DependencyError, match="already has a child"):
        async_xor(blocks[0], blocks[1:], 0, 2, 512, bench.submit)
    bench.finish(grandchild)


@pytest.mark.parametrize("operation", ["memcpy", "memset"])
def test_copies_and_fills_go_to_software_when_descriptors_run_out(make_bench, engine, operation):
    one_device, _ = engine
    bench = make_bench([one_device(ring_slots=1)])
    kept = memcpy(bench)
    init_async_submit(bench.submit, ASYNC_TX_ACK, None, None, None, None)
    assert CALLS[operation](bench.blocks(2), bench.submit) is None
    assert kept.cookie > 0


@pytest.mark.parametrize("operation", ["xor", "xor_val", "pq", "pq_val"])
def test_other_operations_wait_for_a_descriptor(make_bench, engine, operation):
    one_device, _ = engine
    bench = make_bench([one_device(ring_slots=1)])
    busy = memcpy(bench, flags=ASYNC_TX_ACK)
    init_async_submit(bench.submit, ASYNC_TX_ACK, None, None, None, None)
    assert CALLS[operation](bench.blocks(8), bench.submit) is busy


def test_the_parent_is_waited_for_before_a_descriptor_is(make_bench, engine):
    _, device_each = engine
    bench = make_bench([device_each("memcpy", "xor", ring_slots=2)])
    blocks = bench.blocks(3)
    for _ in range(2):
        init_async_submit(bench.submit, ASYNC_TX_ACK, None, None, None, None)
        async_xor(blocks[0], blocks[1:], 0, 2, 512, bench.submit)
    parent = memcpy(bench)
    init_async_submit(bench.submit, ASYNC_TX_ACK, parent, None, None, None)
    assert async_xor(blocks[0], blocks[1:], 0, 2, 512, bench.submit) is not None
    assert parent.cookie == 0


@pytest.mark.parametrize("operation", ["xor", "xor_val", "pq", "pq_val"])
def test_leaked_acknowledgements_are_an_error_where_the_kernel_hangs(make_bench, engine, operation):
    one_device, _ = engine
    bench = make_bench([one_device(ring_slots=1)])
    memcpy(bench)
    init_async_submit(bench.submit, ASYNC_TX_ACK, None, None, None, None)
    with pytest.raises(DescriptorExhaustedError, match="dma0chan0 has no descriptor left"):
        CALLS[operation](bench.blocks(8), bench.submit)


def test_a_split_operation_gets_along_with_two_descriptors(make_bench, engine):
    one_device, _ = engine
    bench = make_bench([one_device(ring_slots=2, max_xor=2)])
    dest, *sources = bench.blocks(21)
    bench.finish(async_xor(dest, sources, 0, 20, 512, bench.submit))
    assert (dest == np.bitwise_xor.reduce(sources)).all()


# 3.4 When does the operation execute?


def test_operations_do_not_issue_on_return(max8):
    dest, src = max8.blocks(2)
    async_memcpy(dest, src, 0, 0, 512, max8.submit)
    max8.machine.sim.run()
    assert not (dest == src).all()


def test_issue_pending_all_forces_every_channel(make_bench, engine):
    _, device_each = engine
    bench = make_bench([device_each("memcpy", "xor")])
    txs = [memcpy(bench)]
    blocks = bench.blocks(3)
    init_async_submit(bench.submit, 0, None, None, None, None)
    txs.append(async_xor(blocks[0], blocks[1:], 0, 2, 512, bench.submit))
    assert txs[0].chan is not txs[1].chan
    async_tx_issue_pending_all(bench.machine)
    bench.machine.sim.run()
    assert [tx.cookie for tx in txs] == [0, 0]


def test_the_driver_issues_when_its_threshold_is_met(make_bench, engine):
    one_device, _ = engine
    bench = make_bench([one_device(threshold_slots=2)])
    first = memcpy(bench)
    bench.machine.sim.run()
    assert first.cookie > 0
    second = memcpy(bench)
    bench.machine.sim.run()
    assert first.cookie == second.cookie == 0


# 3.5 When does the operation complete?


def test_every_operation_calls_back_exactly_once(bench, call):
    called = []
    init_async_submit(bench.submit, ASYNC_TX_ACK, None, called.append, "param", None)
    call(bench.blocks(8), bench.submit)
    async_tx_issue_pending_all(bench.machine)
    bench.machine.sim.run()
    assert called == ["param"]


def test_callbacks_run_in_tasklet_context_on_an_engine(max8, call):
    contexts = []
    parent = memcpy(max8)
    init_async_submit(
        max8.submit,
        ASYNC_TX_ACK,
        parent,
        lambda _param: contexts.append(max8.machine.sim.context),
        None,
        None,
    )
    call(max8.blocks(8), max8.submit)
    assert contexts == []
    async_tx_issue_pending_all(max8.machine)
    max8.machine.sim.run()
    assert contexts == [TASKLET]


def test_callbacks_run_in_application_context_in_software(software, call):
    contexts = []
    init_async_submit(
        software.submit,
        ASYNC_TX_ACK,
        None,
        lambda _param: contexts.append(software.machine.sim.context),
        None,
        None,
    )
    assert call(software.blocks(8), software.submit) is None
    assert contexts == [PROCESS]


def test_the_hook_tells_where_a_callback_runs(software, max8):
    for bench, expected in (
        (software, Callback(None, PROCESS)),
        (max8, Callback("dma0chan0", TASKLET)),
    ):
        events = []
        bench.machine.sim.hook.subscribe(lambda _time_ns, event, log=events: log.append(event))
        bench.finish(memcpy(bench, callback=lambda _param: None))
        assert expected in events


def test_trigger_callback_calls_at_the_end_of_the_chain(bench):
    (src, middle, dest), called = bench.blocks(3), []
    init_async_submit(bench.submit, ASYNC_TX_FENCE, None, None, None, None)
    tx = async_memcpy(middle, src, 0, 0, 512, bench.submit)
    init_async_submit(bench.submit, ASYNC_TX_FENCE, tx, None, None, None)
    tx = async_memcpy(dest, middle, 0, 0, 512, bench.submit)
    init_async_submit(
        bench.submit,
        ASYNC_TX_ACK,
        tx,
        lambda _param: called.append((dest == src).all()),
        None,
        None,
    )
    async_trigger_callback(bench.submit)
    async_tx_issue_pending_all(bench.machine)
    bench.machine.sim.run()
    assert called == [True]


def test_trigger_callback_without_interrupt_descriptors_waits(make_bench):
    bench = make_bench(["mv_xor-kirkwood"])
    called = []
    tx = memcpy(bench)
    init_async_submit(bench.submit, ASYNC_TX_ACK, tx, called.append, 1, None)
    assert async_trigger_callback(bench.submit) is None
    assert called == [1]
    assert tx.cookie == 0
    assert bench.submit.depend_tx is None


# 3.6 Constraints


def test_submission_in_irq_context_is_refused(bench, call):
    with pytest.raises(SubmissionContextError, match=r"3\.6, 1/: .* not permitted in IRQ context"):
        bench.machine.sim.interrupt(call, bench.blocks(8), bench.submit)


def test_submission_in_tasklet_context_is_permitted(bench, call):
    bench.submit.flags = ASYNC_TX_ACK
    bench.machine.sim.tasklet_schedule(call, bench.blocks(8), bench.submit)
    bench.machine.sim.run()


def test_submission_from_a_callback_is_refused(bench, call):
    other = AsyncSubmitCtl(bench.machine)
    refused = []

    def callback(_param):
        with pytest.raises(SubmissionContextError, match=r"3\.6, 2/: completion callback"):
            call(bench.blocks(8), other)
        refused.append(True)

    memcpy(bench, flags=ASYNC_TX_ACK, callback=callback)
    async_tx_issue_pending_all(bench.machine)
    bench.machine.sim.run()
    assert refused == [True]
    other.flags = ASYNC_TX_ACK
    call(bench.blocks(8), other)


# Dependencies


def test_a_software_child_waits_for_its_parent_on_an_engine(make_bench, engine):
    _, device_each = engine
    bench = make_bench([device_each("memcpy")])
    src, middle, other = bench.blocks(3)
    tx = async_memcpy(middle, src, 0, 0, 512, bench.submit)
    init_async_submit(bench.submit, ASYNC_TX_ACK | ASYNC_TX_XOR_DROP_DST, tx, None, None, None)
    expected = src ^ other
    assert async_xor(middle, [middle, other], 0, 2, 512, bench.submit) is None
    assert (middle == expected).all()
    assert tx.cookie == 0
    assert bench.submit.depend_tx is None


def test_a_parent_that_never_completes_is_an_error_where_the_kernel_panics(make_bench, engine):
    one_device, _ = engine
    slow = one_device(capabilities=("memcpy",), descriptor_latency_ns=WAIT_LIMIT_NS + 1)
    bench = make_bench([slow], timed=True)
    tx = memcpy(bench)
    blocks = bench.blocks(3)
    init_async_submit(bench.submit, 0, tx, None, None, None)
    with pytest.raises(QuiesceError, match="DMA error waiting for an operation on dma0chan0"):
        async_xor(blocks[0], blocks[1:], 0, 2, 512, bench.submit)


def events_of(bench):
    events = []
    bench.machine.sim.hook.subscribe(lambda _time_ns, event: events.append(event))
    return events


def copy_then_xor(bench):
    src, middle, other, dest = bench.blocks(4)
    tx = async_memcpy(middle, src, 0, 0, 512, bench.submit)
    init_async_submit(bench.submit, ASYNC_TX_ACK, tx, None, None, None)
    tx = async_xor(dest, [middle, other], 0, 2, 512, bench.submit)
    return tx, dest, src ^ other


def test_on_one_channel_order_is_the_dependency(max8):
    tx, dest, expected = copy_then_xor(max8)
    assert tx.cookie > 0
    assert tx.parent is None
    max8.finish(tx)
    assert (dest == expected).all()


def test_a_channel_switch_puts_an_interrupt_descriptor_behind_the_parent(make_bench):
    bench = make_bench(["iop32x"])
    events = events_of(bench)
    tx, dest, expected = copy_then_xor(bench)
    assert tx.cookie < 0
    submitted = [event[:3:2] for event in events if isinstance(event, Submitted)]
    assert submitted == [("dma0chan0", "memcpy"), ("dma0chan0", "interrupt")]
    assert ChannelSwitch("dma0chan0", "dma2chan0", interrupt=True) in events
    bench.machine.sim.run()
    assert tx.cookie == 0
    assert (dest == expected).all()


def test_a_channel_switch_flushes_the_parents_channel_and_the_clean_up_the_childs(
    make_bench, engine
):
    _, device_each = engine
    bench = make_bench([device_each("memcpy", "xor")])
    events = events_of(bench)
    copy_then_xor(bench)
    assert [event.channel for event in events if isinstance(event, Issued)] == ["dma0chan0"] * 2
    bench.machine.sim.run()
    assert Issued("dma1chan0", 2, "xor") in events


def test_the_interrupt_descriptor_is_acknowledged_and_has_no_callback(make_bench):
    bench = make_bench(["iop32x"])
    tx, _, _ = copy_then_xor(bench)
    assert tx.parent.flags & DMA_CTRL_ACK
    assert tx.parent.callback is None


def test_without_interrupt_descriptors_a_channel_switch_polls(make_bench, engine):
    _, device_each = engine
    bench = make_bench([device_each("memcpy", "xor", interrupt=False)])
    events = events_of(bench)
    tx, dest, expected = copy_then_xor(bench)
    assert ChannelSwitch("dma0chan0", "dma1chan0", interrupt=False) in events
    assert tx.cookie > 0
    assert len(tx.chan.submitted) == 1
    bench.finish(tx)
    assert (dest == expected).all()


def test_a_child_of_a_held_back_operation_is_held_back_with_it(make_bench):
    bench = make_bench(["iop32x"])
    held, _, _ = copy_then_xor(bench)
    held.flags &= ~DMA_CTRL_ACK
    blocks = bench.blocks(3)
    init_async_submit(bench.submit, ASYNC_TX_ACK, held, None, None, None)
    child = async_xor(blocks[0], blocks[1:], 0, 2, 512, bench.submit)
    assert held.next is child
    assert child.parent is held
    bench.machine.sim.run()
    assert child.cookie == 0
    assert held.next is None


def test_two_machines_keep_their_operations_apart():
    one, two = Machine(engines=["iop13xx"]), Machine(engines=["iop13xx"])
    block = np.zeros(512, np.uint8)
    submit = AsyncSubmitCtl(one)
    tx = async_memset(block, 7, 0, 512, submit)
    async_tx_issue_pending_all(two)
    two.sim.run()
    assert tx.cookie > 0
    async_tx_issue_pending_all(one)
    one.sim.run()
    assert block[0] == 7


def test_xor_and_pq_leave_their_descriptor_in_the_submit_control_copies_do_not(max8, call):
    init_async_submit(max8.submit, 0, None, None, None, None)
    tx = call(max8.blocks(8), max8.submit)
    copies = (CALLS["memcpy"], CALLS["memset"], CALLS["trigger_callback"])
    assert max8.submit.depend_tx is (None if call in copies else tx)
