"""Every operation of both kernels against bytes, translated by tables of shift-and-add products."""

import gc
import itertools
import weakref

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from raidsim.raid6 import kernel as kernel_module
from raidsim.raid6.isal_kernel import IsalKernel, find_isal
from raidsim.raid6.numpy_kernel import PIECE_BYTES, NumpyKernel


def double(value):
    return value << 1 ^ (0x11D if value & 0x80 else 0)


def times(a, b):
    return (b & 1) * a ^ (times(double(a), b >> 1) if b else 0)


TIMES = [bytes(times(c, value) for value in range(256)) for c in range(256)]
POWER = list(itertools.accumulate(range(252), lambda power, _: double(power), initial=1))


def add(a, b):
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def sum_of_products(length, terms):
    total = bytes(length)
    for coefficient, block in terms:
        total = add(total, block.translate(TIMES[coefficient]))
    return total


@pytest.fixture(scope="module", params=["numpy", "isal"])
def kernel(request):
    if request.param == "numpy":
        return NumpyKernel()
    library = find_isal()
    if library is None:
        pytest.skip("ISA-L is missing: pip install pyeclib")
    return IsalKernel(library)


class Stripe:
    """Blocks of random bytes, each at its own alignment, with a margin on either side."""

    def __init__(self, data_count, length, offset=0, seed=0, missing=()):
        random = np.random.default_rng(seed)
        self.length, self.offset = length, offset
        self.data_count = data_count
        self.pools = [
            random.integers(0, 256, 64 + offset + length + 64, dtype=np.uint8)
            for _ in range(data_count + 2)
        ]
        starts = random.integers(0, 64, data_count + 2)
        self.blocks = [
            None if index in missing else pool[start : start + offset + length + 64]
            for index, (pool, start) in enumerate(zip(self.pools, starts, strict=True))
        ]
        self.before = [pool.copy() for pool in self.pools]

    @property
    def where(self):
        return {"length": self.length, "offset": self.offset}

    def content(self, index):
        block = self.blocks[index]
        if block is None:
            return bytes(self.length)
        return block[self.offset : self.offset + self.length].tobytes()

    def contents(self):
        return [self.content(index) for index in range(self.data_count + 2)]

    def data(self):
        return self.contents()[: self.data_count]

    def set(self, index, content):
        span = self.blocks[index][self.offset : self.offset + self.length]
        span[:] = np.frombuffer(content, np.uint8)

    def spoil(self, *indices):
        for index in indices:
            self.set(index, b"\xba" * self.length)

    def syndrome(self):
        data = self.data()
        p = sum_of_products(self.length, [(1, block) for block in data])
        return p, sum_of_products(self.length, zip(POWER, data, strict=False))

    def set_syndrome(self):
        for index, content in zip((-2, -1), self.syndrome(), strict=True):
            self.set(index, content)

    def changed(self):
        """Return which blocks changed; none may have changed beyond the range."""
        changed = set()
        for index, (pool, before) in enumerate(zip(self.pools, self.before, strict=True)):
            where = np.flatnonzero(pool != before)
            if where.size:
                changed.add(index)
                begin = self.blocks[index].ctypes.data - pool.ctypes.data + self.offset
                assert begin <= where[0]
                assert where[-1] < begin + self.length
        return changed


lengths = st.one_of(
    st.integers(0, 200), st.sampled_from([256, 511, 512, 1000]), st.just(PIECE_BYTES + 3)
)


@st.composite
def stripes(draw, min_data=1, max_data=24, lengths=lengths, keep=0):
    """Stripes with some data blocks missing, at least ``keep`` of them there."""
    data_count = draw(st.integers(min_data, max_data))
    length = draw(lengths)
    assume(data_count * length <= 300_000)
    missing = draw(st.sets(st.integers(0, data_count - 1), max_size=data_count - keep))
    return Stripe(data_count, length, draw(st.integers(0, 70)), draw(st.integers(0)), missing)


wide_stripes = stripes(min_data=100, max_data=253, lengths=st.integers(1, 70), keep=2)
any_stripes = st.one_of(stripes(), wide_stripes)


