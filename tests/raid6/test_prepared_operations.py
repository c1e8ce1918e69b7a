"""Operations are prepared once a list of blocks: what is alike but not the same is told apart."""

import itertools

import numpy as np
import pytest

from raidsim.raid6.isal_kernel import IsalKernel, find_isal
from raidsim.raid6.numpy_kernel import NumpyKernel
from raidsim.raid6.tables import gfmul


@pytest.fixture(params=["numpy", "isal"])
def kernel(request):
    if request.param == "numpy":
        return NumpyKernel()
    library = find_isal()
    if library is None:
        pytest.skip("ISA-L is missing: pip install pyeclib")
    return IsalKernel(library)


def random_blocks(count, size=128):
    return list(np.random.default_rng(count).integers(0, 256, (count, size), np.uint8))


def pool_of(kernel, count, size=128):
    """Random blocks of a pool that the kernel remembers."""
    blocks = random_blocks(count, size)
    kernel.remember(blocks[0].base)
    return blocks


def test_another_length_covers_that_length(kernel):
    a, b, dest = pool_of(kernel, 3)
    rest = dest[10:].copy()
    kernel.xor_gen(dest, [a, b], 10)
    assert np.array_equal(dest[10:], rest)
    kernel.xor_gen(dest, [a, b], 128)
    assert np.array_equal(dest, a ^ b)


OPERATIONS = {
    "xor_gen": lambda kernel, b, *where: kernel.xor_gen(b[0], b[1:], *where),
    "xor_blocks": lambda kernel, b, *where: kernel.xor_blocks(b[0], b[1:], *where),
    "gen_syndrome": lambda kernel, b, *where: kernel.gen_syndrome(b, *where),
    "xor_syndrome": lambda kernel, b, *where: kernel.xor_syndrome(b, 1, 2, *where),
    "mul": lambda kernel, b, *where: kernel.mul(b[0], b[1], 3, *where),
    "sum_product": lambda kernel, b, *where: kernel.sum_product(b[0], b[1:3], (3, 4), *where),
    "recover_2data": lambda kernel, b, *where: kernel.recover_2data(b, 0, 2, *where),
    "recover_datap": lambda kernel, b, *where: kernel.recover_datap(b, 1, *where),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_another_offset_covers_what_lies_there(kernel, name):
    found, expected = pool_of(kernel, 6), random_blocks(6)
    for offset in (64, 0):
        OPERATIONS[name](kernel, found, 64, offset)
        OPERATIONS[name](NumpyKernel(), expected, 64, offset)
    assert np.array_equal(found, expected)
    assert not np.array_equal(found, random_blocks(6))


def test_xor_gen_and_xor_blocks_of_one_list_are_two_operations(kernel):
    a, b, dest = pool_of(kernel, 3)
    kernel.xor_gen(dest, [a, b], 128)
    kernel.xor_blocks(dest, [a, b], 128)
    assert not dest.any()


def test_other_coefficients_are_another_sum(kernel):
    a, b, dest = pool_of(kernel, 3)
    kernel.sum_product(dest, [a, b], [1, 2], 128)
    kernel.sum_product(dest, [a, b], [2, 1], 128)
    assert np.array_equal(dest, gfmul[2][a] ^ b)


def test_the_same_block_at_another_index_changes_q_by_another_power(kernel):
    block, p, q = pool_of(kernel, 3)
    p[:] = q[:] = 0
    kernel.xor_syndrome([block, block, p, q], 0, 0, 128)
    kernel.xor_syndrome([block, block, p, q], 1, 1, 128)
    assert not p.any()
    assert np.array_equal(q, gfmul[3][block])


def test_other_failed_blocks_of_the_same_list_are_another_recovery(kernel):
    blocks = pool_of(kernel, 7)
    kernel.gen_syndrome(blocks, 128)
    whole = np.array(blocks)
    for faila, failb in itertools.permutations(range(5), 2):
        blocks[faila].fill(0)
        blocks[failb].fill(0)
        kernel.recover_2data(blocks, faila, failb, 128)
        assert np.array_equal(blocks, whole)


def test_pairs_of_every_distance_are_recovered_in_the_widest_stripe(kernel):
    blocks = pool_of(kernel, 255, 32)
    kernel.gen_syndrome(blocks, 32)
    whole = np.array(blocks)
    first, neighbours = ((0, b) for b in range(1, 253)), itertools.pairwise(range(253))
    for faila, failb in itertools.chain(first, neighbours):
        blocks[faila].fill(0)
        blocks[failb].fill(0)
        kernel.recover_2data(blocks, faila, failb, 32)
        assert np.array_equal(blocks[faila], whole[faila])
        assert np.array_equal(blocks[failb], whole[failb])
    assert np.array_equal(blocks, whole)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_offset_before_the_blocks_is_refused(kernel, name):
    with pytest.raises(ValueError, match="offset -1"):
        OPERATIONS[name](kernel, random_blocks(6), 64, -1)
