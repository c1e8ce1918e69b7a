"""Question 4: does an engine work through as many bytes a second as its profile says?"""

import numpy as np
import pytest

from raidsim import Machine
from raidsim.dmaengine import DMA_CTRL_ACK, DMA_MEMCPY, DMA_PQ, DMA_XOR
from raidsim.dmaengine.drivers import load_profile, profile_names

# Chips, not threads of the host; and those that have something to do.
NAMES = [
    name
    for name in profile_names()
    if load_profile(name).driver == "ring"
    and any({"memcpy", "xor", "pq"} & set(d.capabilities) for d in load_profile(name).devices)
]
DESCRIPTORS = 200


def prepare(channel, operation, blocks, length):
    """A descriptor and how many bytes of sources it has."""
    if operation == DMA_MEMCPY:
        return channel.prep_dma_memcpy(blocks[0], 0, blocks[1], 0, length, DMA_CTRL_ACK), length
    if operation == DMA_XOR:
        return channel.prep_dma_xor(blocks[0], blocks[1:3], 0, length, DMA_CTRL_ACK), 2 * length
    tx = channel.prep_dma_pq(tuple(blocks[:2]), blocks[2:4], [1, 2], 0, length, DMA_CTRL_ACK)
    return tx, 2 * length


def cases():
    for name in NAMES:
        profile = load_profile(name)
        for number, device in enumerate(profile.devices):
            for operation in sorted(device.cap_mask & {DMA_MEMCPY, DMA_XOR, DMA_PQ}):
                if device not in profile.devices[:number]:
                    yield pytest.param(name, number, operation, id=f"{name}-{number}-{operation}")


@pytest.mark.parametrize(("name", "number", "operation"), list(cases()))
@pytest.mark.parametrize("length", [4096, 65536])
def test_a_channel_is_as_fast_as_its_profile_says(name, number, operation, length):
    profile = load_profile(name).devices[number]
    if not profile.min_length <= length <= profile.max_length:
        pytest.skip("not a length for this engine")
    machine = Machine(timed=True, engines=[name], kernel="numpy")
    channel = machine.dmaengine.devices[number].channels[0]
    blocks = list(np.zeros((4, length), np.uint8))
    total = done = 0
    bound_ns = 0.0
    while done < DESCRIPTORS:
        tx, source_bytes = prepare(channel, operation, blocks, length)
        if tx is None:  # the ring is full
            channel.issue_pending()
            assert machine.sim.spin()
            continue
        tx.tx_submit()
        done += 1
        total += source_bytes
        rate = profile.operation_bytes_per_second.get(tx.operation, profile.bytes_per_second)
        passes = tx.source_bytes / source_bytes  # P and Q one after the other, as some chips do
        bound_ns += tx.segments * profile.descriptor_latency_ns + passes * source_bytes * 1e9 / rate
    channel.issue_pending()
    ends_ns = []
    while channel.submitted or channel._issued or channel._active:
        machine.sim.spin()
        ends_ns.append(machine.sim.now_ns)
    measured = total / ends_ns[-1]
    assert measured == pytest.approx(total / bound_ns * profile.parallel_descriptors, rel=0.02)
