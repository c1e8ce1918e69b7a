"""Question 5: are the accesses to members exactly those that md's rules ask for?"""

import pytest

from raidsim.disk.events import DiskServiced

FIXED = {"kind": "fixed", "description": "", "service_ns": 1000, "scheduler": "none"}
CHUNK = 65536
UNIT = 4096


def accesses(array, offset, size):
    """Bytes of the members' data that a write reads and writes."""
    found = {"read": 0, "write": 0}
    data_offset = array.mddev.rdevs[0].data_offset

    def listen(_, event):
        if isinstance(event, DiskServiced) and event.sector >= data_offset:
            found[event.operation] += event.sectors << 9

    array.write(0, b"x")  # so that the array is dirty already
    array.machine.sim.run()
    unsubscribe = array.machine.sim.hook.subscribe(listen)
    array.write(offset, b"y" * size)
    array.machine.sim.run()
    unsubscribe()
    return found["read"], found["write"]


SHAPES = [
    (4, 3),
    (4, 8),
    (5, 3),
    (5, 4),
    (5, 5),
    (5, 8),
    (5, 16),
    (6, 4),
    (6, 6),
    (6, 7),
    (6, 8),
    (6, 16),
]


@pytest.mark.parametrize(("level", "raid_disks"), SHAPES)
def test_4_kib(array, level, raid_disks):
    made = array(FIXED, level=level, raid_disks=raid_disks)
    parities = level // 6 + 1
    data_disks = raid_disks - parities
    # Read the old block and the parities, or the row's other blocks: what is less.
    by_reading_old, by_reading_others = 1 + parities, data_disks - 1
    reads = min(by_reading_old, by_reading_others)
    offset = 3 * CHUNK * data_disks + 5 * UNIT
    assert accesses(made, offset, UNIT) == (reads * UNIT, (1 + parities) * UNIT)


@pytest.mark.parametrize(("level", "raid_disks"), SHAPES)
def test_full_rows(array, level, raid_disks):
    made = array(FIXED, level=level, raid_disks=raid_disks)
    row = CHUNK * (raid_disks - level // 6 - 1)
    assert accesses(made, 2 * row, 2 * row) == (0, 2 * raid_disks * CHUNK)


@pytest.mark.parametrize(("level", "raid_disks", "reads", "writes"), [(5, 8, 2, 2), (6, 8, 3, 3)])
def test_4_kib_with_chunks_as_small(array, level, raid_disks, reads, writes):
    made = array(FIXED, level=level, raid_disks=raid_disks, chunk_bytes=UNIT)
    assert accesses(made, 40 * UNIT, UNIT) == (reads * UNIT, writes * UNIT)


@pytest.mark.parametrize("sector", [0, 7])
def test_a_sector_costs_what_its_page_does(array, sector):
    made = array(FIXED, level=5, raid_disks=8)
    offset = 40 * CHUNK + sector * 512
    # The array reads the page that a request covers in part, and md reads it and the parity.
    assert accesses(made, offset, 512) == (2 * UNIT, 2 * UNIT)


def test_a_degraded_row_is_written_from_the_others(array):
    made = array(FIXED, level=5, raid_disks=6)
    geometry = made.mddev.geometry
    offset = 10 * CHUNK * geometry.data_disks
    _, data_disk, parity_disk = geometry.compute_sector(offset >> 9)
    made.fail(str(data_disk))
    assert parity_disk != data_disk
    assert accesses(made, offset, UNIT) == (4 * UNIT, UNIT)
