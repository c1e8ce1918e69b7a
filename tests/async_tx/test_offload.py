"""Which operations go to an engine, and in which pieces."""

import numpy as np
import pytest

from raidsim import Machine
from raidsim.async_tx import (
    ASYNC_TX_ACK,
    ASYNC_TX_FENCE,
    ASYNC_TX_PQ_XOR_DST,
    AsyncSubmitCtl,
    SumCheck,
    async_gen_syndrome,
    async_memcpy,
    async_memset,
    async_syndrome_val,
    async_xor,
    async_xor_val,
    init_async_submit,
)
from raidsim.dmaengine import (
    DMA_CTRL_ACK,
    DMA_PREP_CONTINUE,
    DMA_PREP_FENCE,
    DMA_PREP_INTERRUPT,
    DMA_PREP_PQ_DISABLE_P,
    DMA_PREP_PQ_DISABLE_Q,
)
from raidsim.dmaengine.drivers.ring import RingChannel, RingDescriptor


@pytest.fixture
def pieces(monkeypatch):
    """What xor and pq descriptors were prepared: number of new sources, flags."""
    log = []
    prep_xor, prep_pq = RingChannel.prep_dma_xor, RingChannel.prep_dma_pq

    def xor(chan, dest, sources, *more):
        log.append((len(sources), more[-1]))
        return prep_xor(chan, dest, sources, *more)

    def pq(chan, dests, sources, *more):
        log.append((len(sources), more[-1]))
        return prep_pq(chan, dests, sources, *more)

    monkeypatch.setattr(RingChannel, "prep_dma_xor", xor)
    monkeypatch.setattr(RingChannel, "prep_dma_pq", pq)
    return log


@pytest.mark.parametrize(
    ("sources", "expected"), [(8, [8]), (9, [8, 2]), (16, [8, 8, 2]), (22, [8, 8, 8])]
)
def test_xor_is_split_over_max_xor_with_the_destination_reused(max8, pieces, sources, expected):
    blocks = max8.blocks(sources + 1)
    max8.finish(async_xor(blocks[0], blocks[1:], 0, sources, 512, max8.submit))
    assert [count for count, _ in pieces] == expected


@pytest.mark.parametrize(
    ("max_pq", "p", "sources", "expected"),
    [
        (8, True, 8, [8]),
        (8, True, 9, [8, 1]),
        (8, True, 16, [8, 5, 3]),
        (8, True, 22, [8, 5, 5, 4]),
        (8, True, 62, [8, *[5] * 10, 4]),
        (8, False, 9, [8, 1]),
        (8, False, 16, [8, 7, 1]),
        (8, False, 22, [8, 7, 7]),
        (8, False, 62, [8, *[7] * 7, 5]),
        (16, True, 16, [16]),
        (16, True, 22, [16, 6]),
        (16, True, 62, [16, 13, 13, 13, 7]),
    ],
)
def test_pq_is_split_over_max_pq_with_p_and_q_carried_on(
    make_bench, engine, pieces, max_pq, p, sources, expected, book_syndrome
):
    one_device, _ = engine
    bench = make_bench([one_device(max_pq=max_pq)])
    data = bench.blocks(sources)
    p, q = bench.blocks(1)[0] if p else None, bench.blocks(1)[0]
    bench.finish(async_gen_syndrome([*data, p, q], 0, sources + 2, 512, bench.submit))
    assert [count for count, _ in pieces] == expected
    assert (q == book_syndrome(data)[1]).all()


def test_a_native_engine_carries_on_at_no_cost(make_bench, engine, pieces, book_syndrome):
    one_device, _ = engine
    bench = make_bench([one_device(native_pq_continue=True)])
    data = bench.blocks(22)
    p, q = bench.blocks(2)
    bench.finish(async_gen_syndrome([*data, p, q], 0, 24, 512, bench.submit))
    assert [count for count, _ in pieces] == [8, 8, 6]
    assert (p == book_syndrome(data)[0]).all()
    assert (q == book_syndrome(data)[1]).all()


