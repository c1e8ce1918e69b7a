"""async_raid6_2data_recov and async_raid6_datap_recov."""

import itertools

import pytest

from raidsim.async_tx import (
    ASYNC_TX_ACK,
    OperationError,
    async_memset,
    async_raid6_2data_recov,
    async_raid6_datap_recov,
    init_async_submit,
    raid6_recov,
)
from raidsim.dmaengine import DMA_CTRL_ACK, DMA_PQ
from raidsim.dmaengine.events import Submitted


def stripe(bench, book_syndrome, disks, missing=()):
    data = [None if i in missing else block for i, block in enumerate(bench.blocks(disks - 2))]
    return [*data, *book_syndrome(data)]


def same(blocks, expected):
    return all(
        block is old is None or (block == old).all()
        for block, old in zip(blocks, expected, strict=True)
    )


def copies(blocks):
    return [None if block is None else block.copy() for block in blocks]


@pytest.mark.parametrize("disks", [4, 5, 6, 11])
def test_2data_recovers_every_pair(bench, book_syndrome, disks):
    expected = stripe(bench, book_syndrome, disks)
    for faila, failb in itertools.permutations(range(disks - 2), 2):
        blocks = copies(expected)
        blocks[faila][:], blocks[failb][:] = 0xF0, 0xBA
        init_async_submit(bench.submit, ASYNC_TX_ACK, None, None, None, None)
        bench.finish(async_raid6_2data_recov(disks, 512, faila, failb, blocks, bench.submit))
        assert same(blocks, expected)


@pytest.mark.parametrize("disks", [4, 5, 6, 11])
def test_datap_recovers_every_block(bench, book_syndrome, disks):
    expected = stripe(bench, book_syndrome, disks)
    for faila in range(disks - 2):
        blocks = copies(expected)
        blocks[faila][:], blocks[disks - 2][:] = 0xF0, 0xBA
        init_async_submit(bench.submit, ASYNC_TX_ACK, None, None, None, None)
        bench.finish(async_raid6_datap_recov(disks, 512, faila, blocks, bench.submit))
        assert same(blocks, expected)


@pytest.mark.parametrize("present", [2, 3, 4])
def test_recovery_from_a_few_blocks_of_a_wide_stripe(bench, book_syndrome, present):
    kept = (7, 11, 2, 30)[:present]
    missing = set(range(40)) - set(kept)
    expected = stripe(bench, book_syndrome, 42, missing)
    blocks = copies(expected)
    blocks[7][:], blocks[11][:] = 1, 2
    init_async_submit(bench.submit, ASYNC_TX_ACK, None, None, None, None)
    bench.finish(async_raid6_2data_recov(42, 512, 11, 7, blocks, bench.submit))
    assert same(blocks, expected)
    blocks[11][:], blocks[40][:] = 1, 2
    init_async_submit(bench.submit, ASYNC_TX_ACK, None, None, None, None)
    bench.finish(async_raid6_datap_recov(42, 512, 11, blocks, bench.submit))
    assert same(blocks, expected)


def test_datap_with_no_other_data(bench, book_syndrome):
    expected = stripe(bench, book_syndrome, 5, {0, 2})
    blocks = copies(expected)
    blocks[1][:], blocks[3][:] = 1, 2
    bench.finish(async_raid6_datap_recov(5, 512, 1, blocks, bench.submit))
    assert same(blocks, expected)


@pytest.mark.parametrize(
    ("disks", "kind", "operations"),
    [
        (4, "2data", ["pq", "xor"]),
        (5, "2data", ["memcpy", "pq", "xor", "xor", "pq", "xor"]),
        (6, "2data", ["pq", "xor", "xor", "pq", "xor"]),
        (4, "datap", ["memcpy", "pq", "xor", "pq", "xor"]),
        (5, "datap", ["pq", "xor", "pq", "xor"]),
    ],
)
def test_the_steps_of_a_recovery_on_an_engine(max8, book_syndrome, disks, kind, operations):
    blocks = stripe(max8, book_syndrome, disks)
    events = []
    max8.machine.sim.hook.subscribe(lambda _time_ns, event: events.append(event))
    if kind == "2data":
        tx = async_raid6_2data_recov(disks, 512, 0, 1, blocks, max8.submit)
    else:
        tx = async_raid6_datap_recov(disks, 512, 0, blocks, max8.submit)
    assert [event.operation for event in events if isinstance(event, Submitted)] == operations
    max8.finish(tx)
    assert max8.machine.async_tx_stats.offloaded.operations[kind] == 1


