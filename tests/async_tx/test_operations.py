"""Each operation of async-tx-api.txt 3.2, in software and on every kind of engine."""

import numpy as np
import pytest

from raidsim.async_tx import (
    ASYNC_TX_ACK,
    ASYNC_TX_PQ_XOR_DST,
    ASYNC_TX_XOR_DROP_DST,
    ASYNC_TX_XOR_ZERO_DST,
    SUM_CHECK_P_RESULT,
    SUM_CHECK_Q_RESULT,
    OperationError,
    SumCheck,
    async_gen_syndrome,
    async_memcpy,
    async_memset,
    async_pq,
    async_pq_val,
    async_syndrome_val,
    async_xor,
    async_xor_val,
    init_async_submit,
)

BOTH = SUM_CHECK_P_RESULT | SUM_CHECK_Q_RESULT


def test_memcpy_copies_between_offsets(bench):
    dest, src = bench.blocks(2)
    expected = dest.copy()
    expected[128:384] = src[256:512]
    bench.finish(async_memcpy(dest, src, 128, 256, 256, bench.submit))
    assert (dest == expected).all()


@pytest.mark.parametrize("value", [0x5A, 0x15A])
def test_memset_fills_with_a_byte_value(bench, value):
    (dest,) = bench.blocks(1)
    expected = dest.copy()
    expected[128:384] = 0x5A
    bench.finish(async_memset(dest, value, 128, 256, bench.submit))
    assert (dest == expected).all()


@pytest.mark.parametrize("flags", [0, ASYNC_TX_XOR_ZERO_DST])
@pytest.mark.parametrize("count", [2, 3, 8, 9, 16, 40])
def test_xor_writes_the_xor_of_the_sources_to_the_destination(bench, count, flags):
    dest, *sources = bench.blocks(count + 1)
    expected = dest.copy()
    expected[128:] = np.bitwise_xor.reduce(sources)[128:]
    before = [source.copy() for source in sources]
    bench.submit.flags = flags
    bench.finish(async_xor(dest, sources, 128, count, 384, bench.submit))
    assert (dest == expected).all()
    assert all((source == old).all() for source, old in zip(sources, before, strict=True))


@pytest.mark.parametrize("count", [2, 9, 40])
def test_xor_drop_dst_takes_the_destination_as_first_source(bench, count):
    sources = bench.blocks(count)
    expected = np.bitwise_xor.reduce(sources)
    bench.submit.flags = ASYNC_TX_XOR_DROP_DST
    bench.finish(async_xor(sources[0], sources, 0, count, 512, bench.submit))
    assert (sources[0] == expected).all()


def test_xor_drop_dst_refuses_another_first_source(bench):
    dest, *sources = bench.blocks(3)
    bench.submit.flags = ASYNC_TX_XOR_DROP_DST
    with pytest.raises(OperationError, match="must be the first source"):
        async_xor(dest, sources, 0, 2, 512, bench.submit)


def test_xor_leaves_out_missing_sources_and_the_callers_list_alone(bench):
    dest, first, second = bench.blocks(3)
    sources = [None, first, None, second, None]
    bench.finish(async_xor(dest, sources, 0, 5, 512, bench.submit))
    assert (dest == first ^ second).all()
    assert sources[0] is sources[2] is sources[4] is None
    assert sources[1] is first
    assert sources[3] is second


def test_xor_of_nothing_is_zero(bench):
    (dest,) = bench.blocks(1)
    bench.finish(async_xor(dest, [None, None], 0, 2, 512, bench.submit))
    assert not dest.any()


def test_xor_takes_no_more_sources_than_it_is_told(bench):
    dest, *sources = bench.blocks(4)
    bench.finish(async_xor(dest, sources, 0, 2, 512, bench.submit))
    assert (dest == sources[0] ^ sources[1]).all()


