import pytest

from raidsim.array import Array, ArraySpec
from raidsim.array.hardware import SimulatedHardware
from raidsim.disk.observed import ObservedDisk
from raidsim.disk.stack import stack_disk
from raidsim.machine import Machine

FIXED = {"kind": "fixed", "description": "", "service_ns": 100_000, "bytes_per_second": 10**8}


class Bench(SimulatedHardware):
    """Hardware whose disks are observed, and have a model."""

    def __init__(self, machine, model, faults):
        super().__init__(machine)
        self.table = {"model": model, "faults": faults}
        self.disks = []

    def disk(self, image):
        disk = stack_disk(self.machine, super().disk(image), self.table).disk
        self.disks.append(disk)
        return ObservedDisk(self.machine, disk)


@pytest.fixture
def make_array(tmp_path):
    """Make an array on a timed machine; ``array.bench`` has its disks."""
    opened = []

    def make(*, engines=(), model=FIXED, timed=True, name="array", cpu=None, faults=()):
        machine = Machine(engines=engines, timed=timed, kernel="numpy", cpu=cpu)
        bench = Bench(machine, model, faults)
        spec = ArraySpec(level=6, raid_disks=5, layout=2, chunk_sectors=128)
        array = Array.create(tmp_path / name, spec, image_bytes=2 << 20, hardware=bench)
        array.bench = bench
        opened.append(array)
        return array

    yield make
    for array in opened:
        array.abandon()