@given(any_stripes)
def test_gen_syndrome_makes_p_and_q(kernel, stripe):
    expected = stripe.syndrome()
    kernel.gen_syndrome(stripe.blocks, **stripe.where)
    assert (stripe.content(-2), stripe.content(-1)) == expected
    assert stripe.changed() <= {stripe.data_count, stripe.data_count + 1}


@given(any_stripes, st.sampled_from([-2, -1]))
def test_gen_syndrome_makes_one_where_the_other_is_not_wanted(kernel, stripe, unwanted):
    expected = dict(zip((-2, -1), stripe.syndrome(), strict=True))
    stripe.blocks[unwanted] = None
    kernel.gen_syndrome(stripe.blocks, **stripe.where)
    wanted = -3 - unwanted
    assert stripe.content(wanted) == expected[wanted]
    assert stripe.changed() <= {stripe.data_count + 2 + wanted}


def test_gen_syndrome_of_missing_blocks_only_is_zero(kernel):
    stripe = Stripe(3, 100, missing={0, 1, 2})
    kernel.gen_syndrome(stripe.blocks, **stripe.where)
    assert stripe.contents()[-2:] == [bytes(100)] * 2


@given(any_stripes, st.data())
def test_xor_syndrome_adds_the_change_of_some_blocks(kernel, stripe, data):
    start = data.draw(st.integers(0, stripe.data_count - 1))
    stop = data.draw(st.integers(start, stripe.data_count - 1))
    p, q = stripe.contents()[-2:]
    terms = [(index, stripe.content(index)) for index in range(start, stop + 1)]
    kernel.xor_syndrome(stripe.blocks, start, stop, **stripe.where)
    assert stripe.content(-2) == sum_of_products(
        stripe.length, [(1, p), *((1, b) for _, b in terms)]
    )
    assert stripe.content(-1) == sum_of_products(
        stripe.length, [(1, q), *((POWER[index], block) for index, block in terms)]
    )
    assert stripe.changed() <= {stripe.data_count, stripe.data_count + 1}


@pytest.mark.parametrize("length", [128, 100])
@pytest.mark.parametrize("start", range(7))
def test_a_rewrite_of_blocks_by_xor_syndrome_equals_a_new_syndrome(kernel, start, length):
    for stop in range(start, 7):
        stripe = Stripe(7, length)
        stripe.set_syndrome()
        kernel.xor_syndrome(stripe.blocks, start, stop, length)
        for index in range(start, stop + 1):
            stripe.set(index, bytes([index + 1]) * length)
        kernel.xor_syndrome(stripe.blocks, start, stop, length)
        assert (stripe.content(-2), stripe.content(-1)) == stripe.syndrome()


@pytest.mark.parametrize("present", [-2, -1])
def test_xor_syndrome_changes_the_one_of_p_and_q_that_is_there(kernel, present):
    stripe = Stripe(3, 128)
    old = stripe.content(present)
    stripe.blocks[-3 - present] = None
    kernel.xor_syndrome(stripe.blocks, 1, 1, 128)
    coefficient = {-2: 1, -1: 2}[present]
    expected = sum_of_products(128, [(1, old), (coefficient, stripe.content(1))])
    assert stripe.content(present) == expected


@pytest.mark.parametrize("length", [64, 77])
@pytest.mark.parametrize("data_count", range(2, 11))
def test_every_pair_of_data_blocks_is_recovered(kernel, data_count, length):
    for faila, failb in itertools.permutations(range(data_count), 2):
        stripe = Stripe(data_count, length)
        stripe.set_syndrome()
        expected = stripe.contents()
        stripe.spoil(faila, failb)
        kernel.recover_2data(stripe.blocks, faila, failb, length)
        assert stripe.contents() == expected


@given(st.one_of(stripes(min_data=2, keep=2), wide_stripes), st.data())
def test_two_data_blocks_are_recovered_at_any_width_with_blocks_missing(kernel, stripe, data):
    present = [index for index in range(stripe.data_count) if stripe.blocks[index] is not None]
    faila, failb = data.draw(st.permutations(present))[:2]
    stripe.set_syndrome()
    expected = stripe.contents()
    stripe.spoil(faila, failb)
    kernel.recover_2data(stripe.blocks, faila, failb, **stripe.where)
    assert stripe.contents() == expected
    stripe.changed()