def test_xor_of_one_source_is_refused(bench):
    dest, source = bench.blocks(2)
    with pytest.raises(OperationError, match="async_xor takes at least 2 sources, not 1"):
        async_xor(dest, [source], 0, 1, 512, bench.submit)
    with pytest.raises(OperationError, match="async_xor_val takes at least 2 sources, not 1"):
        async_xor_val(dest, [dest], 0, 1, 512, SumCheck(), bench.submit)


@pytest.mark.parametrize("count", [2, 8, 9, 20])
def test_xor_val_sets_the_flag_unless_the_result_is_zero(bench, count):
    parity, *data = bench.blocks(count)
    parity[:] = np.bitwise_xor.reduce(data)
    result = SumCheck()
    result.flags = 99
    bench.finish(async_xor_val(parity, [parity, *data], 0, count, 512, result, bench.submit))
    assert result.flags == 0
    data[-1][511] ^= 1
    init_async_submit(bench.submit, ASYNC_TX_ACK, None, None, None, None)
    bench.finish(async_xor_val(parity, [parity, *data], 0, count, 512, result, bench.submit))
    assert result.flags == SUM_CHECK_P_RESULT
    init_async_submit(bench.submit, ASYNC_TX_ACK, None, None, None, None)
    bench.finish(async_xor_val(parity, [parity, *data], 0, count, 511, result, bench.submit))
    assert result.flags == 0


def test_xor_val_writes_no_memory(bench):
    blocks = bench.blocks(4)
    before = [block.copy() for block in blocks]
    result = SumCheck()
    bench.finish(async_xor_val(blocks[0], blocks, 0, 4, 512, result, bench.submit))
    assert result.flags == SUM_CHECK_P_RESULT
    assert all((block == old).all() for block, old in zip(blocks, before, strict=True))


def test_xor_val_calls_back_once_and_only_when_the_result_is_valid(bench):
    blocks = bench.blocks(3)
    result, seen = SumCheck(), []
    init_async_submit(
        bench.submit, ASYNC_TX_ACK, None, lambda _param: seen.append(result.flags), None, None
    )
    bench.finish(async_xor_val(blocks[0], blocks, 0, 3, 512, result, bench.submit))
    assert seen == [SUM_CHECK_P_RESULT]


def test_xor_val_refuses_a_destination_that_is_not_the_first_source(bench):
    dest, *sources = bench.blocks(3)
    with pytest.raises(OperationError, match="must be the first source"):
        async_xor_val(dest, sources, 0, 2, 512, SumCheck(), bench.submit)


def test_the_documents_pq_and_pq_val_are_the_same_functions():
    assert async_pq is async_gen_syndrome
    assert async_pq_val is async_syndrome_val


@pytest.mark.parametrize("missing", [(), (0,), (1, 3)])
@pytest.mark.parametrize("disks", [5, 10, 18, 24, 64, 255])
def test_pq_generates_p_and_q(bench, disks, missing, book_syndrome):
    data = [
        None if i in missing and i < disks - 2 else b for i, b in enumerate(bench.blocks(disks - 2))
    ]
    p, q = bench.blocks(2)
    old = p[:128].copy(), q[:128].copy()
    blocks = [*data, p, q]
    bench.finish(async_gen_syndrome(blocks, 128, disks, 384, bench.submit))
    expected_p, expected_q = book_syndrome(data)
    assert (p[128:] == expected_p[128:]).all()
    assert (q[128:] == expected_q[128:]).all()
    assert (p[:128] == old[0]).all()
    assert (q[:128] == old[1]).all()
    assert blocks[disks - 2] is p


@pytest.mark.parametrize("left_out", [0, 1])
@pytest.mark.parametrize("disks", [4, 12, 40])
def test_pq_leaves_out_a_missing_p_or_q(bench, disks, left_out, book_syndrome):
    data = bench.blocks(disks - 2)
    pq = bench.blocks(2)
    expected = book_syndrome(data)
    pq[left_out] = None
    blocks = [*data, *pq]
    bench.finish(async_gen_syndrome(blocks, 0, disks, 512, bench.submit))
    assert (pq[1 - left_out] == expected[1 - left_out]).all()
    assert blocks[disks - 2 + left_out] is None


