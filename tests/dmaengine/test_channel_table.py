"""The channel table with several CPUs: who gets which channel, and that any choice is right."""

import numpy as np
import pytest

from raidsim import Machine
from raidsim.async_tx import (
    ASYNC_TX_ACK,
    ASYNC_TX_XOR_ZERO_DST,
    AsyncSubmitCtl,
    async_memcpy,
    async_tx_issue_pending_all,
    async_xor,
    init_async_submit,
)
from raidsim.dmaengine import (
    DMA_MEMCPY,
    DMA_MEMSET,
    DMA_PQ,
    DMA_PQ_VAL,
    DMA_PRIVATE,
    DMA_XOR,
    DMA_XOR_VAL,
    dma_async_device_unregister,
    dma_find_channel,
    dma_request_channel,
    dmaengine_get,
    dmaengine_put,
)
from raidsim.dmaengine.clients import NetDma
from raidsim.dmaengine.drivers import DeviceProfile, EngineProfile, register_engine
from raidsim.dmaengine.events import Submitted
from raidsim.errors import UsageError


def engine(*devices):
    return EngineProfile(name="test", description="", devices=devices)


def cells(machine, capability):
    """The channels that each CPU uses for ``capability``."""
    found = []
    for cpu in range(len(machine.dmaengine.cpu_tables)):
        with machine.on_cpu(cpu):
            chan = dma_find_channel(machine, capability)
        found.append(None if chan is None else chan.name.removeprefix("dma"))
    return found


def test_a_machine_starts_on_cpu_0_and_comes_back_to_where_it_was():
    machine = Machine(cpus=3)
    assert machine.sim.cpu == 0
    with machine.on_cpu(2):
        assert machine.sim.cpu == 2
        with pytest.raises(KeyError), machine.on_cpu(1):
            raise KeyError
        assert machine.sim.cpu == 2
        assert machine.dmaengine.channel_table is machine.dmaengine.cpu_tables[2]
    assert machine.sim.cpu == 0
    assert machine.dmaengine.channel_table is machine.dmaengine.cpu_tables[0]


def test_a_machine_without_a_cpu_is_refused():
    with pytest.raises(UsageError, match="at least 1 CPU, not 0"):
        Machine(cpus=0)


@pytest.mark.parametrize("number", [-1, 2])
def test_a_cpu_that_is_not_there_is_refused(number):
    machine = Machine(cpus=2)
    with pytest.raises(UsageError, match="the machine has 2"), machine.on_cpu(number):
        pass


@pytest.mark.parametrize(
    ("cpus", "expected"),
    [
        (1, ["0chan0"]),
        (2, ["0chan0", "0chan1"]),
        (4, ["0chan0", "0chan1", "0chan2", "0chan3"]),
        (6, ["0chan0", "0chan1", "0chan2", "0chan3", "0chan0", "0chan1"]),
    ],
)
def test_each_cpu_copies_on_a_channel_of_its_own_while_there_are_enough(cpus, expected):
    assert cells(Machine(engines=["ioat2"], cpus=cpus), DMA_MEMCPY) == expected


@pytest.mark.parametrize("cpus", [1, 2, 3, 4])
def test_cells_are_numbered_through_capabilities_and_cpus(cpus):
    machine = Machine(engines=["ioat3.2-raid"], cpus=cpus)
    capabilities = (DMA_MEMCPY, DMA_XOR, DMA_PQ, DMA_XOR_VAL, DMA_PQ_VAL, DMA_MEMSET)
    found = [name for capability in capabilities for name in cells(machine, capability)]
    assert found == [f"0chan{number % 4}" for number in range(6 * cpus)]


def test_a_capability_that_no_channel_has_uses_up_numbers():
    machine = Machine(
        engines=[engine(DeviceProfile(capabilities=("xor",), channels=8, max_xor=4))], cpus=3
    )
    assert cells(machine, DMA_XOR) == ["0chan3", "0chan4", "0chan5"]
    assert cells(machine, DMA_MEMCPY) == [None] * 3


def test_one_cpu_always_gets_the_least_used_channel():
    machine = Machine(engines=[engine(DeviceProfile(capabilities=("xor",), channels=8, max_xor=4))])
    assert cells(machine, DMA_XOR) == ["0chan0"]


def test_with_too_few_channels_cpus_share_the_least_used():
    machine = Machine(engines=["iop32x"], cpus=4)
    assert cells(machine, DMA_MEMCPY) == ["0chan0", "1chan0", "0chan0", "1chan0"]
    assert cells(machine, DMA_XOR) == cells(machine, DMA_MEMSET) == ["2chan0"] * 4


def test_only_the_cells_filled_since_the_last_rebalance_count_as_use():
    machine = Machine(engines=["iop32x"], cpus=3)
    assert cells(machine, DMA_MEMCPY) == ["0chan0", "1chan0", "0chan0"]
    register_engine(machine, engine(DeviceProfile(capabilities=("xor",), max_xor=4)))
    assert cells(machine, DMA_MEMCPY) == ["0chan0", "1chan0", "0chan0"]