@pytest.mark.parametrize("length", [64, 77])
@pytest.mark.parametrize("data_count", range(1, 11))
def test_every_data_block_is_recovered_together_with_p(kernel, data_count, length):
    for faila in range(data_count):
        stripe = Stripe(data_count, length)
        stripe.set_syndrome()
        expected = stripe.contents()
        stripe.spoil(faila, -2)
        kernel.recover_datap(stripe.blocks, faila, length)
        assert stripe.contents() == expected


@given(st.one_of(stripes(keep=1), wide_stripes), st.data())
def test_data_and_p_are_recovered_at_any_width_with_blocks_missing(kernel, stripe, data):
    present = [index for index in range(stripe.data_count) if stripe.blocks[index] is not None]
    faila = data.draw(st.sampled_from(present))
    stripe.set_syndrome()
    expected = stripe.contents()
    stripe.spoil(faila, -2)
    kernel.recover_datap(stripe.blocks, faila, **stripe.where)
    assert stripe.contents() == expected
    stripe.changed()


@given(stripes(keep=1), st.data())
def test_sum_product_adds_the_products_also_onto_one_of_its_sources(kernel, stripe, data):
    sources = [index for index in range(stripe.data_count) if stripe.blocks[index] is not None]
    coefficients = [data.draw(st.integers(0, 255)) for _ in sources]
    dest = data.draw(st.sampled_from([*sources, stripe.data_count]))
    terms = [(c, stripe.content(index)) for c, index in zip(coefficients, sources, strict=True)]
    kernel.sum_product(
        stripe.blocks[dest], [stripe.blocks[i] for i in sources], coefficients, **stripe.where
    )
    assert stripe.content(dest) == sum_of_products(stripe.length, terms)
    assert stripe.changed() <= {dest}


@pytest.mark.parametrize("length", [64, 300])
def test_mul_multiplies_by_every_coefficient_in_place_and_out_of_place(kernel, length):
    for coefficient in range(256):
        stripe = Stripe(1, length)
        data, other, _ = stripe.blocks
        expected = stripe.content(0).translate(TIMES[coefficient])
        kernel.mul(other, data, coefficient, length)
        kernel.mul(data, data, coefficient, length)
        assert stripe.contents()[:2] == [expected, expected]


@given(stripes(keep=1), st.data())
def test_xor_gen_writes_the_xor_also_onto_one_of_its_sources(kernel, stripe, data):
    sources = [index for index in range(stripe.data_count) if stripe.blocks[index] is not None]
    dest = data.draw(st.sampled_from([*sources, stripe.data_count]))
    expected, _ = stripe.syndrome()
    kernel.xor_gen(stripe.blocks[dest], [stripe.blocks[i] for i in sources], **stripe.where)
    assert stripe.content(dest) == expected
    assert stripe.changed() <= {dest}


@given(stripes(keep=1))
def test_xor_blocks_adds_the_sources_to_what_is_there(kernel, stripe):
    dest = stripe.data_count
    expected = add(stripe.content(dest), stripe.syndrome()[0])
    sources = [block for block in stripe.blocks[:dest] if block is not None]
    kernel.xor_blocks(stripe.blocks[dest], sources, **stripe.where)
    assert stripe.content(dest) == expected
    assert stripe.changed() <= {dest}


@given(lengths, st.integers(0, 70), st.data())
def test_one_byte_decides_whether_a_buffer_is_zero(kernel, length, offset, data):
    buffer = np.zeros(offset + length + 10, np.uint8)
    buffer[:offset] = buffer[offset + length :] = 1
    assert kernel.is_zero(buffer, length, offset)
    if length:
        buffer[offset + data.draw(st.integers(0, length - 1))] = data.draw(st.integers(1, 255))
        assert not kernel.is_zero(buffer, length, offset)


