"""The write-intent bitmap: when bits are set and cleared, and what a sync makes of them."""

import random
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from md_rig import DATA_OFFSET, Rig

from raidsim import Machine
from raidsim.md.bitmap import Bitmap
from raidsim.md.bitmap_superblock import BitmapError, BitmapSuperblock
from raidsim.md.spares import activate_spares, re_add_refusal, re_add_spare, remove_member
from raidsim.md.superblock import MAX_SECTOR, MD_FEATURE_RECOVERY_BITMAP
from raidsim.md.sync import SyncThread

KIB = 1024
# Rows of 64 KiB on 4 members of RAID5: a row holds 384 array sectors, and is one bit.
ROW = 384
CHUNK = {"bitmap_chunk": 64 * KIB, "rows": 8}


def bits(rig, number=0):
    return rig.bitmap(number)[1]


def sweep(rig, times=1):
    for _ in range(times):
        rig.mddev.bitmap.daemon_work()
        rig.run()


def take_out(rig, slot):
    rdev = rig.rdev(slot)
    rig.fail(slot)
    remove_member(rig.mddev, rdev)
    rig.run()
    return rdev


def begin_with_the_bit_set(rig, refuse):
    """A write whose accesses to the data wait; those to the disks in ``refuse`` will fail."""
    for disk in rig.disks:
        disk.held = []
    bio = rig.begin_write(0, bytes(4096))
    rig.run()
    while not rig.accesses("write"):
        for disk in rig.disks:
            waiting, disk.held = disk.held, []
            for request in waiting:
                disk.carry_out(request)
        rig.run()
    for slot in refuse:
        rig.disks[slot].refuses_writes = True
    return bio


def bring_back(rig, rdev):
    rdev.faulty = False
    re_add_spare(rig.mddev, rdev)
    assert activate_spares(rig.mddev)
    rig.run()


# -- bits before data, and after ------------------------------------------------------------------


def test_the_bit_is_on_every_member_before_the_first_byte_of_data():
    rig = Rig(**CHUNK)
    rig.settle()
    for disk in rig.disks:
        disk.held = []
    rig.begin_write(2 * ROW, bytes(4096))
    rig.run()
    assert {name for _, name, *_ in rig.log} <= {"read", "flush"}
    for disk in rig.disks[:3]:  # one member's is still under way
        while disk.held:
            disk.carry_out(disk.held.pop(0))
            rig.run()
    assert not rig.accesses("write")
    assert [bits(rig, number) for number in range(4)] == [[2], [2], [2], []]
    rig.let_go()
    assert rig.accesses("write")
    assert [bits(rig, number) for number in range(4)] == [[2]] * 4
    names = [(name, fua) for disk, name, _, _, fua in rig.log if disk == 3 and name != "read"]
    assert names[:2] == [("flush", False), ("bitmap", True)]


def test_a_bit_that_is_set_already_costs_no_access():
    rig = Rig(**CHUNK)
    rig.write(0, 8)
    rig.log.clear()
    rig.write(64, 8, seed=8)
    assert not rig.accesses("bitmap")
    assert bits(rig) == [0]


def test_many_writes_at_once_wait_for_one_flush_of_the_bitmap():
    rig = Rig(**CHUNK)
    rig.settle()
    for row in range(6):
        rig.begin_write(row * ROW, bytes(4096))
    rig.run()
    assert len(rig.accesses("bitmap")) == 4
    assert bits(rig) == [0, 1, 2, 3, 4, 5]


def test_a_write_over_two_chunks_sets_both_bits():
    rig = Rig(bitmap_chunk=16 * KIB, rows=4)
    rig.write(0, ROW)
    assert bits(rig) == [0, 1, 2, 3]


def test_two_sweeps_clear_a_bit_and_the_third_writes_that_down():
    rig = Rig(**CHUNK)
    rig.write(0, 8)
    rig.idle()
    sweep(rig, 2)
    assert bits(rig) == [0]
    sweep(rig)
    assert bits(rig, 3) == []
    rig.log.clear()
    sweep(rig, 3)
    assert not rig.log


def test_a_write_between_two_sweeps_keeps_the_bit():
    rig = Rig(**CHUNK)
    rig.write(0, 8)
    sweep(rig)
    rig.write(0, 8, seed=8)
    sweep(rig)
    assert rig.mddev.bitmap.pages == (1, 1)
    sweep(rig, 2)
    assert bits(rig) == []


