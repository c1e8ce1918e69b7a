"""Forgotten acknowledgements, when a machine stops; and a ring that outlives its cookies."""

import numpy as np
import pytest

from raidsim import Machine
from raidsim.async_tx import (
    ASYNC_TX_ACK,
    AsyncSubmitCtl,
    DescriptorExhaustedError,
    async_memcpy,
    async_tx_ack,
    async_tx_issue_pending_all,
    async_xor,
    init_async_submit,
)
from raidsim.dmaengine import DMA_COMPLETE, dma_wait_for_async_tx
from raidsim.dmaengine.constants import DMA_MAX_COOKIE
from raidsim.dmaengine.drivers import DeviceProfile, EngineProfile
from raidsim.dmaengine.leaks import LeakedDescriptor, LeakedDescriptorError, leaked_descriptors


class Client:
    def __init__(self, engine="iop13xx", **settings):
        self.machine = Machine(engines=[engine], kernel="numpy", **settings)
        self.submit = AsyncSubmitCtl(self.machine)
        self.blocks = list(np.zeros((2, 512), np.uint8))

    def copy(self, flags=0, tx=None):
        init_async_submit(self.submit, flags, tx, None, None, None)
        return async_memcpy(self.blocks[0], self.blocks[1], 0, 0, 512, self.submit)

    def finish(self):
        async_tx_issue_pending_all(self.machine)
        self.machine.sim.run()


def test_a_machine_stops_in_silence_when_all_is_acknowledged():
    client = Client()
    client.copy(ASYNC_TX_ACK, client.copy())
    async_tx_ack(client.copy())
    client.finish()
    client.machine.stop()


def test_a_stopping_machine_names_what_was_never_acknowledged():
    client = Client()
    client.copy()
    client.finish()
    name = client.machine.dmaengine.devices[0].channels[0].name
    with pytest.raises(LeakedDescriptorError) as caught:
        client.machine.stop()
    assert str(caught.value) == (
        f"never acknowledged: memcpy on {name}; set ASYNC_TX_ACK, depend on it or call"
        " async_tx_ack() (async-tx-api.txt 3.3)"
    )


def test_a_sanitized_machine_names_who_submitted_it_as_well():
    client = Client(sanitize=True)
    client.copy()
    client.finish()
    (leak,) = leaked_descriptors(client.machine)
    assert leak.submitted_at.startswith("tests/dmaengine/test_leaks.py:")
    assert leak.submitted_at.endswith(" in copy")
    with pytest.raises(LeakedDescriptorError, match=r"memcpy on dma0chan0, submitted at tests/"):
        client.machine.stop()


def test_each_leaked_descriptor_is_listed():
    client = Client()
    for _ in range(3):
        client.copy()
    client.finish()
    assert leaked_descriptors(client.machine) == [LeakedDescriptor("dma0chan0", "memcpy", "")] * 3


def test_a_ring_drained_by_leaks_says_how_many_they_are():
    device = DeviceProfile(capabilities=("memcpy", "xor"), max_xor=8, ring_slots=4)
    client = Client(EngineProfile(name="small", description="", devices=(device,)))
    for _ in range(4):
        client.copy()
    client.finish()
    init_async_submit(client.submit, 0, None, None, None, None)
    with pytest.raises(DescriptorExhaustedError, match="; 4 that have completed were never ackn"):
        async_xor(client.blocks[0], client.blocks, 0, 2, 512, client.submit)


def test_what_has_not_completed_yet_is_not_leaked():
    client = Client()
    client.copy()
    assert leaked_descriptors(client.machine) == []


def test_a_machine_that_stops_gives_up_its_channels():
    client = Client()
    client.machine.stop()
    assert client.machine.dmaengine.ref_count == 0
    assert not any(
        chan.client_count for device in client.machine.dmaengine.devices for chan in device.channels
    )


@pytest.mark.parametrize("sanitize", [False, True])
def test_descriptors_are_recycled_across_the_wrap_of_the_cookies(sanitize):
    client = Client(sanitize=sanitize)
    chan = client.machine.dmaengine.devices[0].channels[0]
    chan.cookie = chan.completed_cookie = DMA_MAX_COOKIE - 100
    tx, cookies = None, []
    for number in range(300):
        tx = client.copy(0, tx)
        cookies.append(tx.cookie)
        if number % 64 == 63:
            assert dma_wait_for_async_tx(tx) == DMA_COMPLETE
    assert cookies[98:102] == [DMA_MAX_COOKIE - 1, DMA_MAX_COOKIE, 1, 2]
    assert dma_wait_for_async_tx(tx) == DMA_COMPLETE
    async_tx_ack(tx)
    client.machine.stop()
