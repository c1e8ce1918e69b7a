"""The engine of worker threads: real asynchronous work, told in the simulation's own thread."""

import gc
import threading
import weakref

import numpy as np
import pytest

from raidsim import Machine
from raidsim.array import Array, ArraySpec
from raidsim.async_tx import (
    AsyncSubmitCtl,
    QuiesceError,
    async_memcpy,
    async_tx_issue_pending_all,
    async_xor,
    init_async_submit,
)
from raidsim.dmaengine import DMA_COMPLETE, DMA_ERROR, DMA_MEMCPY, DMA_XOR, dma_wait_for_async_tx
from raidsim.dmaengine.drivers import DeviceProfile, EngineProfile
from raidsim.dmaengine.drivers.faults import EngineFault, inject_fault
from raidsim.dmaengine.errors import EngineHaltedError
from raidsim.md.layout import parse_layout
from raidsim.sim import TASKLET

PATIENCE_S = 10


def small(**settings):
    settings = {"capabilities": ("memcpy", "xor", "interrupt"), "max_xor": 8} | settings
    device = DeviceProfile(**settings)
    return EngineProfile(name="small", description="", devices=(device,), driver="threads")


@pytest.fixture
def machine():
    return Machine(engines=["threads"], kernel="numpy")


def channel(machine, capability=DMA_MEMCPY):
    return machine.dmaengine.channel_table[capability]


def submit_work(chan, work, callback=None):
    """Have the worker do ``work()`` as if it were a copy."""
    block = np.zeros(1, np.uint8)
    tx = chan.prep_dma_memcpy(block, 0, block, 0, 1, 0)
    tx.work, tx.arguments = work, ()
    tx.callback = callback
    tx.tx_submit()
    chan.issue_pending()
    return tx


def workers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("raidsim dma")]


def test_work_is_done_on_a_thread_of_the_channel(machine):
    where = []
    tx = submit_work(channel(machine), lambda: where.append(threading.current_thread().name))
    assert dma_wait_for_async_tx(tx) == DMA_COMPLETE
    assert where == [f"raidsim {channel(machine).name}"]


def test_callbacks_run_in_the_simulations_thread_in_tasklet_context(machine):
    where = []
    submit_work(
        channel(machine),
        lambda: None,
        lambda _param: where.append((threading.current_thread(), machine.sim.context)),
    )
    machine.sim.run()
    assert where == [(threading.current_thread(), TASKLET)]


def test_the_simulation_goes_on_while_the_worker_works(machine):
    go_on = threading.Event()
    tx = submit_work(channel(machine), lambda: go_on.wait(PATIENCE_S))
    machine.sim.call_soon(go_on.set)
    machine.sim.run()
    assert tx.cookie == 0


def test_channels_work_beside_each_other(machine):
    met = threading.Barrier(2, timeout=PATIENCE_S)
    txs = [submit_work(channel(machine, each), met.wait) for each in (DMA_MEMCPY, DMA_XOR)]
    assert [dma_wait_for_async_tx(tx) for tx in txs] == [DMA_COMPLETE] * 2


def test_no_two_threads_share_a_kernel_or_scratch(machine):
    units = [machine, *(chan.unit for chan in machine.dmaengine.devices[0].channels)]
    assert len({id(unit.raid6) for unit in units}) == len(units)
    assert len({id(unit.scratch(8)) for unit in units}) == len(units)


def test_one_channel_works_in_order(machine):
    done = []
    for number in range(100):
        submit_work(channel(machine), lambda number=number: done.append(number))
    machine.sim.run()
    assert done == list(range(100))


def test_the_ring_is_bounded():
    machine = Machine(engines=[small(ring_slots=2)])
    chan = channel(machine)
    block = np.zeros(8, np.uint8)
    txs = [chan.prep_dma_memcpy(block, 0, block, 0, 8, 0) for _ in range(3)]
    assert txs[2] is None
    assert all(txs[:2])


def test_a_chain_crosses_from_worker_to_worker():
    machine = Machine(
        engines=[
            small(capabilities=("memcpy", "interrupt")),
            small(capabilities=("xor", "interrupt"), max_xor=2),
        ]
    )
    blocks = list(np.random.default_rng(0).integers(0, 256, (6, 1 << 16), np.uint8))
    expected = np.bitwise_xor.reduce(blocks[1:])
    submit = AsyncSubmitCtl(machine)
    tx = async_xor(blocks[0], blocks[1:], 0, 5, 1 << 16, submit)
    done = []
    copy = np.zeros(1 << 16, np.uint8)
    init_async_submit(submit, 0, tx, done.append, "done", None)
    async_memcpy(copy, blocks[0], 0, 0, 1 << 16, submit)
    async_tx_issue_pending_all(machine)
    machine.sim.run()
    assert done == ["done"]
    assert (copy == expected).all()


