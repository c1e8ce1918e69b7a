"""Event counts, dirty flags and role tables, as real md leaves them after the same steps.

The numbers were read from the superblocks of Linux 6.1 with mdadm 4.2.
"""

from itertools import pairwise

import pytest
from md_rig import EIO, Rig

from raidsim.md.mddev import ArrayStateError
from raidsim.md.spares import activate_spares, remove_member
from raidsim.md.superblock import MAX_SECTOR, MD_FEATURE_RECOVERY_OFFSET
from raidsim.md.sync import SyncThread

SPARE, FAULTY = 0xFFFF, 0xFFFE


def state(rig, number=0):
    sb = rig.stored(number)
    return sb.events, sb.resync_offset


def roles(rig, number=0, count=4):
    return rig.stored(number).dev_roles[:count]


@pytest.mark.parametrize(("level", "disks"), [(5, 4), (6, 5)])
def test_dirty_and_clean_go_back_to_the_same_count(level, disks):
    rig = Rig(level, disks)
    rig.write(0, 8)
    assert state(rig) == (1, 0)
    rig.idle()
    assert state(rig) == (2, MAX_SECTOR)
    rig.write(0, 8)
    assert state(rig) == (3, 0)
    rig.write(8, 8)
    assert state(rig) == (3, 0)
    rig.idle()
    assert state(rig) == (2, MAX_SECTOR)
    assert len({rig.stored(number).events for number in range(disks)}) == 1


@pytest.mark.parametrize(("level", "disks", "missing"), [(5, 4, 1), (6, 5, 2)])
def test_degraded_the_count_never_goes_back(level, disks, missing):
    rig = Rig(level, disks, missing=[missing])
    counts = []
    for _ in range(3):
        rig.write(0, 8)
        counts.append(rig.stored(0).events)
        rig.idle()
        counts.append(rig.stored(0).events)
    assert counts == [1, 2, 3, 4, 5, 6]


def test_a_spare_is_not_bothered_with_dirty_and_clean():
    rig = Rig(6, 5, spares=1)
    seen = []
    for _ in range(2):
        rig.write(0, 8)
        seen.append((rig.stored(0).events, rig.stored(5).events))
        rig.idle()
        seen.append((rig.stored(0).events, rig.stored(5).events))
    assert seen == [(1, 0), (2, 2), (3, 2), (2, 2)]


def test_a_failure_costs_two_events_and_the_failed_member_learns_nothing():
    rig = Rig(6, 5)
    rig.write(0, 8)
    rig.idle()
    rig.fail(1)
    assert rig.stored(0).events == 4
    assert roles(rig, count=5) == [0, FAULTY, 2, 3, 4]
    assert rig.stored(1).events == 2
    assert roles(rig, 1, count=5) == [0, 1, 2, 3, 4]
    rig.fail(3)
    assert rig.stored(0).events == 6
    assert roles(rig, count=5) == [0, FAULTY, 2, FAULTY, 4]
    assert rig.stored(3).events == 4


@pytest.mark.parametrize(("level", "disks", "failures"), [(5, 4, (1, 3)), (6, 5, (1, 3, 0))])
def test_the_failure_that_breaks_the_array_costs_one_event(level, disks, failures):
    rig = Rig(level, disks)
    rig.write(0, 8)
    rig.idle()
    for slot in failures:
        rig.fail(slot)
    assert rig.mddev.broken
    assert rig.write(0, 8).status == EIO
    assert rig.stored(2).events == 2 + 2 * len(failures) - 1
    assert [roles(rig, 2)[slot] for slot in failures] == [FAULTY] * len(failures)


def test_a_removed_member_is_no_longer_in_the_table_once_that_is_written():
    rig = Rig(5, 4)
    rig.fail(1)
    remove_member(rig.mddev, next(rdev for rdev in rig.mddev.rdevs if rdev.faulty))
    rig.write(0, 8)
    assert roles(rig) == [0, SPARE, 2, 3]


def test_a_new_raid6_has_17_events_when_its_resync_is_done():
    rig = Rig(6, 5, resync_offset=0, parity=False, rows=64)
    rig.sync("resync")
    assert state(rig) == (17, MAX_SECTOR)
    assert rig.stored(0).utime == 0