def test_registering_and_unregistering_rebalance_every_cpu():
    copier = DeviceProfile(capabilities=("memcpy",))
    machine = Machine(engines=[engine(copier)], cpus=2)
    assert cells(machine, DMA_MEMCPY) == ["0chan0", "0chan0"]
    (late,) = register_engine(machine, engine(copier))
    assert cells(machine, DMA_MEMCPY) == ["0chan0", "1chan0"]
    late.channels[0].client_count = 0  # as if its resources could not be had
    dma_async_device_unregister(late)
    assert cells(machine, DMA_MEMCPY) == ["0chan0", "0chan0"]


def test_a_rebalance_shows_at_once_on_the_cpu_that_is_running():
    machine = Machine(cpus=2)
    with machine.on_cpu(1):
        register_engine(machine, "ioat2")
        assert dma_find_channel(machine, DMA_MEMCPY).name == "dma0chan1"


def test_the_first_client_fills_the_table_and_the_last_one_empties_it_for_every_cpu():
    machine = Machine(engines=["ioat2"], cpus=2)
    dmaengine_put(machine)
    assert cells(machine, DMA_MEMCPY) == [None, None]
    dmaengine_get(machine)
    assert cells(machine, DMA_MEMCPY) == ["0chan0", "0chan1"]


def test_a_second_client_leaves_the_table_alone():
    machine = Machine(engines=["ioat2"], cpus=2)
    machine.dmaengine.devices[0].cap_mask.add(DMA_PRIVATE)  # a rebalance would see it
    dmaengine_get(machine)
    dmaengine_put(machine)
    assert cells(machine, DMA_MEMCPY) == ["0chan0", "0chan1"]


def test_private_channels_are_in_no_cpus_cells():
    private = DeviceProfile(capabilities=("memcpy", "private"), channels=2)
    public = DeviceProfile(capabilities=("memcpy",), channels=2)
    machine = Machine(engines=[engine(private)], cpus=2)
    assert dma_request_channel(machine, {DMA_MEMCPY}).name == "dma0chan0"
    register_engine(machine, engine(public))
    assert cells(machine, DMA_MEMCPY) == ["1chan0", "1chan1"]


def test_a_device_made_private_by_a_request_gets_no_cells():
    machine = Machine(engines=[engine(*2 * (DeviceProfile(capabilities=("memcpy",)),))], cpus=2)
    dmaengine_put(machine)
    assert dma_request_channel(machine, {DMA_MEMCPY}).name == "dma0chan0"
    dmaengine_get(machine)
    assert cells(machine, DMA_MEMCPY) == ["1chan0", "1chan0"]


def test_two_clients_on_two_cpus_work_on_channels_of_their_own():
    machine = Machine(engines=["ioat3.2-raid"], cpus=2, timed=True, sanitize=True)
    generator = np.random.default_rng(0)
    sources = [[generator.integers(0, 256, 4096, np.uint8) for _ in range(3)] for _ in range(2)]
    xors = [np.zeros(4096, np.uint8) for _ in range(2)]
    copies = [np.zeros(4096, np.uint8) for _ in range(2)]
    used = [set(), set()]
    done = []

    def note(_, event):
        if isinstance(event, Submitted):
            used[machine.sim.cpu].add(event.channel)

    machine.sim.hook.subscribe(note)
    for cpu in (0, 1):
        with machine.on_cpu(cpu):
            submit = AsyncSubmitCtl(machine)
            submit.flags = ASYNC_TX_XOR_ZERO_DST
            tx = async_xor(xors[cpu], sources[cpu], 0, 3, 4096, submit)
            init_async_submit(submit, ASYNC_TX_ACK, tx, done.append, cpu, None)
            async_memcpy(copies[cpu], xors[cpu], 0, 0, 4096, submit)
    async_tx_issue_pending_all(machine)
    machine.sim.run()
    assert sorted(done) == [0, 1]
    for cpu in (0, 1):
        right = np.bitwise_xor.reduce(sources[cpu])
        assert np.array_equal(xors[cpu], right)
        assert np.array_equal(copies[cpu], right)
    assert used == [{"dma0chan2"}, {"dma0chan3"}]
    machine.stop()


def test_net_dma_receives_on_each_cpus_channel():
    machine = Machine(engines=["ioat2"], cpus=4)
    net_dma = NetDma(machine)
    packet = np.arange(1500).astype(np.uint8)
    received = [np.zeros(1500, np.uint8) for _ in range(4)]
    for cpu, dest in enumerate(received):
        with machine.on_cpu(cpu):
            net_dma.receive(packet, dest)
    net_dma.drain()
    assert all(np.array_equal(packet, dest) for dest in received)
    counts = [chan.memcpy_count for chan in machine.dmaengine.devices[0].channels]
    assert counts == [1, 1, 1, 1]