@given(lengths, st.integers(0, 70), st.data())
def test_one_byte_decides_whether_two_buffers_are_equal(kernel, length, offset, data):
    a = np.random.default_rng(length).integers(0, 256, offset + length + 10, dtype=np.uint8)
    b = a.copy()
    b[:offset] ^= 1
    b[offset + length :] ^= 1
    assert kernel.equal(a, b, length, offset)
    if length:
        b[offset + data.draw(st.integers(0, length - 1))] ^= data.draw(st.integers(1, 255))
        assert not kernel.equal(a, b, length, offset)


def operations(kernel, stripe, **where):
    blocks = stripe.blocks
    return {
        "xor_gen": lambda: kernel.xor_gen(blocks[0], blocks[1:], **where),
        "xor_blocks": lambda: kernel.xor_blocks(blocks[0], blocks[1:], **where),
        "gen_syndrome": lambda: kernel.gen_syndrome(blocks, **where),
        "xor_syndrome": lambda: kernel.xor_syndrome(blocks, 0, 2, **where),
        "mul": lambda: kernel.mul(blocks[0], blocks[1], 3, **where),
        "sum_product": lambda: kernel.sum_product(blocks[0], blocks[1:3], (3, 4), **where),
        "recover_2data": lambda: kernel.recover_2data(blocks, 0, 1, **where),
        "recover_datap": lambda: kernel.recover_datap(blocks, 0, **where),
        "is_zero": lambda: kernel.is_zero(blocks[0], **where),
        "equal": lambda: kernel.equal(blocks[0], blocks[1], **where),
    }


@pytest.mark.parametrize("name", operations(None, Stripe(3, 0)))
def test_nothing_happens_to_no_bytes(kernel, name):
    stripe = Stripe(3, 16)
    operations(kernel, stripe, length=0, offset=4)[name]()
    assert stripe.changed() == set()


@pytest.mark.parametrize("name", operations(None, Stripe(3, 0)))
def test_each_offset_is_computed_for_itself_in_either_order(kernel, name):
    upwards, downwards = Stripe(3, 200), Stripe(3, 200)
    for stripe, offsets in ((upwards, (0, 64)), (downwards, (64, 0))):
        for offset in offsets:
            operations(kernel, stripe, length=64, offset=offset)[name]()
    assert upwards.contents() == downwards.contents()


@pytest.mark.parametrize("name", operations(None, Stripe(3, 0)))
@pytest.mark.parametrize(("length", "offset"), [(65, 0), (60, 5), (-1, 0), (1, 65)])
def test_a_length_beyond_the_shortest_block_is_refused(kernel, name, length, offset):
    stripe = Stripe(3, 64)
    stripe.blocks[:] = [block[:64] for block in stripe.blocks]
    with pytest.raises(ValueError, match=f"{length} bytes asked"):
        operations(kernel, stripe, length=length, offset=offset)[name]()
    assert stripe.changed() == set()


@pytest.mark.parametrize(
    "name", sorted(operations(None, Stripe(3, 0)).keys() - {"is_zero", "equal"})
)
def test_a_length_that_isal_can_not_count_is_refused(kernel, name, monkeypatch):
    monkeypatch.setattr("raidsim.raid6.kernel.MAX_LENGTH_BYTES", 64)
    stripe = Stripe(3, 128)
    with pytest.raises(ValueError, match="65 bytes asked"):
        operations(kernel, stripe, length=65)[name]()
    assert stripe.changed() == set()


@pytest.mark.parametrize("data_count", [0, 254])
def test_a_number_of_data_blocks_that_raid6_cannot_have_is_refused(kernel, data_count):
    blocks = [np.zeros(8, np.uint8)] * (data_count + 2)
    with pytest.raises(ValueError, match=f"{data_count} data blocks: raid6 takes 1 to 253"):
        kernel.gen_syndrome(blocks, 8)