def test_a_bit_stays_while_its_write_is_in_flight():
    rig = Rig(**CHUNK)
    rig.settle()
    bio = begin_with_the_bit_set(rig, [])
    sweep(rig, 3)
    assert bits(rig) == [0]
    assert not bio.done
    rig.let_go()
    assert bio.done
    sweep(rig, 3)
    assert bits(rig) == []


def test_in_virtual_time_the_daemon_clears_bits_after_two_or_three_periods():
    rig = Rig(**CHUNK, machine=Machine(kernel="numpy", timed=True))
    bio = rig.begin_write(0, bytes(4096))
    rig.machine.sim.run_until(lambda: bio.done)
    assert bits(rig) == [0]
    rig.run()
    assert bits(rig) == []
    assert 10e9 <= rig.machine.sim.now_ns <= 16e9


def test_stopping_clears_all_bits():
    rig = Rig(**CHUNK)
    rig.write(0, 8 * ROW)
    assert bits(rig) == list(range(8))
    rig.mddev.stop_writes()
    rig.run()
    assert bits(rig) == []
    head = rig.bitmap(0)[0]
    assert head.events == rig.stored(0).events == 2
    assert head.events_cleared == 1


@pytest.mark.parametrize("chunk_kib", [4, 64])
def test_writes_to_heads_that_read_errors_split_leave_no_bit_behind(chunk_kib):
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    rig = Rig(6, 5, bitmap_chunk=chunk_kib * KIB, seed=seed % 1000, cache=64)
    for _ in range(30):
        disk = rng.choice(rig.disks)
        disk.bad = {DATA_OFFSET + rng.randrange(rig.member_sectors) for _ in range(64)}
        sector = rng.randrange(rig.mddev.array_sectors - 300)
        assert not rig.write(sector, rng.randrange(1, 300), seed=rng.randrange(99)).status, seed
        disk.bad = set()
    rig.mddev.stop_writes()
    rig.run()
    assert bits(rig) == [], f"seed {seed}"
    assert rig.mddev.bitmap.pages[0] == 0, f"seed {seed}"
    assert rig.reads_right(), f"seed {seed}"


def test_a_sweep_leaves_pages_alone_that_a_write_waits_for():
    rig = Rig(**CHUNK)
    bitmap = rig.mddev.bitmap
    rig.write(0, 8)
    bitmap.startwrite(3 * 128, 8, 1)
    sweep(rig)
    assert bits(rig) == [0]
    bitmap.unplug(rig.run)
    assert bits(rig) == [0, 3]


# -- degraded -------------------------------------------------------------------------------------


def test_what_a_missing_member_should_have_got_keeps_its_bit():
    rig = Rig(**CHUNK)
    take_out(rig, 1)
    rig.write(0, ROW)
    rig.mddev.stop_writes()
    sweep(rig, 3)
    assert bits(rig) == [0]


def test_what_a_missing_member_need_not_have_got_loses_it():
    rig = Rig(**CHUNK)
    row = rig.geometry.row(0)
    take_out(rig, row.data_disks[2])
    rig.write(0, 8)  # data 0 and parity, both there
    rig.mddev.stop_writes()
    rig.run()
    assert bits(rig) == []


def test_events_cleared_stands_still_while_degraded():
    rig = Rig(**CHUNK)
    rig.write(0, 8)
    take_out(rig, 1)
    cleared = rig.bitmap(0)[0].events_cleared
    assert cleared == 1
    rig.write(0, ROW)
    lacking = next(row for row in range(8) if rig.geometry.row(row).data_disks[2] == 1)
    rig.write(lacking * ROW, 8)  # which the missing member has no part in
    rig.mddev.stop_writes()
    rig.run()
    assert rig.bitmap(0)[0].events_cleared == cleared
    assert rig.bitmap(0)[0].events == rig.stored(0).events > cleared


def test_a_failed_write_of_a_member_keeps_the_bit():
    rig = Rig(**CHUNK)
    rig.settle()
    slot = rig.geometry.row(0).data_disks[0]
    begin_with_the_bit_set(rig, [slot])
    rig.let_go()
    assert rig.mddev.degraded == 1
    sweep(rig, 3)
    assert bits(rig, (slot + 1) % 4) == [0]


def test_a_member_that_does_not_take_its_bits_fails_and_the_write_goes_on():
    rig = Rig(**CHUNK)
    rig.settle()
    slot = rig.geometry.row(0).data_disks[0]
    rig.disks[slot].refuses_writes = True
    assert not rig.write(0, 8).status
    assert rig.mddev.degraded == 1
    assert bits(rig, (slot + 1) % 4) == [0]
    assert rig.reads_right()