def test_a_new_raid5_has_18_events_when_its_last_member_is_built():
    rig = Rig(5, 4, missing=[3], spares=1, rows=64)
    rig.rebuild()
    assert state(rig) == (18, MAX_SECTOR)
    for number in (0, 1, 2, 4):
        assert roles(rig, number, 5) == [0, 1, 2, SPARE, 3]
        assert rig.stored(number).events == 18
        assert not rig.stored(number).feature_map
        assert rig.stored(number).recovery_offset == 0


def test_a_recovery_is_written_down_at_sixteenths_on_the_member_being_built():
    rig = Rig(5, 4, missing=[3], spares=1, rows=64)
    offsets = []
    disk = rig.disks[4]
    submit = disk.submit

    def watch(request):
        submit(request)
        if request.buffer is not None and request.sector == 0:
            sb = rig.stored(4)
            offsets.append((sb.feature_map, sb.recovery_offset, sb.role))

    disk.submit = watch
    rig.rebuild()
    during = offsets[1:16]
    assert offsets[0] == (MD_FEATURE_RECOVERY_OFFSET, 0, 3)
    assert all(entry[0] == MD_FEATURE_RECOVERY_OFFSET and entry[2] == 3 for entry in during)
    sixteenth = rig.member_sectors // 16
    places = [entry[1] for entry in during]
    assert len(set(places)) == 15
    assert all(sixteenth <= b - a <= sixteenth + 8 for a, b in pairwise([0, *places]))
    assert offsets[-1] == (0, 0, 3)


def test_a_resync_is_written_down_at_sixteenths():
    rig = Rig(6, 5, resync_offset=0, parity=False, rows=64)
    seen = []
    disk = rig.disks[0]
    submit = disk.submit

    def watch(request):
        submit(request)
        if request.buffer is not None and request.sector == 0:
            seen.append(state(rig))

    disk.submit = watch
    rig.sync("resync")
    places = [place for _, place in seen][:15]
    assert places == sorted(set(places))
    assert [events for events, _ in seen] == list(range(1, 18))


def test_a_check_changes_the_superblocks_as_little_as_may_be():
    rig = Rig(6, 5, rows=64)
    rig.sync("check")
    assert rig.mddev.recovery_cp == MAX_SECTOR
    assert state(rig)[1] == MAX_SECTOR


def test_dirty_is_on_every_superblock_before_the_first_data():
    rig = Rig(6, 5)
    rig.write(0, 8)
    order = [access.operation for access in rig.log]
    assert order.count("super") == 5
    assert order.index("write") > max(i for i, name in enumerate(order) if name == "super")
    assert all(rig.stored(number).resync_offset == 0 for number in range(5))


def test_no_data_is_written_while_a_dirty_superblock_is_on_its_way():
    rig = Rig(6, 5)
    rig.disks[4].held = []
    bios = [rig.begin_write(0, b"x" * 4096), rig.begin_write(512, b"y" * 4096)]
    rig.run()
    assert not rig.accesses("write")
    assert not any(bio.done for bio in bios)
    while any(disk.held for disk in rig.disks):
        rig.let_go()
    rig.run()
    assert all(bio.done and not bio.status for bio in bios)


def test_members_are_flushed_before_their_superblocks_say_clean():
    rig = Rig(6, 5)
    rig.write(0, 8)
    rig.log.clear()
    rig.idle()
    for number in range(5):
        mine = [access for access in rig.log if access.disk == number]
        assert [access.operation for access in mine] == ["flush", "super"]
        assert mine[1].fua


def test_a_failure_is_on_the_superblocks_before_more_is_written():
    """What a member misses must not be able to come back as if nothing had happened."""
    rig = Rig(5, 4)
    rig.write(0, 8)
    rig.log.clear()
    row = rig.geometry.row(0)
    rig.mddev.error(rig.rdev(row.data_disks[0]))
    rig.begin_write(0, b"x" * 4096)
    rig.run()
    order = [access.operation for access in rig.log]
    assert order.index("super") < order.index("write")


