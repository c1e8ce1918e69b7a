"""Engine faults: each kind, how it is selected, and what async_tx and md make of it."""

import numpy as np
import pytest

from raidsim import Machine
from raidsim.async_tx import (
    ASYNC_TX_ACK,
    ASYNC_TX_XOR_ZERO_DST,
    AsyncSubmitCtl,
    DescriptorExhaustedError,
    QuiesceError,
    SumCheck,
    async_gen_syndrome,
    async_memcpy,
    async_memset,
    async_tx_issue_pending_all,
    async_xor,
    async_xor_val,
    init_async_submit,
)
from raidsim.dmaengine import DMA_COMPLETE, DMA_ERROR, DMA_IN_PROGRESS, dma_wait_for_async_tx
from raidsim.dmaengine.completion import WAIT_LIMIT_NS
from raidsim.dmaengine.drivers import DeviceProfile, EngineProfile
from raidsim.dmaengine.drivers.faults import (
    CORRUPTS,
    FAILS,
    FAULT_KINDS,
    LATE_INTERRUPT,
    NEVER_COMPLETES,
    NO_DESCRIPTOR,
    STUCK,
    EngineFault,
    inject_fault,
    remove_fault,
)
from raidsim.dmaengine.errors import EngineHaltedError
from raidsim.dmaengine.events import EngineFaultFired
from raidsim.errors import RaidsimError
from raidsim.sim import FaultError

EVERY = ("memcpy", "xor", "pq", "xor_val", "pq_val", "memset", "interrupt")


class Lab:
    """A machine with one channel, on which a fault is in force."""

    def __init__(self, kind, *, timed=False, threshold_slots=0, **selection):
        device = DeviceProfile(
            capabilities=EVERY, max_xor=8, max_pq=8, threshold_slots=threshold_slots
        )
        profile = EngineProfile(name="lab", description="", devices=(device,))
        self.machine = Machine(engines=[profile], timed=timed, kernel="numpy")
        self.chan = self.machine.dmaengine.devices[0].channels[0]
        self.fault = EngineFault(kind=kind, **selection)
        inject_fault(self.chan, self.fault)
        self.submit = AsyncSubmitCtl(self.machine)
        self.blocks = [np.full(512, number + 1, np.uint8) for number in range(8)]

    def copy(self, dest=0, src=1, flags=0, tx=None, callback=None):
        init_async_submit(self.submit, flags, tx, callback, None, None)
        return async_memcpy(self.blocks[dest], self.blocks[src], 0, 0, 512, self.submit)

    def copied(self, dest=0, src=1):
        return np.array_equal(self.blocks[dest], self.blocks[src])

    def run(self):
        async_tx_issue_pending_all(self.machine)
        self.machine.sim.run()


@pytest.fixture(params=[False, True], ids=["untimed", "timed"])
def lab(request):
    return lambda kind, **selection: Lab(kind, timed=request.param, **selection)


# How a fault is selected.


def test_a_fault_strikes_the_operations_it_is_for():
    lab = Lab(CORRUPTS, operations=("memset",))
    lab.copy()
    async_memset(lab.blocks[2], 7, 0, 512, lab.submit)
    lab.run()
    assert lab.copied()
    assert (lab.blocks[2] != 7).sum() == 1
    assert (lab.fault.seen, lab.fault.fired) == (1, 1)


@pytest.mark.parametrize(
    ("selection", "struck"),
    [
        ({}, "xxxxxxxxx"),
        ({"count": 2}, "xx......."),
        ({"interval": 3}, "..x..x..x"),
        ({"interval": 3, "count": 2}, "..x..x..."),
        ({"probability": 0.0}, "........."),
    ],
)
def test_a_fault_strikes_by_count_and_interval(selection, struck):
    lab = Lab(NO_DESCRIPTOR, **selection)
    assert "".join("x" if lab.copy() is None else "." for _ in range(9)) == struck
    assert lab.fault.fired == struck.count("x")
    assert lab.fault.seen == 9


def test_a_fault_strikes_by_probability_and_the_seed_repeats_it():
    def draw(seed):
        fault = EngineFault(kind=CORRUPTS, probability=0.25)
        sim = Machine(seed).sim
        return [fault.strikes("xor", sim, sim.random("fault")) for _ in range(1000)]

    assert draw(1) == draw(1) != draw(2)
    assert 200 < sum(draw(1)) < 300


def test_each_strike_is_an_event():
    lab, events = Lab(CORRUPTS, interval=2), []
    lab.machine.sim.hook.subscribe(lambda _, event: events.append(event))
    for _ in range(4):
        lab.copy(flags=ASYNC_TX_ACK)
    fired = [event for event in events if isinstance(event, EngineFaultFired)]
    assert fired == [EngineFaultFired("dma0chan0", CORRUPTS, "memcpy")] * 2