def test_lists_that_make_no_sense_are_refused(kernel):
    blocks = Stripe(3, 8).blocks
    with pytest.raises(ValueError, match="neither P nor Q"):
        kernel.gen_syndrome([*blocks[:3], None, None], 8)
    with pytest.raises(ValueError, match="cannot recover data blocks 1 and 1 of 3"):
        kernel.recover_2data(blocks, 1, 1, 8)
    with pytest.raises(ValueError, match="cannot recover data blocks 1 and 3 of 3"):
        kernel.recover_2data(blocks, 1, 3, 8)
    with pytest.raises(ValueError, match="needs both of them, P and Q"):
        kernel.recover_2data([*blocks[:3], None, blocks[4]], 0, 1, 8)
    with pytest.raises(ValueError, match="cannot recover data block 3 of 3"):
        kernel.recover_datap(blocks, 3, 8)
    with pytest.raises(ValueError, match="needs both of them and Q"):
        kernel.recover_datap([None, *blocks[1:]], 0, 8)
    with pytest.raises(ValueError, match="data blocks 2 to 3 of 3"):
        kernel.xor_syndrome(blocks, 2, 3, 8)
    with pytest.raises(ValueError, match="2 sources with 1 coefficients"):
        kernel.sum_product(blocks[0], blocks[1:3], (1,), 8)
    with pytest.raises(ValueError, match="0 sources"):
        kernel.xor_gen(blocks[0], [], 8)


def test_the_same_list_is_computed_anew_with_its_new_content(kernel):
    stripe = Stripe(4, 256)
    for seed in range(3):
        for index in range(4):
            stripe.set(index, np.random.default_rng(seed * 4 + index).bytes(256))
        kernel.gen_syndrome(stripe.blocks, 256)
        assert (stripe.content(-2), stripe.content(-1)) == stripe.syndrome()


def test_a_new_block_at_the_address_of_a_gone_one_is_not_taken_for_it(kernel):
    for seed in range(300):
        stripe = Stripe(2, 64, seed=seed)
        kernel.gen_syndrome(stripe.blocks, 64)
        assert (stripe.content(-2), stripe.content(-1)) == stripe.syndrome()


def remember(kernel, stripe):
    for pool in stripe.pools:
        kernel.remember(pool)


def test_blocks_of_no_pool_are_not_held(kernel):
    stripe = Stripe(2, 100)
    remember(kernel, stripe)
    guest = np.zeros(200, np.uint8)
    kernel.gen_syndrome([guest, *stripe.blocks[1:]], 100)
    gone = weakref.ref(guest)
    del guest
    gc.collect()
    assert gone() is None


def test_forget_lets_go_of_the_blocks(kernel):
    stripe = Stripe(2, 100)
    remember(kernel, stripe)
    kernel.gen_syndrome(stripe.blocks, 100)
    kernel.xor_syndrome(stripe.blocks, 0, 1, 100)
    pool = weakref.ref(stripe.pools[0])
    del stripe
    gc.collect()
    assert pool() is not None
    kernel.forget()
    gc.collect()
    assert pool() is None


def test_blocks_are_held_up_to_a_limit_only(kernel, monkeypatch):
    monkeypatch.setattr(kernel_module, "MAX_REMEMBERED_BLOCKS", 100)
    kernel.forget()
    memory = np.zeros(40000, np.uint8)
    kernel.remember(memory)
    first = memory[:64]
    kernel.gen_syndrome([first, memory[64:128], memory[128:192]], 64)
    gone = weakref.ref(first)
    del first
    assert gone() is not None
    for start in range(0, 200 * 192, 192):
        kernel.gen_syndrome([memory[start + i * 64 : start + i * 64 + 64] for i in range(3)], 64)
    gc.collect()
    assert gone() is None


@settings(max_examples=20)
@given(st.integers(1, 16), st.integers(1, 3 * PIECE_BYTES), st.integers(0))
def test_isal_computes_what_numpy_does(data_count, length, seed):
    library = find_isal()
    if library is None:
        pytest.skip("ISA-L is missing: pip install pyeclib")
    expected, found = (Stripe(data_count, length, offset=7, seed=seed) for _ in range(2))
    for kernel, stripe in ((NumpyKernel(), expected), (IsalKernel(library), found)):
        kernel.gen_syndrome(stripe.blocks, **stripe.where)
        kernel.mul(stripe.blocks[0], stripe.blocks[0], 0x53, **stripe.where)
        kernel.xor_syndrome(stripe.blocks, 0, data_count - 1, **stripe.where)
    assert found.contents() == expected.contents()
