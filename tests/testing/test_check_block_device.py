"""The conformance kit for disks: what conforms passes, and each way not to has its name."""

import re
import tomllib
from pathlib import Path

import pytest

from raidsim.disk import ImageDisk, MemoryDisk
from raidsim.disk.faults import DISK_FAULTS, FaultyDisk, PowerSupply, disk_fault
from raidsim.disk.sanitized import SanitizedDisk
from raidsim.disk.stable import StableStorage
from raidsim.sim import Sanitizer
from raidsim.testing import DISK_POINTS, DiskConformanceError, check_block_device

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "writing-a-disk.md"

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


BROKEN = tomllib.loads((Path(__file__).parent / "broken_disks.toml").read_text())["broken"]


@pytest.mark.parametrize(
    "broken", BROKEN, ids=[f"{n}-{broken['point']}" for n, broken in enumerate(BROKEN)]
)
def test_a_disk_that_breaks_a_point_is_refused_with_its_name(broken):
    point, right, wrong = broken["point"], broken["right"], broken["wrong"]
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    module = "\n".join(blocks).partition("report =")[0]
    assert module.count(right) == 1
    names = {}
    exec(compile(module.replace(right, wrong), GUIDE.name, "exec"), names)  # noqa: S102  our own page
    with pytest.raises(DiskConformanceError) as caught:
        check_block_device(names["factory"], completes_later=True, cut_power=names["cut_power"])
    failures = caught.value.failures
    assert next(iter(failures)) == point, failures
    assert DISK_POINTS[point] in str(caught.value)


def test_every_point_has_a_disk_that_breaks_it():
    assert {broken["point"] for broken in BROKEN} == set(DISK_POINTS)
