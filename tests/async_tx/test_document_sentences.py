"""Sentences of the two documents that no other test shows."""

import inspect

import numpy as np
import pytest

from raidsim import Machine, async_tx
from raidsim.async_tx import (
    ASYNC_TX_FENCE,
    AsyncSubmitCtl,
    async_memcpy,
    async_tx_issue_pending_all,
    async_xor,
    init_async_submit,
)
from raidsim.dmaengine import (
    DMA_MEMCPY,
    DMA_PRIVATE,
    DMA_XOR,
    DmaAsyncTxDescriptor,
    dma_find_channel,
    dma_request_channel,
    dma_wait_for_async_tx,
    dmaengine_get,
    dmaengine_put,
)
from raidsim.dmaengine.drivers import DeviceProfile, EngineProfile, register_engine
from raidsim.dmaengine.events import Issued

OPERATIONS = ("memcpy", "memset", "xor", "xor_val", "pq", "pq_val")
RECOVERIES = ("raid6_datap_recov", "raid6_2data_recov")


@pytest.mark.parametrize("operation", [*OPERATIONS, *RECOVERIES, "trigger_callback"])
def test_every_operation_takes_its_submit_control_last_and_returns_a_descriptor(operation):
    signature = inspect.signature(getattr(async_tx, f"async_{operation}"))
    assert list(signature.parameters)[-1] == "submit"
    assert signature.return_annotation == "DmaAsyncTxDescriptor | None"


def test_what_is_returned_is_the_descriptor_that_was_queued(max8):
    dest, src = max8.blocks(2)
    tx = async_memcpy(dest, src, 0, 0, 512, max8.submit)
    assert isinstance(tx, DmaAsyncTxDescriptor)
    assert tx.cookie == tx.chan.cookie > 0


def test_a_complete_descriptor_takes_a_child_as_long_as_it_is_not_acknowledged(make_bench, engine):
    one_device, _ = engine
    bench = make_bench([one_device(ring_slots=3)])
    dest, src, other = bench.blocks(3)
    parent = async_memcpy(dest, src, 0, 0, 512, bench.submit)
    bench.finish(parent)
    for _ in range(2):
        init_async_submit(bench.submit, async_tx.ASYNC_TX_ACK, None, None, None, None)
        assert async_memcpy(other, src, 0, 0, 512, bench.submit) is not parent
        async_tx_issue_pending_all(bench.machine)
        bench.machine.sim.run()
    init_async_submit(bench.submit, ASYNC_TX_FENCE, parent, None, None, None)
    child = async_xor(other, [dest, src], 0, 2, 512, bench.submit)
    bench.finish(child)
    assert (other == 0).all()


def test_operations_are_issued_in_batches(make_bench, engine):
    one_device, _ = engine
    bench = make_bench([one_device(threshold_slots=4)])
    issued = []
    bench.machine.sim.hook.subscribe(
        lambda _time_ns, event: isinstance(event, Issued) and issued.append(event.cookie)
    )
    counts = []
    for _ in range(8):
        dest, src = bench.blocks(2)
        init_async_submit(bench.submit, async_tx.ASYNC_TX_ACK, None, None, None, None)
        async_memcpy(dest, src, 0, 0, 512, bench.submit)
        counts.append(len(issued))
    assert counts == [0, 0, 0, 4, 4, 4, 4, 8]


def test_waiting_spins_the_cpu_and_lets_no_other_process_context_run(max8):
    ran = []
    max8.machine.sim.call_soon(ran.append, "process")
    dest, src = max8.blocks(2)
    tx = async_memcpy(dest, src, 0, 0, 512, max8.submit)
    dma_wait_for_async_tx(tx)
    assert ran == []
    assert (dest == src).all()


def copier(channels, *more):
    device = DeviceProfile(capabilities=("memcpy", *more), channels=channels)
    return EngineProfile(name="copier", description="", devices=(device,))


def test_memory_to_memory_clients_all_get_the_common_allocators_channel():
    machine = Machine(engines=[copier(1)])
    chan = dma_find_channel(machine, DMA_MEMCPY)
    dmaengine_get(machine)
    assert dma_find_channel(machine, DMA_MEMCPY) is chan
    assert chan.client_count == 2
    blocks = [np.zeros(512, np.uint8) for _ in range(2)]
    assert async_memcpy(*blocks, 0, 0, 512, AsyncSubmitCtl(machine)).chan is chan


def test_a_client_need_not_know_when_channels_come():
    machine = Machine()
    assert list(inspect.signature(dmaengine_get).parameters) == ["machine"]
    submit = AsyncSubmitCtl(machine)
    blocks = [np.zeros(512, np.uint8) for _ in range(2)]
    assert async_memcpy(*blocks, 0, 0, 512, submit) is None
    register_engine(machine, copier(1))
    assert async_memcpy(*blocks, 0, 0, 512, submit) is not None


def test_all_channels_of_a_device_are_private_once_one_is():
    machine = Machine()
    dmaengine_put(machine)
    (device,) = register_engine(machine, copier(3))
    taken = dma_request_channel(machine, {DMA_MEMCPY})
    dmaengine_get(machine)
    assert [chan.client_count for chan in device.channels if chan is not taken] == [0, 0]
    assert dma_find_channel(machine, DMA_MEMCPY) is None


def test_exclusive_and_shared_channels_are_the_only_competition():
    machine = Machine(engines=[copier(1, "private"), copier(1)])
    shared = dma_find_channel(machine, DMA_MEMCPY)
    exclusive = dma_request_channel(machine, {DMA_MEMCPY})
    assert DMA_PRIVATE in exclusive.device.cap_mask
    assert dma_request_channel(machine, {DMA_MEMCPY}) is None
    assert dma_find_channel(machine, DMA_MEMCPY) is shared is not exclusive


def test_operation_types_beyond_memcpy_have_channels_of_their_own():
    machine = Machine(engines=["iop32x"])
    assert (
        dma_find_channel(machine, DMA_XOR).device
        is not dma_find_channel(machine, DMA_MEMCPY).device
    )
