"""Question 3: does a rebuild of an idle array take what its slowest part takes for the bytes?"""

import numpy as np
import pytest

from raidsim import Machine
from raidsim.cpu import cpu_profile
from raidsim.disk import READ, DiskRequest, MemoryDisk
from raidsim.disk.events import DiskServiced
from raidsim.disk.models import load_disk_profile, model_disk
from raidsim.dmaengine import DMA_XOR
from raidsim.md.events import SyncCheckpoint

FIXED = {
    "kind": "fixed",
    "description": "200 MB/s",
    "service_ns": 100,
    "bytes_per_second": 200_000_000,
}


def rebuild(array, failed=1):
    """Fail some members, rebuild them onto spares; how long that took, and the bytes of each."""
    for slot in range(failed):
        array.fail(str(slot))
    start_ns = array.machine.sim.now_ns
    array.rebuild()
    return array.machine.sim.now_ns - start_ns, array.mddev.dev_sectors << 9


@pytest.mark.parametrize(("level", "failed"), [(5, 1), (6, 1), (6, 2)])
def test_a_drive_of_one_rate(array, level, failed):
    took_ns, size = rebuild(array(FIXED, level=level, raid_disks=5, spares=failed, mib=48), failed)
    assert took_ns == pytest.approx(size / 0.2, rel=0.05)


@pytest.mark.parametrize("name", ["dc-p4500", pytest.param("dc-s4500", marks=pytest.mark.slow)])
def test_a_solid_state_drive_is_written_at_its_sustained_rate(array, name):
    made = array(name, level=5, raid_disks=4, spares=1, mib=64)
    profile = made.hardware.profile
    took_ns, size = rebuild(made)
    # What is in its buffer at the end has ended already.
    access_ns = profile.write_command_ns + 65536e9 / profile.write_bytes_per_second
    bound_ns = (size - profile.buffer_bytes) / 65536 * access_ns
    assert took_ns == pytest.approx(bound_ns, rel=0.05)


def rate_alone(name, sectors, depth=16, piece_sectors=128):
    """Bytes a second at which one such drive is read from its first sector to its last."""
    machine = Machine(timed=True, kernel="numpy")
    disk = model_disk(machine, MemoryDisk("disk0", sectors), load_disk_profile(name))
    buffer = np.zeros(piece_sectors << 9, np.uint8)
    starts = iter(range(0, sectors - piece_sectors, piece_sectors))

    def read_on(_=None):
        sector = next(starts, None)
        if sector is not None:
            disk.submit(DiskRequest(READ, sector, buffer, read_on))

    for _ in range(depth):
        read_on()
    machine.sim.run()
    return sectors * 512e9 / machine.sim.now_ns


@pytest.mark.slow
def test_a_hard_disk_is_read_at_the_rate_of_its_zones(array):
    made = array("constellation-es3", level=5, raid_disks=3, spares=1, mib=96)
    ends, streaming = [], []

    def listen(time_ns, event):
        if isinstance(event, SyncCheckpoint):
            streaming.append(ends.copy())
            ends.clear()
        elif isinstance(event, DiskServiced) and event[:2] == ("disk1.img", "read"):
            ends.append((time_ns, event.sectors << 9))

    made.machine.sim.hook.subscribe(listen)
    rebuild(made)
    # Between two checkpoints; to write one moves the arm, which on a drive's real size is nothing.
    streaming_ns = sum(part[-1][0] - part[0][0] for part in streaming)
    streamed = sum(size for part in streaming for _, size in part[1:])
    rate = rate_alone("constellation-es3", made.mddev.dev_sectors)
    assert streamed / streaming_ns * 1e9 == pytest.approx(rate, rel=0.05)


def test_a_cpu_that_is_slower_than_the_drives(array):
    slow = {"bytes_per_second": [[1, 100_000_000]]}
    cpu = cpu_profile(
        {"description": "", "operations": dict.fromkeys(("memcpy", "xor", "pq"), slow)}
    )
    took_ns, size = rebuild(array(FIXED, level=5, raid_disks=5, spares=1, cpu=cpu))
    assert took_ns == pytest.approx(4 * size / 0.1, rel=0.05)


def test_an_engine_that_is_slower_than_the_drives(array):
    made = array("dc-p4500", level=5, raid_disks=6, spares=1, engines=["iop13xx"])
    profile = made.machine.dmaengine.channel_table[DMA_XOR]._profile
    took_ns, size = rebuild(made)
    pieces = size / 65536
    rate = profile.operation_bytes_per_second.get("xor", profile.bytes_per_second)
    bound_ns = pieces * profile.descriptor_latency_ns + 5 * size * 1e9 / rate
    assert took_ns == pytest.approx(bound_ns, rel=0.05)