def test_nothing_is_written_to_a_readonly_array():
    rig = Rig(6, 5, readonly=True)
    assert rig.reads_right()
    assert rig.write(0, 8).status == EIO
    rig.idle()
    rig.fail(1)
    assert rig.reads_right()
    assert not rig.accesses("super")
    assert not rig.accesses("write")


def interrupt_at(rig, action, sector):
    thread = SyncThread(rig.mddev, action)
    thread.start()
    rig.machine.sim.run_until(lambda: thread.position >= sector)
    thread.interrupt()
    rig.run()
    assert thread.finished
    return thread


def test_an_interrupted_recovery_goes_on_where_it_was():
    rig = Rig(5, 4, missing=[3], spares=1, rows=64)
    assert activate_spares(rig.mddev)
    rig.run()
    thread = interrupt_at(rig, "recover", rig.member_sectors // 2)
    assert rig.stored(4).recovery_offset == thread.position
    assert rig.stored(4).feature_map == MD_FEATURE_RECOVERY_OFFSET
    assert rig.mddev.degraded == 1
    assert rig.reads_right()
    rig.log.clear()
    assert SyncThread(rig.mddev, "recover").position == thread.position
    rig.sync("recover")
    for operation in ("read", "write"):
        assert min(sector for _, sector, _ in rig.accesses(operation)) == thread.position
    rig.place(3, 4)
    assert not rig.wrong_parity()
    assert rig.mddev.degraded == 0


def test_a_half_recovered_member_is_used_as_far_as_it_goes():
    rig = Rig(5, 4, recovering={2: 256})
    assert rig.reads_right()
    below = [sector for disk, sector, _ in rig.accesses("read") if disk == 2]
    assert below
    assert max(below) < 256
    rig.log.clear()
    rig.write(0, 384)
    rig.write(2 * 384, 384)
    written = {sector for disk, sector, _ in rig.accesses("write") if disk == 2}
    assert written
    rig.sync("recover")
    assert not rig.wrong_parity()
    assert rig.reads_right()


def test_an_interrupted_resync_goes_on_where_it_was():
    rig = Rig(6, 5, resync_offset=0, parity=False, rows=64)
    thread = interrupt_at(rig, "resync", rig.member_sectors // 3)
    assert rig.mddev.recovery_cp == thread.position
    assert state(rig)[1] == thread.position
    rig.log.clear()
    rig.sync("resync")
    assert min(sector for _, sector, _ in rig.accesses("read")) == thread.position
    assert not rig.wrong_parity()


def test_an_interrupted_check_or_repair_of_a_clean_array_changes_nothing():
    for action in ("check", "repair"):
        rig = Rig(6, 5, rows=64)
        interrupt_at(rig, action, rig.member_sectors // 3)
        assert rig.mddev.recovery_cp == MAX_SECTOR


@pytest.mark.parametrize(("level", "disks"), [(4, 4), (5, 4), (6, 5)])
def test_a_rebuilt_member_is_what_it_was(level, disks):
    for slot in range(disks):
        rig = Rig(level, disks, spares=1)
        rig.fail(slot)
        lost = rig.data(slot).copy()
        rig.rebuild()
        rig.place(slot, disks)
        assert bytes(rig.data(slot)) == bytes(lost)
        assert rig.mddev.degraded == 0


def test_a_recovery_reads_every_survivor_once_and_writes_the_new_member_once():
    rig = Rig(6, 6, missing=[2], spares=1)
    rig.rebuild()
    assert rig.touched("write") == {6: 64}
    assert set(rig.touched("read").values()) == {64}


def test_two_members_are_rebuilt_in_one_pass():
    rig = Rig(6, 6, missing=[1, 4], spares=2)
    rig.rebuild()
    assert rig.touched("write") == {6: 64, 7: 64}
    assert rig.touched("read") == {0: 64, 2: 64, 3: 64, 5: 64}
    for rdev in rig.mddev.rdevs:
        rig.place(rdev.raid_disk, rdev.desc_nr)
    assert not rig.wrong_parity()
    assert rig.reads_right()


def test_one_of_two_members_being_rebuilt_fails():
    rig = Rig(6, 6, missing=[1, 4], spares=2, rows=32)
    assert activate_spares(rig.mddev)
    rig.run()
    thread = SyncThread(rig.mddev, "recover")
    thread.start()
    rig.machine.sim.run_until(lambda: thread.position > rig.member_sectors // 2)
    victim = rig.rdev(4)
    rig.mddev.error(victim)
    rig.run()
    assert thread.finished
    assert thread.interrupted
    assert rig.mddev.degraded == 2
    assert rig.reads_right()
    rig.sync("recover")
    assert rig.mddev.degraded == 1
    assert rig.reads_right()


def test_a_source_that_fails_during_a_recovery_ends_it():
    rig = Rig(5, 4, missing=[3], spares=1, rows=32)
    assert activate_spares(rig.mddev)
    rig.run()
    thread = SyncThread(rig.mddev, "recover")
    thread.start()
    rig.machine.sim.run_until(lambda: thread.position > rig.member_sectors // 2)
    rig.mddev.error(rig.rdev(0))
    rig.run()
    assert thread.finished
    assert thread.interrupted
    assert rig.mddev.broken


def test_an_unreadable_block_during_a_recovery_is_not_passed_over():
    rig = Rig(5, 4, missing=[3], spares=1)
    rig.disks[1].lost = {8 + 200}
    assert activate_spares(rig.mddev)
    rig.run()
    thread = rig.sync("recover")
    assert thread.interrupted
    assert rig.mddev.degraded


def test_a_check_does_not_end_a_resync_that_is_due():
    rig = Rig(6, 5, resync_offset=256)
    rig.sync("check")
    assert rig.mddev.recovery_cp < MAX_SECTOR


def test_only_one_sync_runs_at_a_time():
    rig = Rig(6, 5)
    SyncThread(rig.mddev, "check").start()
    with pytest.raises(ArrayStateError, match="check is under way"):
        SyncThread(rig.mddev, "repair").start()


def test_a_repair_counts_and_a_recovery_does_not():
    rig = Rig(6, 5, spares=1, parity=False)
    rig.sync("repair")
    counted = rig.mddev.resync_mismatches
    assert counted == rig.member_sectors
    rig.fail(0)
    rig.rebuild()
    assert rig.mddev.resync_mismatches == counted


def test_a_spare_takes_the_slot_of_a_failed_member_in_one_update():
    rig = Rig(6, 5, spares=1)
    rig.fail(1)
    assert rig.stored(0).events == 2
    assert roles(rig, count=6) == [0, FAULTY, 2, 3, 4, 1]
    assert rig.stored(5).feature_map == MD_FEATURE_RECOVERY_OFFSET


def test_a_stop_marks_a_dirty_array_clean_and_never_goes_back():
    rig = Rig(6, 5)
    for events in (2, 4):
        rig.write(0, 8)
        rig.mddev.stop_writes()
        rig.run()
        assert state(rig) == (events, MAX_SECTOR)


def test_a_stop_of_a_clean_array_writes_nothing():
    rig = Rig(6, 5)
    rig.mddev.stop_writes()
    rig.run()
    assert not rig.log


def test_the_failure_that_breaks_a_dirty_array_is_written_down_with_the_stop():
    rig = Rig(5, 4)
    rig.write(0, 8)
    rig.fail(1)
    assert state(rig) == (3, 0)
    rig.fail(3)
    assert state(rig) == (3, 0)
    rig.mddev.stop_writes()
    rig.run()
    assert state(rig) == (4, MAX_SECTOR)
    assert roles(rig) == [0, FAULTY, 2, FAULTY]


def test_the_first_update_after_an_assembly_writes_spares_as_well():
    """md does not remember what it has loaded, only what it wrote (sync_sbs)."""
    rig = Rig(6, 5, spares=1)
    rig.mddev.events = 7
    for rdev in rig.mddev.rdevs:
        rdev.superblock.events = 7
    seen = []
    for _ in range(2):
        rig.write(0, 8)
        seen.append(rig.stored(5).events)
        rig.idle()
        seen.append(rig.stored(5).events)
    assert seen == [8, 7, 7, 7]
