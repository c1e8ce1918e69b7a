import numpy as np
import pytest

from raidsim import Machine
from raidsim.dmaengine import DMA_PRIVATE, dmaengine_put
from raidsim.dmaengine.clients import DiskController, NetDma
from raidsim.dmaengine.drivers.ring import RingChannel
from raidsim.dmaengine.errors import DescriptorError, DmaBusyError, DmaengineError
from raidsim.dmaengine.sysfs import channel_attributes, channel_holders, channel_table
from raidsim.sim import TASKLET


def packets(count, size=1500):
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, size, dtype=np.uint8) for _ in range(count)]


# -- net_dma --------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["none", "ioat2", "iop13xx", "mv_xor_v2", "bcm-sba-v1"])
@pytest.mark.parametrize("timed", [False, True])
def test_packets_reach_their_readers(engine, timed):
    net_dma = NetDma(Machine(engines=[engine], timed=timed))
    sent = packets(20)
    received = [np.zeros(1500, np.uint8) for _ in sent]
    for packet, dest in zip(sent, received, strict=True):
        net_dma.receive(packet, dest)
    net_dma.drain()
    assert np.array_equal(sent, received)
    assert (net_dma.offloaded, net_dma.copied) == ((0, 20) if engine == "none" else (20, 0))


def test_only_net_dma_counts_its_copies_in_the_channel():
    machine = Machine(engines=["ioat2"])
    net_dma = NetDma(machine)
    for packet in packets(3):
        net_dma.receive(packet, np.zeros(1500, np.uint8))
    net_dma.drain()
    assert channel_attributes(machine)["dma0chan0"] == {
        "in_use": 2,
        "memcpy_count": 3,
        "bytes_transferred": 4500,
    }


def test_packets_too_short_for_the_engine_are_copied_by_the_cpu():
    net_dma = NetDma(Machine(engines=["mv_xor"]))
    (packet,) = packets(1, size=100)
    dest = np.zeros(100, np.uint8)
    net_dma.receive(packet, dest)
    assert np.array_equal(packet, dest)
    assert net_dma.copied == 1


def test_packets_are_copied_by_the_cpu_when_descriptors_run_out(monkeypatch):
    monkeypatch.setattr(RingChannel, "prep_dma_memcpy", lambda *_: None)
    machine = Machine(engines=["ioat2"])
    net_dma = NetDma(machine)
    net_dma.receive(packets(1)[0], np.zeros(1500, np.uint8))
    assert net_dma.copied == 1
    assert channel_attributes(machine)["dma0chan0"]["memcpy_count"] == 0


def test_a_copy_that_never_completes_is_an_error(monkeypatch):
    net_dma = NetDma(Machine(engines=["ioat2"]))
    monkeypatch.setattr(RingChannel, "_start", lambda _chan: None)
    net_dma.receive(packets(1)[0], np.zeros(1500, np.uint8))
    with pytest.raises(DmaengineError, match="net_dma: a copy on dma0chan0 did not complete"):
        net_dma.drain()


def test_closing_lets_go_of_dmaengine():
    machine = Machine(engines=["ioat2"])
    NetDma(machine).close()
    assert machine.dmaengine.ref_count == 1


# -- the disk controller --------------------------------------------------------------------------


@pytest.fixture
def media():
    return np.arange(4096, dtype=np.uint8)


@pytest.mark.parametrize("engine", ["slave-only", "fsldma"])
@pytest.mark.parametrize("timed", [False, True])
def test_reads_and_writes_go_by_dma_in_order(media, engine, timed):
    machine = Machine(timed=timed, engines=[engine])
    dmaengine_put(machine)  # async_tx would hold the channels of fsldma
    disk = DiskController(machine, media)
    before, after = np.zeros(512, np.uint8), np.zeros(512, np.uint8)
    log = []
    disk.read(1000, before, lambda: log.append(("read", machine.sim.context)))
    disk.write(1000, np.full(512, 7, np.uint8), lambda: log.append(("write", machine.sim.context)))
    disk.read(1000, after, lambda: log.append(("read", machine.sim.context)))
    machine.sim.run()
    assert np.array_equal(before, np.arange(1000, 1512).astype(np.uint8))
    assert (after == 7).all()
    assert log == [("read", TASKLET), ("write", TASKLET), ("read", TASKLET)]
    assert disk.chan.counts.operations["slave"] == 3


def test_the_controller_owns_its_channel_until_it_is_closed(media):
    machine = Machine(engines=["slave-only"])
    disks = [DiskController(machine, media) for _ in range(8)]
    with pytest.raises(DmaBusyError, match="no slave channel is free"):
        DiskController(machine, media)
    disks[3].close()
    assert DiskController(machine, media).chan.name == "dma0chan3"


def test_public_engines_have_no_channel_for_it(media):
    with pytest.raises(DmaBusyError):
        DiskController(Machine(engines=["iop13xx", "fsldma"]), media)


def test_a_slave_channel_without_a_peripheral_is_refused():
    chan = Machine(engines=["slave-only"]).dmaengine.devices[0].channels[0]
    with pytest.raises(DescriptorError, match="no peripheral"):
        chan.prep_slave_sg([np.zeros(1, np.uint8)], 2, 0)


# -- sysfs and debugfs ----------------------------------------------------------------------------


def test_holders_are_told_by_name_or_number(media):
    machine = Machine(engines=["ioat1", "slave-only"])
    NetDma(machine)
    DiskController(machine, media)
    holders = channel_holders(machine)
    assert holders == dict.fromkeys(
        ("dma0chan0", "dma0chan1", "dma0chan2", "dma0chan3"), "2 public clients"
    ) | {"dma1chan0": "disk_controller"}


def test_a_nameless_exclusive_holder_is_in_use():
    machine = Machine(engines=["slave-only"])
    device = machine.dmaengine.devices[0]
    assert DMA_PRIVATE in device.cap_mask
    device.channels[0].client_count = 1
    assert channel_holders(machine) == {"dma0chan0": "in-use"}


def test_the_channel_table_tells_where_operations_go():
    assert channel_table(Machine(engines=["iop32x"])) == {
        "memcpy": "dma0chan0",
        "xor": "dma2chan0",
        "memset": "dma2chan0",
    }