# -- sync -----------------------------------------------------------------------------------------


def test_a_resync_reads_only_what_the_bits_say():
    rig = Rig(resync_offset=0, dirty_bits=[1, 4, 5], **CHUNK)
    rig.log.clear()
    rig.sync("resync")
    assert rig.touched("read") == dict.fromkeys(range(4), 3 * 16)
    assert rig.mddev.recovery_cp == MAX_SECTOR
    sweep(rig, 3)
    assert bits(rig) == []


@pytest.mark.parametrize("chunk_kib", [4, 8, 32, 256])
def test_a_resync_makes_the_parity_right_wherever_a_bit_is_set(chunk_kib):
    dirty = {4: [3, 17, 18, 64], 8: [0, 1, 30], 32: [7, 8], 256: [1]}[chunk_kib]
    rig = Rig(
        6,
        5,
        rows=8,
        resync_offset=0,
        parity=False,
        bitmap_chunk=chunk_kib * KIB,
        dirty_bits=dirty,
    )
    before = {sector for _, sector in rig.wrong_parity()}
    rig.sync("resync")
    units = chunk_kib // 4
    cleaned = {(bit * units + unit) * 8 for bit in dirty for unit in range(units)}
    assert {sector for _, sector in rig.wrong_parity()} == before - cleaned


def test_check_and_repair_read_everything():
    rig = Rig(dirty_bits=[1], cache=32, **CHUNK)
    for action in ("check", "repair"):
        rig.log.clear()
        rig.sync(action)
        assert rig.units("read") == 4 * 8 * 16


def test_a_check_does_not_take_a_needed_chunk_for_synced():
    rig = Rig(resync_offset=0, dirty_bits=[1, 4], cache=32, **CHUNK)
    rig.sync("check")
    rig.log.clear()
    rig.sync("resync")
    assert rig.units("read") == 2 * 4 * 16