def test_faults_stack():
    lab = Lab(CORRUPTS, operations=("xor",))
    second = EngineFault(kind=NO_DESCRIPTOR, count=1)
    inject_fault(lab.chan, second)
    assert lab.copy() is None
    assert lab.copy() is not None
    assert (lab.fault.fired, second.fired) == (0, 1)


def test_a_removed_fault_strikes_no_more():
    lab = Lab(NO_DESCRIPTOR)
    assert lab.copy() is None
    remove_fault(lab.chan, lab.fault)
    assert lab.copy() is not None


def test_other_channels_and_machines_are_not_touched():
    lab, healthy = Lab(NO_DESCRIPTOR), Lab(NO_DESCRIPTOR, count=1)
    assert type(lab.chan) is type(healthy.chan)
    assert healthy.copy() is None
    assert healthy.copy() is not None
    assert lab.copy() is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "explodes"},
        {"kind": FAILS, "operations": ("crc",)},
        {"kind": FAILS, "interval": 0},
        {"kind": FAILS, "count": -1},
        {"kind": FAILS, "probability": 1.5},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(FaultError):
        EngineFault(**wrong)


# What each does.


def test_what_never_completes_is_in_progress_for_ever(lab):
    lab = lab(NEVER_COMPLETES, count=1)
    tx = lab.copy()
    lab.copy(2, 3)
    lab.run()
    assert lab.copied(2, 3)
    assert not lab.copied()
    assert lab.chan.tx_status(tx.cookie) == DMA_IN_PROGRESS
    assert dma_wait_for_async_tx(tx) == DMA_ERROR


def test_what_depends_on_what_never_completes_never_runs(lab):
    lab, called = lab(NEVER_COMPLETES, count=1), []
    tx = lab.copy(0, 1)
    tx = lab.copy(2, 0, 0, tx, called.append)
    lab.run()
    assert not called
    assert not lab.copied(2, 0)
    assert dma_wait_for_async_tx(tx) == DMA_ERROR


def test_software_that_waits_for_what_never_completes_is_an_error_where_the_kernel_panics(lab):
    lab = lab(NEVER_COMPLETES)
    tx = lab.copy()
    lab.chan.device.min_length = 1024
    with pytest.raises(QuiesceError, match="DMA error waiting for an operation on dma0chan0"):
        lab.copy(2, 0, 0, tx)


def test_a_failed_descriptor_has_the_status_error_and_did_nothing(lab):
    lab = lab(FAILS, count=1)
    tx = lab.copy()
    lab.run()
    assert not lab.copied()
    assert lab.chan.tx_status(tx.cookie) == DMA_ERROR
    assert dma_wait_for_async_tx(tx) == DMA_ERROR
    after = lab.copy(2, 3)
    assert dma_wait_for_async_tx(after) == DMA_COMPLETE
    assert lab.copied(2, 3)


def test_a_failed_parent_of_software_is_an_error(lab):
    lab = lab(FAILS)
    tx = lab.copy()
    lab.chan.device.min_length = 1024
    with pytest.raises(QuiesceError):
        lab.copy(2, 0, 0, tx)


def test_a_failure_that_a_callback_would_hide_ends_the_run(lab):
    lab, called = lab(FAILS), []
    lab.copy(callback=called.append)
    with pytest.raises(EngineHaltedError, match="dma0chan0: memcpy failed"):
        lab.run()
    assert not called


@pytest.mark.parametrize("threshold_slots", [0, 1])
def test_a_failure_that_a_dependent_operation_would_hide_ends_the_run(lab, threshold_slots):
    lab, called = lab(FAILS, count=1, threshold_slots=threshold_slots), []
    tx = lab.copy()
    lab.copy(2, 0, ASYNC_TX_ACK, tx, called.append)
    with pytest.raises(EngineHaltedError):
        lab.run()
    assert not called
    assert not lab.copied(2, 0)


def test_a_corrupted_result_has_one_wrong_bit_and_nobody_is_told(lab):
    lab, called = lab(CORRUPTS), []
    lab.copy(callback=called.append)
    lab.run()
    assert called
    assert np.unpackbits(lab.blocks[0] ^ lab.blocks[1]).sum() == 1


def test_what_follows_on_the_channel_reads_the_corrupted_bytes(lab):
    lab = lab(CORRUPTS, count=1)
    tx = lab.copy(0, 1)
    lab.copy(2, 0, ASYNC_TX_ACK, tx)
    lab.run()
    assert lab.copied(2, 0)
    assert not lab.copied(2, 1)


def test_a_syndrome_is_corrupted_in_p_or_in_q():
    wrong = set()
    for seed in range(12):
        lab = Lab(CORRUPTS)
        lab.machine.sim._seed = seed
        async_gen_syndrome(lab.blocks, 0, 8, 512, lab.submit)
        lab.run()
        right = [block.copy() for block in lab.blocks]
        Machine(kernel="numpy").raid6.gen_syndrome(right, 512, 0)
        p, q = (not np.array_equal(lab.blocks[n], right[n]) for n in (6, 7))
        assert p != q
        wrong.add("P" if p else "Q")
    assert wrong == {"P", "Q"}