def test_work_that_fails_halts_its_channel_with_an_error_that_names_it(machine):
    called = []
    failed = submit_work(channel(machine), lambda: 1 // 0, called.append)
    after = submit_work(channel(machine), lambda: called.append("worked"), called.append)
    with pytest.raises(EngineHaltedError, match=r"dma0chan0: memcpy failed: .*division") as caught:
        machine.sim.run()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert dma_wait_for_async_tx(failed) == DMA_ERROR
    assert dma_wait_for_async_tx(after) == DMA_ERROR
    assert called == []


def test_what_depends_on_a_halted_channel_is_an_error_not_a_hang():
    machine = Machine(engines=[small(capabilities=("memcpy",))])
    failed = submit_work(channel(machine), lambda: 1 // 0)
    with pytest.raises(EngineHaltedError):
        machine.sim.run()
    submit = AsyncSubmitCtl(machine)
    submit.depend_tx = failed
    blocks = [np.zeros(8, np.uint8) for _ in range(2)]
    with pytest.raises(QuiesceError):
        async_xor(blocks[0], blocks, 0, 2, 8, submit)


def test_virtual_time_does_not_pass_while_a_worker_works():
    machine = Machine(engines=["threads"], timed=True)
    times = []
    machine.sim.device_after(1000, lambda: times.append(machine.sim.now_ns))
    submit_work(channel(machine), lambda: None, lambda _: times.append(machine.sim.now_ns))
    machine.sim.run()
    assert times == [0, 1000]


def test_workers_end_when_their_channels_are_free_and_start_again(machine):
    chan = channel(machine)
    worker = [thread for thread in workers() if thread.name == f"raidsim {chan.name}"][-1]
    chan.free_chan_resources()
    worker.join(PATIENCE_S)
    assert not worker.is_alive()
    chan.alloc_chan_resources()
    assert dma_wait_for_async_tx(submit_work(chan, lambda: None)) == DMA_COMPLETE


def test_a_machine_that_nobody_holds_goes_and_its_workers_with_it():
    others = set(workers())
    machine = Machine(engines=["threads"])
    machine.sim.hook.subscribe(lambda _time_ns, _event, _machine=machine: None)
    assert dma_wait_for_async_tx(submit_work(channel(machine), lambda: None)) == DMA_COMPLETE
    device = weakref.ref(machine.dmaengine.devices[0])
    ours = [worker for worker in workers() if worker not in others]
    assert ours
    del machine
    gc.collect()
    assert device() is None
    for worker in ours:
        worker.join(PATIENCE_S)
        assert not worker.is_alive()


@pytest.mark.parametrize("kernel", ["numpy", "isal"])
def test_a_raid6_on_threads_is_a_flat_byte_array(tmp_path, kernel, monkeypatch):
    if kernel == "isal":
        pytest.importorskip("pyeclib")
    monkeypatch.setenv("RAIDSIM_KERNEL", kernel)
    generator = np.random.default_rng(3)
    spec = ArraySpec(
        level=6, raid_disks=6, chunk_sectors=32, layout=parse_layout(6, "left-symmetric")
    )
    with Array.create(tmp_path / "a", spec, image_bytes=2 << 20, engines=["threads"]) as array:
        model = bytearray(array.size)

        def write(times):
            for _ in range(times):
                length = int(generator.integers(1, 200_000))
                offset = int(generator.integers(0, array.size - length))
                data = generator.bytes(length)
                array.write(offset, data)
                model[offset : offset + length] = data

        write(20)
        array.fail("1")
        write(10)
        array.fail("4")
        write(10)
        assert array.read(0, array.size) == model
        for name in ("x", "y"):
            array.add(tmp_path / name)
        array.rebuild()
        assert array.check().mismatch_sectors == 0
        assert array.read(0, array.size) == model
        offloaded = array.machine.async_tx_stats.offloaded.operations
        assert offloaded["pq"]
        assert offloaded["xor"]


def test_the_schedule_of_an_exploring_machine_waits_for_workers_too():
    machine = Machine(engines=["threads"], explore=True)
    txs = [submit_work(channel(machine, each), lambda: None) for each in (DMA_MEMCPY, DMA_XOR)]
    machine.sim.run()
    assert [tx.cookie for tx in txs] == [0, 0]


def test_faults_strike_threads_as_they_strike_rings(machine):
    chan = channel(machine)
    fault = EngineFault(kind="corrupts", count=1)
    inject_fault(chan, fault)
    dest, src = (np.full(64, value, np.uint8) for value in (0, 7))
    for wrong_bytes in (1, 0):
        tx = chan.prep_dma_memcpy(dest, 0, src, 0, 64, 0)
        tx.tx_submit()
        assert dma_wait_for_async_tx(tx) == DMA_COMPLETE
        assert np.count_nonzero(dest != src) == wrong_bytes
    assert fault.fired == 1