@pytest.mark.parametrize("operation", ["xor", "pq"])
def test_only_the_last_piece_carries_callback_and_acknowledgement(max8, pieces, operation):
    blocks = max8.blocks(22)
    called = []
    init_async_submit(max8.submit, ASYNC_TX_ACK, None, called.append, 1, None)
    if operation == "xor":
        tx = async_xor(blocks[0], blocks[1:], 0, 20, 512, max8.submit)
    else:
        tx = async_gen_syndrome(blocks, 0, 22, 512, max8.submit)
    flags = [flags for _, flags in pieces]
    assert all(flag & DMA_PREP_FENCE and not flag & DMA_PREP_INTERRUPT for flag in flags[:-1])
    assert flags[-1] & DMA_PREP_INTERRUPT
    assert not flags[-1] & DMA_PREP_FENCE
    assert tx.flags & DMA_CTRL_ACK
    assert max8.submit.depend_tx is tx
    assert max8.submit.flags == ASYNC_TX_ACK
    assert max8.submit.cb_fn == called.append
    max8.finish(tx)
    assert called == [1]


@pytest.mark.parametrize("operation", ["xor", "pq"])
def test_a_piece_is_not_acknowledged_before_the_next_depends_on_it(max8, monkeypatch, operation):
    acknowledged, submitted = [], []
    tx_submit = RingDescriptor.tx_submit

    def watch(tx):
        acknowledged.extend(piece.flags & DMA_CTRL_ACK for piece in submitted[-1:])
        submitted.append(tx)
        return tx_submit(tx)

    monkeypatch.setattr(RingDescriptor, "tx_submit", watch)
    blocks = max8.blocks(22)
    max8.submit.flags = ASYNC_TX_ACK
    if operation == "xor":
        async_xor(blocks[0], blocks[1:], 0, 20, 512, max8.submit)
    else:
        async_gen_syndrome(blocks, 0, 22, 512, max8.submit)
    assert len(submitted) > 2
    assert not any(acknowledged)
    assert all(tx.flags & DMA_CTRL_ACK for tx in submitted)


def test_pieces_of_a_pq_after_the_first_continue(max8, pieces):
    blocks = max8.blocks(24)
    max8.finish(async_gen_syndrome(blocks, 0, 24, 512, max8.submit))
    assert [bool(flags & DMA_PREP_CONTINUE) for _, flags in pieces] == [False, True, True, True]


@pytest.mark.parametrize(
    ("left_out", "flag"), [(-2, DMA_PREP_PQ_DISABLE_P), (-1, DMA_PREP_PQ_DISABLE_Q)]
)
def test_a_missing_p_or_q_is_disabled_in_every_piece(max8, pieces, left_out, flag):
    blocks = max8.blocks(20)
    blocks[left_out] = None
    max8.finish(async_gen_syndrome(blocks, 0, 20, 512, max8.submit))
    assert all(flags & flag for _, flags in pieces)


def test_the_fence_flag_reaches_the_engine(max8, pieces):
    blocks = max8.blocks(3)
    max8.submit.flags = ASYNC_TX_FENCE
    async_xor(blocks[0], blocks[1:], 0, 2, 512, max8.submit)
    assert pieces == [(2, DMA_PREP_FENCE)]


def run_each(bench, offset, length):
    """Run every operation; tell which were queued."""
    blocks = bench.blocks(5, 4096)
    queued = {}
    for name, call in {
        "memcpy": lambda submit: async_memcpy(blocks[0], blocks[1], offset, 0, length, submit),
        "memset": lambda submit: async_memset(blocks[0], 1, offset, length, submit),
        "xor": lambda submit: async_xor(blocks[0], blocks[1:], offset, 3, length, submit),
        "xor_val": lambda submit: async_xor_val(
            blocks[0], blocks, offset, 3, length, SumCheck(), submit
        ),
        "pq": lambda submit: async_gen_syndrome(blocks, offset, 5, length, submit),
        "pq_val": lambda submit: async_syndrome_val(
            blocks, offset, 5, length, SumCheck(), np.empty(4096, np.uint8), submit
        ),
    }.items():
        init_async_submit(bench.submit, ASYNC_TX_ACK, None, None, None, None)
        queued[name] = call(bench.submit) is not None
        bench.machine.sim.run()
    return queued