@pytest.mark.parametrize("kind", ["2data", "datap"])
def test_recovery_calls_back_once_and_acknowledges_only_the_end(bench, book_syndrome, kind):
    blocks = stripe(bench, book_syndrome, 8)
    called = []
    init_async_submit(bench.submit, 0, None, called.append, "done", None)
    if kind == "2data":
        tx = async_raid6_2data_recov(8, 512, 0, 1, blocks, bench.submit)
    else:
        tx = async_raid6_datap_recov(8, 512, 0, blocks, bench.submit)
    if tx is not None:
        assert not tx.flags & DMA_CTRL_ACK
    bench.finish(tx)
    assert called == ["done"]


@pytest.mark.parametrize("kind", ["2data", "datap"])
def test_recovery_waits_for_the_operation_it_depends_on(bench, book_syndrome, kind):
    expected = stripe(bench, book_syndrome, 8)
    blocks = copies(expected)
    survivor, wanted = blocks[5], blocks[5].copy()
    survivor[:] = 0
    # The survivor only gets its bytes by the operations before: zeros, then all of them.
    tx = async_memset(survivor, 0x77, 0, 512, bench.submit)
    init_async_submit(bench.submit, 0, tx, None, None, None)
    expected[5][:] = 0x77
    expected[6:] = book_syndrome(expected[:6])
    blocks[6][:], blocks[7][:] = expected[6], expected[7]
    blocks[0][:] = 0
    if kind == "2data":
        blocks[1][:] = 0
        bench.finish(async_raid6_2data_recov(8, 512, 0, 1, blocks, bench.submit))
    else:
        blocks[6][:] = 0
        bench.finish(async_raid6_datap_recov(8, 512, 0, blocks, bench.submit))
    assert same(blocks, expected)
    assert not (survivor == wanted).all()


def test_what_can_not_be_recovered_is_refused(bench, book_syndrome):
    blocks = stripe(bench, book_syndrome, 6)
    submit = bench.submit
    with pytest.raises(OperationError, match="block 1 can not fail twice"):
        async_raid6_2data_recov(6, 512, 1, 1, blocks, submit)
    with pytest.raises(OperationError, match="block 4 is no data block of 6 disks"):
        async_raid6_2data_recov(6, 512, 1, 4, blocks, submit)
    with pytest.raises(OperationError, match="failed block 0 needs a buffer"):
        async_raid6_datap_recov(6, 512, 0, [None, *blocks[1:]], submit)
    with pytest.raises(OperationError, match="both P and Q"):
        async_raid6_2data_recov(6, 512, 0, 1, [*blocks[:5], None], submit)
    with pytest.raises(OperationError, match="both P and Q"):
        async_raid6_datap_recov(6, 512, 0, [*blocks[:4], None, blocks[5]], submit)


@pytest.mark.parametrize("kind", ["2data", "datap"])
def test_recovery_is_offloaded_to_the_channel_of_the_operation_it_depends_on(
    max8, book_syndrome, kind
):
    expected = stripe(max8, book_syndrome, 8)
    blocks = copies(expected)
    (scrap,) = max8.blocks(1)
    tx = async_memset(scrap, 0, 0, 512, max8.submit)
    max8.machine.dmaengine.channel_table[DMA_PQ] = None
    init_async_submit(max8.submit, ASYNC_TX_ACK, tx, None, None, None)
    if kind == "2data":
        blocks[0][:], blocks[1][:] = 1, 2
        tx = async_raid6_2data_recov(8, 512, 0, 1, blocks, max8.submit)
    else:
        blocks[0][:], blocks[6][:] = 1, 2
        tx = async_raid6_datap_recov(8, 512, 0, blocks, max8.submit)
    assert tx is not None
    max8.finish(tx)
    assert same(blocks, expected)
    assert max8.machine.async_tx_stats.software.operations[kind] == 0


def test_recovery_of_unaligned_blocks_is_done_in_software(make_bench, engine, book_syndrome):
    one_device, _ = engine
    bench = make_bench([one_device(pq_align=1024)])
    expected = stripe(bench, book_syndrome, 8)
    blocks = copies(expected)
    blocks[0][:], blocks[1][:] = 1, 2
    assert async_raid6_2data_recov(8, 512, 0, 1, blocks, bench.submit) is None
    blocks[0][:], blocks[6][:] = 1, 2
    assert async_raid6_datap_recov(8, 512, 0, blocks, bench.submit) is None
    assert same(blocks, expected)


def test_the_higher_failed_block_is_computed_first(max8, monkeypatch):
    written = []
    sum_product = raid6_recov._sum_product

    def watched(dest, *rest):
        written.append(dest)
        return sum_product(dest, *rest)

    monkeypatch.setattr(raid6_recov, "_sum_product", watched)
    blocks = max8.blocks(8)
    async_raid6_2data_recov(8, 512, 1, 4, blocks, max8.submit)
    assert written[-1] is blocks[4]
