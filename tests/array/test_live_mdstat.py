"""What mdstat says of a sync while it runs: how fast it is, and when it will be done."""

import re

import pytest

from raidsim import Machine
from raidsim.array import Array
from raidsim.array.creation import ArraySpec
from raidsim.array.hardware import SimulatedHardware
from raidsim.array.report import mdstat_lines
from raidsim.disk.stack import stack_disk

SECOND_NS = 1_000_000_000
RATE_KIB = 512
DRIVE = {
    "model": {
        "kind": "fixed",
        "description": "half a MiB a second",
        "service_ns": 1,
        "bytes_per_second": RATE_KIB << 10,
        "queue_depth": 1,
    }
}
LINE = re.compile(r"(\w+) = *([\d.]+)% \((\d+)/(\d+)\) finish=(\d+)\.(\d)min speed=(\d+)K/sec")


class SlowHardware(SimulatedHardware):
    def disk(self, image):
        return stack_disk(self.machine, super().disk(image), DRIVE).disk


@pytest.fixture
def recovering(tmp_path):
    """An array of 48 MiB members that rebuilds one, which takes some 96 s."""
    hardware = SlowHardware(Machine(timed=True, kernel="numpy"))
    spec = ArraySpec(level=5, raid_disks=3, layout=2, chunk_sectors=128, spare_disks=1, name="a")
    with Array.create(tmp_path / "a", spec, image_bytes=48 << 20, hardware=hardware) as array:
        array.go_live()
        array.fail("1")
        yield array


def look(array):
    """Action, KiB done and in all, seconds until it is done, and KiB a second."""
    match = LINE.search("\n".join(mdstat_lines([array.snapshot()])))
    assert match is not None
    action, _, done, total, minutes, tenths, speed = match.groups()
    return action, int(done), int(total), int(minutes) * 60 + int(tenths) * 6, int(speed)


def run(array, seconds):
    array.machine.sim.run_until_ns(array.machine.sim.now_ns + seconds * SECOND_NS)


def test_the_speed_is_the_drives_and_the_end_is_when_it_ends(recovering):
    array, sim = recovering, recovering.machine.sim
    ends_ns = []
    for _ in range(8):
        run(array, 10)
        action, done, total, left, speed = look(array)
        assert action == "recovery"
        assert speed == pytest.approx(RATE_KIB, rel=0.1)
        assert total - done == pytest.approx(left * speed, abs=7 * speed)
        ends_ns.append(sim.now_ns + left * SECOND_NS)
    sim.run_until(lambda: not array.mddev.degraded, "recovery")
    assert ends_ns == pytest.approx([sim.now_ns] * 8, abs=9 * SECOND_NS)
    assert "recovery" not in "\n".join(mdstat_lines([array.snapshot()]))


def test_a_limit_is_seen_as_soon_as_the_last_30_seconds_have_known_no_other(recovering):
    array = recovering
    run(array, 10)
    array.set("sync_speed_min", "64")
    array.set("sync_speed_max", "128")
    run(array, 5)
    assert look(array)[-1] > 200
    run(array, 60)
    _, done, total, left, speed = look(array)
    assert speed == pytest.approx(128, rel=0.25)
    assert total - done == pytest.approx(left * speed, abs=7 * speed)