def test_a_corrupted_validation_gives_the_wrong_verdict():
    lab, result = Lab(CORRUPTS), SumCheck()
    same = [lab.blocks[0], lab.blocks[0]]
    async_xor_val(same[0], same, 0, 2, 512, result, lab.submit)
    lab.run()
    assert result.flags == 1


def test_there_is_nothing_to_corrupt_in_an_interrupt():
    lab = Lab(CORRUPTS)
    lab.chan.prep_dma_interrupt(0)
    assert lab.fault.seen == 0


def test_a_preparation_that_returns_nothing_makes_a_copy_software(lab):
    lab = lab(NO_DESCRIPTOR)
    assert lab.copy() is None
    assert lab.copied()


def test_a_xor_whose_preparation_returns_nothing_is_an_error_where_the_kernel_loops(lab):
    lab = lab(NO_DESCRIPTOR)
    init_async_submit(lab.submit, ASYNC_TX_XOR_ZERO_DST, None, None, None, None)
    with pytest.raises(DescriptorExhaustedError):
        async_xor(lab.blocks[0], lab.blocks[1:], 0, 4, 512, lab.submit)


def test_a_xor_outlasts_preparations_that_return_nothing_for_a_while():
    lab = Lab(NO_DESCRIPTOR, operations=("xor",), count=1)
    lab.copy(2, 3)
    init_async_submit(lab.submit, ASYNC_TX_XOR_ZERO_DST, None, None, None, None)
    assert async_xor(lab.blocks[0], lab.blocks[1:], 0, 4, 512, lab.submit) is not None


@pytest.mark.parametrize("threshold_slots", [0, 1])
def test_a_stuck_channel_does_no_more(lab, threshold_slots):
    lab = lab(STUCK, interval=2, count=1, threshold_slots=threshold_slots)
    _, second, third = (lab.copy(n, n + 1) for n in (0, 2, 4))
    lab.run()
    assert dma_wait_for_async_tx(second) == DMA_ERROR
    assert dma_wait_for_async_tx(third) == DMA_ERROR
    assert lab.copied(0, 1) is (threshold_slots == 1)  # what was issued before goes on
    remove_fault(lab.chan, lab.fault)
    assert dma_wait_for_async_tx(third) == DMA_COMPLETE
    assert lab.copied(4, 5)


def test_a_late_interrupt_delays_the_callback_not_the_work():
    lab, called = Lab(LATE_INTERRUPT, timed=True, delay_ns=1_000_000), []
    sim = lab.machine.sim
    lab.copy(callback=lambda _: called.append(sim.now_ns))
    async_tx_issue_pending_all(lab.machine)
    sim.spin()
    assert lab.copied()
    assert not called
    done_ns = sim.now_ns
    sim.run()
    assert called == [done_ns + 1_000_000]


def test_the_interrupt_after_a_late_one_is_in_time():
    lab, called = Lab(LATE_INTERRUPT, timed=True, count=1), []
    sim = lab.machine.sim
    lab.copy()
    lab.run()
    start_ns = sim.now_ns
    lab.copy(callback=lambda _: called.append(sim.now_ns))
    lab.run()
    assert called[0] - start_ns < lab.fault.delay_ns


def test_an_interrupt_later_than_the_wait_limit_is_an_error():
    lab = Lab(LATE_INTERRUPT, timed=True, delay_ns=2 * WAIT_LIMIT_NS)
    assert dma_wait_for_async_tx(lab.copy()) == DMA_ERROR


@pytest.mark.parametrize("kind", FAULT_KINDS)
@pytest.mark.parametrize("engine", ["iop13xx", "iop32x", "mv_xor-kirkwood", "threads"])
def test_a_chain_on_a_faulty_engine_ends_or_is_an_error_never_a_hang(kind, engine):
    machine = Machine(engines=[engine], kernel="numpy", sanitize=True)
    for device in machine.dmaengine.devices:
        for chan in device.channels:
            inject_fault(chan, EngineFault(kind=kind, interval=2))
    blocks = list(np.zeros((8, 512), np.uint8))
    submit, done = AsyncSubmitCtl(machine), []

    def chain():
        tx = None
        for number in range(5):
            init_async_submit(submit, ASYNC_TX_XOR_ZERO_DST, tx, None, None, None)
            tx = async_xor(blocks[number], blocks[5:], 0, 3, 512, submit)
        init_async_submit(submit, ASYNC_TX_ACK, tx, done.append, None, None)
        async_memcpy(blocks[6], blocks[0], 0, 0, 512, submit)
        async_tx_issue_pending_all(machine)
        machine.sim.run_until(lambda: done, "the chain")

    if kind in {CORRUPTS, LATE_INTERRUPT, NO_DESCRIPTOR}:
        chain()
    else:
        with pytest.raises(RaidsimError, match=r"^[^\n]*$"):
            chain()
    assert not machine.sanitizer.reports
