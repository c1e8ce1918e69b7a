"""sync_min, sync_max, frozen and idle: events and places as real md leaves them.

The numbers were read from Linux 6.1 with members of 22528 sectors.
"""

import pytest
from md_rig import Rig

from raidsim import Machine
from raidsim.md.superblock import MAX_SECTOR
from raidsim.md.sync import SyncThread
from raidsim.md.sync_control import next_action

ROWS = 176


def begin(rig, action):
    thread = SyncThread(rig.mddev, action)
    thread.start()
    rig.run()
    return thread


def stop(rig, thread):
    thread.stop()
    rig.run()
    assert thread.finished


def go_on_to(rig, thread, sync_max):
    rig.mddev.sync_control.resync_max = sync_max
    thread.wake()
    rig.run()


def events(rig):
    return rig.stored(0).events


@pytest.fixture
def raid6():
    return Rig(6, 4, rows=ROWS)


def test_a_check_pauses_at_sync_max_and_goes_on_there_once_that_is_raised(raid6):
    raid6.unit(3, 0)[:] ^= 1
    raid6.unit(3, 10240)[:] ^= 1
    raid6.unit(3, 10240 + 8)[:] ^= 1
    control = raid6.mddev.sync_control
    control.resync_min, control.resync_max = 4096, 8192
    thread = begin(raid6, "check")
    assert thread.paused
    assert thread.completed == 8192
    assert raid6.mddev.resync_mismatches == 0
    stop(raid6, thread)
    assert events(raid6) == 4
    assert (control.resync_min, control.resync_max) == (8192, 8192)
    thread = begin(raid6, "check")
    assert thread.paused
    go_on_to(raid6, thread, 12288)
    assert raid6.mddev.resync_mismatches == 16
    stop(raid6, thread)
    assert events(raid6) == 7
    assert (control.resync_min, control.resync_max) == (12288, 12288)
    control.resync_max = MAX_SECTOR
    assert begin(raid6, "check").finished
    assert events(raid6) == 10
    assert raid6.mddev.resync_mismatches == 0
    assert (control.resync_min, control.resync_max) == (0, MAX_SECTOR)


def test_a_paused_repair_of_a_clean_array_leaves_it_clean_and_its_count_of_mismatches(raid6):
    raid6.unit(3, 10240)[:] ^= 1
    control = raid6.mddev.sync_control
    control.resync_min, control.resync_max = 1000, 20480
    thread = begin(raid6, "repair")
    stop(raid6, thread)
    assert control.resync_min == 20480
    assert raid6.stored(0).resync_offset == MAX_SECTOR
    assert raid6.mddev.resync_mismatches == 8
    assert control.last_sync_action == "repair"


def test_checkpoints_come_at_half_of_what_is_left_before_sync_max():
    rig = Rig(6, 4, missing=[3], spares=1, rows=ROWS)
    rig.mddev.sync_control.resync_max = 4096
    assert next_action(rig.mddev) == "recover"
    thread = begin(rig, "recover")
    assert thread.completed == 4096
    stop(rig, thread)
    assert rig.stored(4).recovery_offset == 4096
    assert events(rig) == 13
    rig.mddev.sync_control.resync_max = 8192
    thread = begin(rig, "recover")
    assert rig.stored(4).recovery_offset == 8192
    assert events(rig) == 23
    go_on_to(rig, thread, MAX_SECTOR)
    assert thread.finished
    assert not rig.stored(4).feature_map
    assert rig.mddev.sync_control.resync_max == MAX_SECTOR


def test_a_check_begun_at_sync_max_costs_three_events(raid6):
    control = raid6.mddev.sync_control
    raid6.write(0, 8)
    control.resync_min = control.resync_max = 16384
    before = events(raid6)
    stop(raid6, begin(raid6, "repair"))
    assert events(raid6) == before + 3


def test_a_check_that_is_stopped_goes_on_at_its_last_checkpoint(raid6):
    thread = SyncThread(raid6.mddev, "check")
    thread.start()
    raid6.machine.sim.run_until(lambda: thread.position >= 2000)
    stop(raid6, thread)
    assert raid6.mddev.sync_control.resync_min == 1416


def test_a_check_while_a_resync_is_pending_moves_the_resync_on():
    rig = Rig(6, 4, rows=ROWS, parity=False, resync_offset=4096)
    control = rig.mddev.sync_control
    control.resync_min, control.resync_max = 4096, 16384
    stop(rig, begin(rig, "check"))
    assert rig.mddev.resync_mismatches == 12288
    assert rig.mddev.recovery_cp == 16384
    assert next_action(rig.mddev) == "resync"


def test_recovery_keeps_the_count_of_mismatches_and_resync_does_not():
    rig = Rig(6, 5, missing=[3], spares=1)
    rig.mddev.resync_mismatches = 8
    rig.rebuild()
    assert rig.mddev.resync_mismatches == 8
    assert rig.mddev.sync_control.last_sync_action == "recovery"
    rig.mddev.recovery_cp = 0
    rig.sync("resync")
    assert rig.mddev.resync_mismatches == 0
    assert rig.mddev.sync_control.last_sync_action == "resync"


def test_a_sync_that_begins_beyond_the_end_ends_at_once(raid6):
    raid6.mddev.sync_control.resync_min = 99999992
    raid6.sync("check")
    assert not raid6.units("read")
    assert raid6.mddev.sync_control.resync_min == 0


def test_rebuilding_comes_before_resyncing_and_both_only_when_not_frozen():
    rig = Rig(6, 5, missing=[3], spares=1, resync_offset=0)
    control = rig.mddev.sync_control
    control.frozen = True
    assert next_action(rig.mddev) is None
    control.frozen = False
    assert next_action(rig.mddev) == "recover"
    rig.sync("recover")
    assert next_action(rig.mddev) == "resync"
    rig.sync("resync")
    assert next_action(rig.mddev) is None


def test_every_five_minutes_a_timed_sync_is_written_down():
    machine = Machine(seed=1, timed=True, kernel="numpy")
    rig = Rig(6, 4, rows=400, resync_offset=0, cache=16, machine=machine)
    rig.mddev.sync_control.sync_speed_max = rig.mddev.sync_control.sync_speed_min = 1
    thread = SyncThread(rig.mddev, "resync")
    thread.start()
    minutes = 60 * 1_000_000_000
    sim = rig.machine.sim
    sim.run_until(lambda: sim.now_ns > 4 * minutes)
    assert rig.stored(0).resync_offset == 0
    sim.run_until(lambda: sim.now_ns > 6 * minutes)
    assert 0 < rig.stored(0).resync_offset < rig.member_sectors // 16
