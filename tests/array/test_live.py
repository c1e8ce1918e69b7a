"""An array that runs by itself: what is pending begins, and nobody has to wait for it."""

import numpy as np
import pytest

from raidsim import Machine
from raidsim.array import Array
from raidsim.array.creation import ArraySpec
from raidsim.array.hardware import SimulatedHardware
from raidsim.disk.stack import stack_disk
from raidsim.errors import RaidsimError
from raidsim.md.bio import READ, WRITE, Bio

MS = 1_000_000
RAID5 = ArraySpec(level=5, raid_disks=4, layout=2, chunk_sectors=8, in_sync=True)
DRIVE = {"model": {"kind": "fixed", "description": "test", "service_ns": MS}}


class ModelledHardware(SimulatedHardware):
    def disk(self, image):
        return stack_disk(self.machine, super().disk(image), DRIVE).disk


def make(path, *, seed=0, spares=0):
    hardware = ModelledHardware(Machine(seed, timed=True, kernel="numpy"))
    spec = ArraySpec(
        level=6, raid_disks=5, layout=2, chunk_sectors=128, spare_disks=spares, name="a"
    )
    return Array.create(path, spec, image_bytes=3 << 20, hardware=hardware)


def run_until_quiet(array):
    array.machine.sim.run_until(lambda: not array.mddev.degraded, "recovery")


def test_a_spare_takes_over_by_itself(tmp_path):
    with make(tmp_path / "a", spares=1) as array:
        array.write(0, b"x" * (1 << 20))
        array.go_live()
        array.fail("1")
        assert array.mddev.degraded == 1
        assert not array.mddev.sb_change_pending
        run_until_quiet(array)
        assert array.get("last_sync_action") == "recovery"
        assert array.read(0, 1 << 20) == b"x" * (1 << 20)


def test_requests_go_on_while_it_recovers(tmp_path):
    with make(tmp_path / "a", spares=1) as array:
        array.go_live()
        array.fail("1")
        bio = Bio(WRITE, 0, np.full(4096, 7, np.uint8))
        array.mddev.submit_bio(bio)
        sim = array.machine.sim
        sim.run_until(lambda: bio.done, "a write")
        assert array.mddev.sync_thread is not None
        again = Bio(READ, 0, np.zeros(4096, np.uint8))
        array.mddev.submit_bio(again)
        sim.run_until(lambda: again.done, "a read")
        assert again.buffer[0] == 7
        run_until_quiet(array)


def test_a_check_that_is_asked_for_begins_and_the_call_returns(tmp_path):
    with make(tmp_path / "a") as array:
        array.go_live()
        array.set("sync_action", "check")
        assert array.get("sync_action") == "check"
        array.machine.sim.run_until(lambda: array.mddev.sync_thread is None, "the check")
        assert array.get("mismatch_cnt") == "0"


def test_closing_ends_a_recovery_where_it_is(tmp_path):
    with make(tmp_path / "a", spares=1) as array:
        array.go_live()
        array.fail("1")
        sim = array.machine.sim
        sim.run_until(lambda: array.mddev.sync_thread is not None, "a recovery")
    with Array.open(tmp_path / "a") as array:
        assert array.mddev.degraded == 1
        assert [report.action for report in array.rebuild()] == ["recover"]


def test_it_cannot_be_made_read_only_under_its_users(tmp_path):
    with make(tmp_path / "a") as array:
        array.go_live()
        with pytest.raises(RaidsimError, match="is in use"):
            array.set("array_state", "readonly")


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_seed_leaves_the_same_images(tmp_path, seed):
    runs = []
    for name in ("a", "b"):
        with make(tmp_path / name, seed=seed, spares=1) as array:
            array.go_live()
            array.fail("2")
            run_until_quiet(array)
        runs.append([image.read_bytes() for image in sorted((tmp_path / name).glob("*.img"))])
    assert runs[0] == runs[1]


def test_another_seed_has_other_uuids(tmp_path):
    uuids = set()
    for seed in range(2):
        with make(tmp_path / str(seed), seed=seed) as array:
            uuids.add(array.mddev.superblock.set_uuid)
    assert len(uuids) == 2


def test_what_is_to_be_replaced_meanwhile_waits_for_the_recovery_to_end(tmp_path):
    """A spare that came in the middle would be taken for rebuilt from its beginning."""
    contents = np.random.default_rng(1).integers(0, 256, 3 << 20, np.uint8).tobytes()
    with make(tmp_path / "a", spares=2) as array:
        array.write(0, contents)
        array.go_live()
        array.fail("1")
        sim = array.machine.sim
        sim.run_until(lambda: array.mddev.sync_thread is not None, "a recovery")
        thread = array.mddev.sync_thread
        sim.run_until(lambda: thread.sectors_done > thread.end_sector // 2, "half of it")
        with pytest.raises(RaidsimError, match="a recover is under way"):
            array.replace(["2"], ["disk5.img"])
        assert array.replace(["2"]) == ["2"]
        array.fail("3")  # ends the recovery where it is
        sim.run_until(lambda: array.mddev.sync_thread not in {thread, None}, "the next")
        sim.run_until(lambda: array.mddev.sync_thread is None, "its end")
        array.fail("0")
        assert array.read(0, len(contents)) == contents


def test_the_failure_that_is_one_too_many_is_told_and_waits_for_nobody(tmp_path):
    with make(tmp_path / "a") as array:
        array.go_live()
        for slot in "0123":
            array.fail(slot)
            array.machine.sim.run()
        assert array.mddev.broken


def test_what_is_left_of_a_failed_raid5_is_not_computed_from_what_is_cached(tmp_path):
    """With all but two blocks of a row in the cache, md takes them for computable."""
    row = np.random.default_rng(1).integers(1, 256, 3 * 4096, np.uint8)
    with Array.create(tmp_path / "a", RAID5, image_bytes=2 << 20) as array:
        array.write(0, row)
    with Array.open(tmp_path / "a") as array:  # with nothing in its cache
        array.fail("1")
        array.write(0, row[:4096])
        array.fail("3")  # of which the parity stays in the cache, as does the block just written
        assert array.read(0, 4096) == row[:4096].tobytes()
        with pytest.raises(RaidsimError, match="more members are gone"):
            array.read(4096, 8192)
        assert array.read(8192, 4096) == row[8192:].tobytes()