def test_an_interrupted_resync_goes_on_with_the_chunks_that_are_left():
    rig = Rig(resync_offset=0, dirty_bits=[1, 4, 6], cache=32, **CHUNK)
    thread = SyncThread(rig.mddev, "resync")
    thread.start()
    rig.machine.sim.run_until(lambda: thread.position > 4 * 128)
    thread.interrupt()
    rig.run()
    rig.log.clear()
    rig.sync("resync")
    assert {sector // 128 for _, sector, _ in rig.accesses("read")} == {4, 6}


def test_a_member_that_comes_back_is_rebuilt_where_it_missed_something():
    rig = Rig(**CHUNK)
    rig.write(5 * ROW, 64)
    rdev = take_out(rig, 1)
    rig.write(0, ROW)
    rig.write(6 * ROW, ROW, seed=8)
    sweep(rig, 3)
    bring_back(rig, rdev)
    assert rig.stored(1).feature_map & MD_FEATURE_RECOVERY_BITMAP
    rig.log.clear()
    rig.sync("recover")
    assert {sector // 128 for _, sector, _ in rig.accesses("write")} == {0, 6}
    assert not rig.stored(1).feature_map & MD_FEATURE_RECOVERY_BITMAP
    assert rig.reads_right()
    assert not rig.wrong_parity()
    sweep(rig, 3)
    assert [bits(rig, number) for number in range(4)] == [[]] * 4


def test_bits_are_kept_while_a_second_member_is_still_missing():
    rig = Rig(6, 5, **CHUNK)
    first, second = take_out(rig, 1), take_out(rig, 3)
    rig.write(0, 8 * 3)
    kept = bits(rig)
    bring_back(rig, first)
    rig.sync("recover")
    sweep(rig, 3)
    assert bits(rig) == kept == [0]
    bring_back(rig, second)
    rig.sync("recover")
    sweep(rig, 3)
    assert bits(rig) == []
    assert not rig.wrong_parity()


def test_a_member_being_rebuilt_has_its_bits_too():
    rig = Rig(recovering={1: 0}, **CHUNK)
    rig.write(3 * ROW, ROW)
    assert bits(rig, 1) == [3]


def test_the_writes_that_broke_the_array_keep_their_bits():
    rig = Rig(missing=[1], **CHUNK)
    rig.settle()
    slot = next(s for s in rig.geometry.row(0).data_disks if s != 1)
    bio = begin_with_the_bit_set(rig, [slot])
    rig.let_go()
    sweep(rig, 3)
    assert rig.mddev.broken
    assert bio.done
    assert bits(rig, next(s for s in range(4) if s not in {1, slot})) == [0]


def test_a_member_that_was_half_rebuilt_when_it_failed_is_rebuilt_in_full():
    rig = Rig(recovering={1: 256}, **CHUNK)
    rig.write(0, 8)
    rdev = take_out(rig, 1)
    bring_back(rig, rdev)
    rig.log.clear()
    rig.sync("recover")
    assert rig.touched("write")[1] == 8 * 16


def test_a_former_member_whose_slot_is_another_members_is_a_spare_like_any():
    rig = Rig(spares=1, **CHUNK)
    old = take_out(rig, 1)
    rig.sync("recover")
    old.faulty = False
    re_add_spare(rig.mddev, old)
    rig.run()
    rig.write(0, ROW)
    sweep(rig, 3)
    rig.fail(1)
    rig.log.clear()
    rig.sync("recover")
    assert rig.touched("write")[1] == 8 * 16
    rig.place(1, 1)
    assert not rig.wrong_parity()


def test_when_another_gets_the_slot_first_what_a_former_member_held_counts_no_more():
    rig = Rig(missing=[1], spares=2, **CHUNK)
    newest, waiting = rig.mddev.rdevs[:2]
    waiting.saved_raid_disk = 1
    assert activate_spares(rig.mddev)
    assert (newest.raid_disk, waiting.raid_disk) == (1, -1)
    assert waiting.saved_raid_disk == -1


def test_a_fresh_member_is_rebuilt_in_full():
    rig = Rig(spares=1, **CHUNK)
    rig.write(0, 8)
    rig.fail(1)
    rig.rebuild()
    assert rig.touched("write")[4] >= 8 * 16


def test_who_has_missed_what_the_bits_do_not_tell_can_not_come_back():
    rig = Rig(spares=1, **CHUNK)
    old = take_out(rig, 1)
    rig.sync("recover")
    rig.write(0, 8)
    assert re_add_refusal(rig.mddev, old.superblock).startswith("it has seen 0 events")


# -- loading --------------------------------------------------------------------------------------


def test_bits_older_than_the_array_are_all_set():
    rig = Rig(**CHUNK)
    rig.mddev.events = 7
    rig.mddev.recovery_cp = 0
    rig.mddev.load_bitmap(rig.mddev.bitmap.storage.offset, rig.bitmap(0)[0].to_bytes())
    rig.run()
    assert bits(rig) == list(range(8))
    assert rig.bitmap(0)[0].events_cleared == 7
    rig.log.clear()
    rig.sync("resync")
    assert rig.units("read") == 4 * 8 * 16


def test_a_clean_array_needs_none_of_its_bits():
    rig = Rig(dirty_bits=[1, 2], **CHUNK)
    sweep(rig, 3)
    assert bits(rig) == []


def test_a_read_only_array_changes_no_bit():
    rig = Rig(dirty_bits=[1], readonly=True, **CHUNK)
    rig.mddev.stop_writes()
    sweep(rig, 3)
    assert not rig.log
    assert bits(rig) == [1]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("magic", 0, "there is no bitmap where the superblock says"),
        ("version", 5, "bitmap version 5 is not supported, only 4"),
        ("chunksize", 5000, "a bitmap chunk of 5000 bytes makes no sense"),
        ("chunksize", 0, "a bitmap chunk of 0 bytes makes no sense"),
        ("daemon_sleep", 0, "the bitmap's daemon sleep is 0"),
        ("uuid", b"b" * 16, "the bitmap is another array's"),
    ],
)
def test_what_is_no_bitmap_of_the_array_is_refused(field, value, message):
    head = BitmapSuperblock(uuid=b"a" * 16, sync_size=100, chunksize=65536)
    setattr(head, field, value)
    with pytest.raises(BitmapError, match=message):
        BitmapSuperblock.from_bytes(head.to_bytes()).check(b"a" * 16)


def test_the_bitmap_of_a_very_large_member_takes_little_memory():
    sectors = 16 << 31  # 16 TiB
    mddev = SimpleNamespace(
        dev_sectors=sectors, superblock=SimpleNamespace(set_uuid=b"a" * 16), rdevs=[]
    )
    head = BitmapSuperblock(uuid=b"a" * 16, sync_size=sectors, chunksize=16 << 20)
    tracemalloc.start()
    bitmap = Bitmap(mddev, 8, head.to_bytes())
    for sector in range(0, sectors, sectors // 64):
        bitmap.startwrite(sector, 256, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert bitmap.chunks == 1 << 20
    assert peak < 6 << 20
    assert np.count_nonzero(bitmap.storage.chunks_set(bitmap.chunks) >= 0) == 64