def test_pq_without_any_data_makes_zeros_and_calls_back(bench):
    p, q = bench.blocks(2)
    called = []
    init_async_submit(bench.submit, ASYNC_TX_ACK, None, called.append, "once", None)
    bench.finish(async_gen_syndrome([None, None, p, q], 0, 4, 512, bench.submit))
    assert not p.any()
    assert not q.any()
    assert called == ["once"]


def test_pq_xor_dst_updates_p_and_q(bench, book_syndrome):
    data = bench.blocks(6)
    p, q = book_syndrome(data)
    new = [None, *bench.blocks(1), None, *bench.blocks(2), None]
    delta = [None if block is None else block ^ data[i] for i, block in enumerate(new)]
    bench.submit.flags = ASYNC_TX_PQ_XOR_DST
    assert async_gen_syndrome([*delta, p, q], 0, 8, 512, bench.submit) is None
    after = [data[i] if block is None else block for i, block in enumerate(new)]
    expected_p, expected_q = book_syndrome(after)
    assert (p == expected_p).all()
    assert (q == expected_q).all()


def test_pq_without_p_and_q_is_refused(bench):
    data = bench.blocks(2)
    with pytest.raises(OperationError, match="both missing"):
        async_gen_syndrome([*data, None, None], 0, 4, 512, bench.submit)
    with pytest.raises(OperationError, match="both missing"):
        async_syndrome_val([*data, None, None], 0, 4, 512, SumCheck(), data[0], bench.submit)


def test_pq_takes_at_most_255_disks(bench):
    blocks = bench.blocks(256, 8)
    with pytest.raises(OperationError, match="not 256"):
        async_gen_syndrome(blocks, 0, 256, 8, bench.submit)
    with pytest.raises(OperationError, match="not 256"):
        async_syndrome_val(blocks, 0, 256, 8, SumCheck(), blocks[0], bench.submit)


@pytest.mark.parametrize("disks", [4, 8, 9, 16, 17, 40])
@pytest.mark.parametrize("spoiled", [0, SUM_CHECK_P_RESULT, SUM_CHECK_Q_RESULT, BOTH])
def test_pq_val_tells_which_of_p_and_q_is_out_of_sync(bench, disks, spoiled, book_syndrome):
    data = bench.blocks(disks - 2)
    p, q = book_syndrome(data)
    p[300] ^= bool(spoiled & SUM_CHECK_P_RESULT)
    q[300] ^= bool(spoiled & SUM_CHECK_Q_RESULT)
    blocks = [*data, p, q]
    before = [block.copy() for block in blocks]
    result, (spare,) = SumCheck(), bench.blocks(1)
    result.flags = 99
    bench.finish(async_syndrome_val(blocks, 0, disks, 512, result, spare, bench.submit))
    assert result.flags == spoiled
    assert all((block == old).all() for block, old in zip(blocks, before, strict=True))


@pytest.mark.parametrize("left_out", [0, 1])
def test_pq_val_validates_the_one_that_is_there(bench, left_out, book_syndrome):
    data = bench.blocks(5)
    pq = list(book_syndrome(data))
    pq[1 - left_out][0] ^= 1
    pq[left_out] = None
    result, (spare,) = SumCheck(), bench.blocks(1)
    bench.finish(async_syndrome_val([*data, *pq], 0, 7, 512, result, spare, bench.submit))
    assert result.flags == (SUM_CHECK_Q_RESULT if left_out == 0 else SUM_CHECK_P_RESULT)


def test_pq_val_in_software_needs_a_spare(software):
    blocks = software.blocks(5)
    with pytest.raises(OperationError, match="needs a spare"):
        async_syndrome_val(blocks, 0, 5, 512, SumCheck(), None, software.submit)


def test_pq_val_takes_at_least_4_disks(bench):
    blocks = bench.blocks(3)
    with pytest.raises(OperationError, match="not 3"):
        async_syndrome_val(blocks, 0, 3, 512, SumCheck(), blocks[0], bench.submit)