def test_without_an_engine_everything_is_done_on_return(software):
    assert not any(run_each(software, 0, 512).values())


def test_with_an_engine_everything_is_queued(max8):
    assert all(run_each(max8, 0, 512).values())


def test_what_is_not_aligned_is_done_in_software(make_bench, engine):
    one_device, _ = engine
    settings = {"copy_align": 8, "fill_align": 16, "xor_align": 64, "pq_align": 128}
    bench = make_bench([one_device(**settings)])
    assert all(run_each(bench, 128, 256).values())
    queued = run_each(bench, 64, 256)
    assert [name for name, was in queued.items() if not was] == ["pq", "pq_val"]
    queued = run_each(bench, 0, 8)
    assert [name for name, was in queued.items() if was] == ["memcpy"]
    assert not any(run_each(bench, 1, 512).values())


def test_what_is_too_short_or_too_long_for_the_engine_is_done_in_software(make_bench, engine):
    one_device, _ = engine
    bench = make_bench([one_device(min_length=128, max_length=1024)])
    assert not any(run_each(bench, 0, 127).values())
    assert all(run_each(bench, 0, 128).values())
    assert all(run_each(bench, 0, 1024).values())
    assert not any(run_each(bench, 0, 1025).values())


def test_validations_are_never_split(max8):
    blocks = max8.blocks(9)
    spare = np.empty(512, np.uint8)
    assert async_xor_val(blocks[0], blocks, 0, 9, 512, SumCheck(), max8.submit) is None
    assert async_syndrome_val(blocks, 0, 9, 512, SumCheck(), spare, max8.submit) is None
    assert async_xor_val(blocks[0], blocks, 0, 8, 512, SumCheck(), max8.submit) is not None
    init_async_submit(max8.submit, 0, None, None, None, None)
    assert async_syndrome_val(blocks, 0, 8, 512, SumCheck(), spare, max8.submit) is not None


def test_pq_xor_dst_never_goes_to_an_engine(max8):
    max8.submit.flags = ASYNC_TX_PQ_XOR_DST
    assert async_gen_syndrome(max8.blocks(5), 0, 5, 512, max8.submit) is None


def test_an_operation_stays_on_its_parents_channel_if_that_can_do_it():
    machine = Machine(engines=["iop13xx"])
    submit = AsyncSubmitCtl(machine)
    blocks = [np.zeros(512, np.uint8) for _ in range(3)]
    tx = async_memcpy(blocks[0], blocks[1], 0, 0, 512, submit)
    init_async_submit(submit, ASYNC_TX_ACK, tx, None, None, None)
    assert async_xor(blocks[0], blocks[1:], 0, 2, 512, submit).chan is tx.chan
    init_async_submit(submit, ASYNC_TX_ACK, None, None, None, None)
    assert async_xor(blocks[0], blocks[1:], 0, 2, 512, submit).chan is not tx.chan


def test_counters_tell_where_operations_ran(max8, software):
    for bench, engine in ((max8, True), (software, False)):
        blocks = bench.blocks(3)
        bench.finish(async_xor(blocks[0], blocks[1:], 0, 2, 512, bench.submit))
        stats = bench.machine.async_tx_stats
        ran, idle = (stats.software, stats.offloaded)[:: -1 if engine else 1]
        assert ran.operations["xor"] == 1
        assert ran.length_bytes["xor"] == 512
        assert not any(idle.operations.values())
