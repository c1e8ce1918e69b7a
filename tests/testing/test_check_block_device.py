"""The conformance kit for disks: what conforms passes, and each way not to has its name."""

import pytest

from raidsim.disk import ImageDisk, MemoryDisk
from raidsim.disk.faults import DISK_FAULTS, FaultyDisk, PowerSupply, disk_fault
from raidsim.disk.sanitized import SanitizedDisk
from raidsim.disk.stable import StableStorage
from raidsim.sim import Sanitizer
from raidsim.testing import DISK_POINTS, check_block_device

SECTORS = 4096


def memory(_machine=None):
    return MemoryDisk("disk0", SECTORS)


def test_an_image_conforms(tmp_path):
    (tmp_path / "disk0.img").write_bytes(bytes(SECTORS * 512))
    report = check_block_device(lambda _: ImageDisk(tmp_path / "disk0.img", lock=False))
    assert set(report.not_applicable) == {"later", "durability"}
    assert set(report.checked) == set(DISK_POINTS) - {"later", "durability"}


def test_a_disk_in_memory_conforms():
    check_block_device(memory)


def test_a_sanitized_disk_conforms():
    check_block_device(lambda machine: SanitizedDisk(memory(), Sanitizer(machine.sim)))


@pytest.mark.parametrize("kind", DISK_FAULTS)
def test_a_disk_with_a_fault_conforms_while_it_is_idle(kind):
    fault = {"kind": kind, "enabled": False}
    check_block_device(lambda machine: FaultyDisk(machine, memory(), disk_fault(fault)))
    fault = {"kind": kind, "count": 1, "nth": 1 << 40}
    check_block_device(lambda machine: FaultyDisk(machine, memory(), disk_fault(fault)))


@pytest.mark.parametrize("kind", ["slow", "watch"])
def test_a_disk_whose_fault_only_delays_or_watches_conforms_even_then(kind):
    check_block_device(
        lambda machine: FaultyDisk(machine, memory(), disk_fault({"kind": kind, "interval": 3}))
    )


@pytest.mark.parametrize("cache_bytes", [0, 4096, 16 << 20])
def test_stable_storage_keeps_what_was_flushed(cache_bytes):
    supplies = []

    def make(machine):
        storage = StableStorage(memory(), cache_bytes)
        supplies.append(PowerSupply(machine))
        return supplies[-1].plug(storage, storage)

    def cut_power(disk):
        supplies[-1].cut()
        return disk.storage.disk

    report = check_block_device(make, cut_power=cut_power)
    assert report.not_applicable == ("later",)
