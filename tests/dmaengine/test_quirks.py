"""What single chips do that others do not, as their profiles name it."""

import numpy as np
import pytest

from raidsim import Machine
from raidsim.dmaengine import DMA_PREP_CONTINUE, DMA_PREP_PQ_DISABLE_P, SumCheck
from raidsim.dmaengine.drivers import DeviceProfile, EngineProfile, Quirks
from raidsim.dmaengine.errors import DescriptorError
from raidsim.raid6.tables import gfexp

LATENCY_NS = 100


@pytest.fixture
def blocks():
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, 4096, dtype=np.uint8) for _ in range(12)]


def make(quirks, **settings):
    device = DeviceProfile(
        capabilities=("xor", "xor_val", "pq", "interrupt"),
        max_xor=8,
        max_pq=8,
        threshold_slots=0,
        descriptor_latency_ns=LATENCY_NS,
        quirks=quirks,
        **settings,
    )
    profile = EngineProfile(name="test", description="", devices=(device,))
    machine = Machine(timed=True, engines=[profile])
    return machine, machine.dmaengine.devices[0].channels[0]


def do(machine, chan, tx):
    """Run one descriptor; the virtual time it took."""
    before_ns = machine.sim.now_ns
    tx.tx_submit()
    chan.issue_pending()
    machine.sim.run()
    return machine.sim.now_ns - before_ns


def test_a_chip_that_ignores_continuation_forgets_what_p_and_q_held(blocks):
    machine, chan = make(Quirks(ignores_pq_continue=True))
    p, q, source = blocks[:3]
    do(machine, chan, chan.prep_dma_pq((p, q), [source], [2], 0, 4096, DMA_PREP_CONTINUE))
    assert np.array_equal(p, source)


def test_a_lone_source_is_doubled_where_the_chip_needs_two(blocks):
    machine, chan = make(Quirks(needs_two_pq_sources=True))
    plain, plain_chan = make(Quirks())
    q, expected, source = blocks[:3]
    flags = DMA_PREP_PQ_DISABLE_P
    took = do(machine, chan, chan.prep_dma_pq((None, q), [source], [7], 0, 4096, flags))
    usual = do(
        plain, plain_chan, plain_chan.prep_dma_pq((None, expected), [source], [7], 0, 4096, flags)
    )
    assert np.array_equal(q, expected)
    assert took == usual + 4096


def test_a_lone_source_of_p_is_refused_where_the_chip_needs_two(blocks):
    _, chan = make(Quirks(needs_two_pq_sources=True))
    with pytest.raises(DescriptorError, match="pq with P of 1 source"):
        chan.prep_dma_pq((blocks[0], blocks[1]), [blocks[2]], [1], 0, 4096, 0)
    assert chan.prep_dma_pq((blocks[0], blocks[1]), [blocks[2]], [1], 0, 4096, DMA_PREP_CONTINUE)


def test_a_pq_without_q_is_refused_where_the_chip_would_write_it_anyway(blocks):
    _, chan = make(Quirks(needs_q=True))
    with pytest.raises(DescriptorError, match="pq without Q"):
        chan.prep_dma_pq((blocks[0], None), blocks[1:3], [1, 2], 0, 4096, 0)
    assert chan.free_slots == chan.ring_slots


def test_p_and_q_one_after_the_other_take_twice_the_time_and_slots(blocks):
    machine, chan = make(Quirks(separate_p_and_q=True))
    tx = chan.prep_dma_pq((blocks[0], blocks[1]), blocks[2:5], [1, 2, 4], 0, 4096, 0)
    assert tx.slots == 2
    assert do(machine, chan, tx) == LATENCY_NS + 2 * 3 * 4096
    tx = chan.prep_dma_pq((None, blocks[1]), blocks[2:5], [1, 2, 4], 0, 4096, DMA_PREP_PQ_DISABLE_P)
    assert tx.slots == 1
    assert do(machine, chan, tx) == LATENCY_NS + 3 * 4096


def test_validations_in_groups_take_slots_and_time_for_each(blocks):
    machine, chan = make(Quirks(xor_val_segment_bytes=1024), xor_slots=((4, 1), (8, 2)))
    result = SumCheck()
    tx = chan.prep_dma_xor_val(blocks[:5], 0, 4096, result, 0)
    assert tx.slots == 8
    assert do(machine, chan, tx) == 4 * LATENCY_NS + 5 * 4096
    assert result.flags == 1
    assert chan.prep_dma_xor(blocks[0], blocks[:5], 0, 4096, 0).slots == 2


@pytest.mark.parametrize(("power", "descriptors"), [(5, 1), (6, 3)])
def test_large_coefficients_are_multiplied_one_source_at_a_time(blocks, power, descriptors):
    machine, chan = make(Quirks(pq_coefficient_limit=6))
    coefficients = [1, 2, gfexp[power]]
    tx = chan.prep_dma_pq((blocks[0], blocks[1]), blocks[2:5], coefficients, 0, 4096, 0)
    assert do(machine, chan, tx) == descriptors * LATENCY_NS + 3 * 4096


def test_an_interrupt_descriptor_may_be_a_dummy_operation():
    machine, chan = make(Quirks(interrupt_bytes=128))
    assert do(machine, chan, chan.prep_dma_interrupt(0)) == LATENCY_NS + 128
