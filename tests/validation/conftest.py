"""Arrays over modelled drives, timed."""

import pytest

from raidsim import Machine
from raidsim.array import Array, ArraySpec
from raidsim.array.hardware import SimulatedHardware
from raidsim.disk.models import disk_profile, load_disk_profile, model_disk

UNLIMITED = str(1 << 30)  # KiB a second


class Drives(SimulatedHardware):
    """Members that take as long as one kind of drive does."""

    def __init__(self, machine, profile):
        super().__init__(machine)
        self.profile = profile
        self.disks = {}

    def disk(self, image):
        disk = model_disk(self.machine, super().disk(image), self.profile)
        return self.disks.setdefault(image.name, disk)


@pytest.fixture
def array(tmp_path):
    """Make an array: ``array("dc-p4500", level=6, raid_disks=8)``; it is closed at the end."""
    made = []

    def make(model, *, level=6, raid_disks=6, spares=0, chunk_bytes=65536, mib=16, **machine):
        profile = disk_profile(model) if isinstance(model, dict) else load_disk_profile(model)
        machine = Machine(1, timed=True, kernel="numpy", **machine)
        spec = ArraySpec(
            level=level,
            raid_disks=raid_disks,
            layout=2,
            chunk_sectors=chunk_bytes >> 9,
            spare_disks=spares,
            name="a",
        )
        found = Array.create(
            tmp_path / f"a{len(made)}",
            spec,
            image_bytes=mib << 20,
            hardware=Drives(machine, profile),
        )
        found.set("sync_speed_min", UNLIMITED)
        found.set("sync_speed_max", UNLIMITED)
        made.append(found)
        return found

    yield make
    for found in made:
        found.close()
