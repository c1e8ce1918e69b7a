"""md, the network, dmatest and a disk controller: all clients of one dmaengine, all at once."""

import numpy as np
import pytest

from raidsim.array import Array, ArraySpec
from raidsim.dmaengine.clients import DiskController, NetDma
from raidsim.dmaengine.dmatest import Dmatest, DmatestParameters
from raidsim.dmaengine.events import Completed
from raidsim.dmaengine.sysfs import channel_attributes, channel_holders

PRIVATE = """
description = "an engine set aside for tests"
[[devices]]
capabilities = ["memcpy", "xor", "pq", "private"]
max_xor = 8
max_pq = 8
"""
SIZE = 64 << 10


@pytest.fixture
def array(tmp_path):
    (tmp_path / "private.toml").write_text(PRIVATE)
    engines = ["iop13xx", str(tmp_path / "private.toml"), "slave-only"]
    spec = ArraySpec(level=6, raid_disks=6, layout=2, chunk_sectors=32)
    with Array.create(tmp_path / "arr", spec, image_bytes=4 << 20, engines=engines) as made:
        yield made


def test_all_bytes_are_right(array):
    machine = array.machine
    random = np.random.default_rng(0)
    completed = []
    machine.sim.hook.subscribe(
        lambda _time_ns, event: completed.append(event.channel) if type(event) is Completed else 0
    )

    net_dma = NetDma(machine)
    dmatest = Dmatest(machine, DmatestParameters(iterations=30, gf=True))
    dmatest.start()
    media = random.integers(0, 256, 16 * SIZE, dtype=np.uint8)
    disk = DiskController(machine, media)
    holders = channel_holders(machine)
    assert holders == dict.fromkeys(("dma0chan0", "dma1chan0", "dma2chan0"), "2 public clients") | {
        "dma3chan0": "dmatest",
        "dma4chan0": "disk_controller",
    }

    packets, received, arrived, done = [], [], [], []
    for number in range(16):
        packets.append(random.integers(0, 256, 1500, dtype=np.uint8))
        received.append(np.zeros(1500, np.uint8))
        net_dma.receive(packets[-1], received[-1])
        arrived.append(np.zeros(SIZE, np.uint8))
        disk.read(number * SIZE, arrived[-1], lambda: done.append(1))
        # What the disk controller has brought goes to the array, while all others go on.
        if number:
            machine.sim.run_until(lambda number=number: len(done) >= number)
            array.write((number - 1) * SIZE, arrived[number - 1])
    threads = dmatest.wait()
    array.write(15 * SIZE, arrived[15])
    net_dma.drain()

    assert np.array_equal(received, packets)
    assert np.array_equal(np.frombuffer(array.read(0, 16 * SIZE), np.uint8), media)
    assert array.check().mismatch_sectors == 0
    assert sum(thread.tests for thread in threads) == 4 * 30
    assert not any(thread.failures for thread in threads)
    # Each did its work on the channels it holds, and none waited for another to be done.
    assert {"dma3chan0", "dma4chan0"} < set(completed)
    first, last = completed.index("dma3chan0"), len(completed) - completed[::-1].index("dma3chan0")
    assert {"dma2chan0", "dma4chan0"} < set(completed[first:last])
    copied = sum(files["memcpy_count"] for files in channel_attributes(machine).values())
    assert copied == net_dma.offloaded == 16


def test_a_relative_profile_path_is_remembered_as_absolute(tmp_path, monkeypatch):
    (tmp_path / "private.toml").write_text(PRIVATE)
    monkeypatch.chdir(tmp_path)
    spec = ArraySpec(level=5, raid_disks=3, layout=2, chunk_sectors=32)
    Array.create("arr", spec, image_bytes=4 << 20, engines=["private.toml"]).close()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with Array.open("../arr") as opened:
        assert len(opened.machine.dmaengine.devices) == 1
