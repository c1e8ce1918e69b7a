"""Bad blocks: how they come, what they stop, and how they go."""

import random

import numpy as np
import pytest
from md_rig import EIO, UNIT, Rig

from raidsim import Machine
from raidsim.md.superblock import MD_FEATURE_BAD_BLOCKS

LEVELS = pytest.mark.parametrize(("level", "disks"), [(4, 4), (5, 4), (6, 6)])


def logged_rig(level, disks, **options):
    return Rig(level, disks, bblog=True, **options)


def data_slot(rig, j=0, row=0):
    return rig.geometry.row(row).data_disks[j]


def bad_blocks(rig, slot):
    return [(start - 8, end - start) for start, end in rig.rdev(slot).bad_blocks]


def with_bad_block(rig, slot, sector=0):
    """Let a block of a member be bad, known as such, and hold garbage."""
    assert rig.mddev.set_bad_blocks(rig.rdev(slot), sector, 8)
    rig.run()
    rig.unit(slot, sector)[:] = 0xAA
    rig.log.clear()


# -- write errors --------------------------------------------------------------------------------


@LEVELS
def test_a_failing_write_leaves_one_unit_bad_and_no_data_are_lost(level, disks):
    rig = logged_rig(level, disks)
    row_sectors = 128 * rig.geometry.data_disks
    slot = data_slot(rig)
    rig.disks[slot].unwritable = {8 + 43}
    assert not rig.write(0, row_sectors).status
    assert bad_blocks(rig, slot) == [(40, 8)]
    assert rig.stored_bad_blocks(slot) == [(40, 8)]
    assert rig.mddev.degraded == 0
    assert rig.reads_right()


@pytest.mark.parametrize("which", ["pd_idx", "qd_idx"])
def test_so_does_a_failing_write_of_parity(which):
    rig = logged_rig(6, 6)
    slot = getattr(rig.geometry.row(0), which)
    rig.disks[slot].unwritable = {8}
    assert not rig.write(0, 512).status
    assert bad_blocks(rig, slot) == [(0, 8)]
    assert rig.reads_right()


def test_the_write_ends_only_when_log_and_superblocks_are_written():
    rig = logged_rig(5, 4)
    rig.settle()
    slot = data_slot(rig)
    rig.disks[slot].unwritable = {8}
    ended = []
    bio = rig.begin_write(0, bytes(4096))
    bio.end_io = lambda _: ended.append(len(rig.log))
    rig.run()
    accesses = [(access.disk, access.operation) for access in rig.log]
    log = accesses.index((slot, "log"))
    last_super = max(i for i, (_, operation) in enumerate(accesses) if operation == "super")
    assert log < accesses.index((slot, "super"))
    assert ended[0] > last_super


@LEVELS
def test_every_unit_that_can_not_be_written_is_bad_and_no_other(level, disks):
    rig = logged_rig(level, disks)
    slot = data_slot(rig, 1)
    rig.disks[slot].unwritable = {8, 24, 32, 135}
    assert not rig.write(0, 128 * rig.geometry.data_disks).status
    assert bad_blocks(rig, slot) == [(0, 8), (16, 16), (120, 8)]
    assert rig.reads_right()
    fine = [u for u in range(0, 128, 8) if u not in {0, 16, 24, 120}]
    j = rig.geometry.row(0).data_index[slot]
    for sector in fine:
        start = (j * 128 + sector) * 512
        assert np.array_equal(rig.unit(slot, sector), rig.model[start : start + UNIT])


def test_other_members_get_the_whole_write_in_one_piece():
    rig = logged_rig(5, 4)
    rig.disks[data_slot(rig)].unwritable = {8}
    rig.write(0, 384)
    others = {disk for disk, *_ in rig.accesses("write")} - {data_slot(rig)}
    assert len(others) == 3
    assert all(rig.touched("write")[disk] == 16 for disk in others)


def test_fua_holds_for_what_is_written_again_unit_by_unit():
    rig = logged_rig(5, 4)
    slot = data_slot(rig)
    rig.disks[slot].unwritable = {8}
    rig.write(0, 384, fua=True)
    again = [a for a in rig.log if a.disk == slot and a.operation == "write" and a.sectors == 8]
    assert len(again) == 16
    assert all(access.fua for access in again)


def test_nothing_is_left_counted_of_a_full_write_that_was_split():
    rig = logged_rig(5, 4)
    rig.disks[data_slot(rig)].unwritable = {8, 16}
    rig.write(0, 384)
    cache = rig.mddev.personality.conf.cache
    assert cache.pending_full_writes == 0
    assert cache.preread_active_stripes == 0
    assert cache.active_stripes == 0


def test_a_member_without_a_log_fails():
    rig = Rig(6, 6)
    rig.disks[data_slot(rig)].unwritable = {8}
    assert not rig.write(0, 8).status
    assert rig.mddev.degraded == 1
    assert rig.reads_right()


def test_a_member_whose_list_is_full_fails():
    rig = logged_rig(6, 6)
    rdev = rig.rdev(data_slot(rig))
    for i in range(512):
        assert rdev.bad_blocks.set(100_000 + 16 * i, 8)
    rig.disks[data_slot(rig)].unwritable = {8}
    assert not rig.write(0, 8).status
    assert rdev.faulty
    assert rig.reads_right()


def test_failing_writes_beyond_redundancy_end_in_an_error():
    rig = logged_rig(5, 4)
    for j in range(2):
        rig.disks[data_slot(rig, j)].unwritable = {8}
    assert rig.write(0, 384).status == EIO
    assert rig.mddev.degraded == 0
    assert rig.reads_right(384)


def test_a_resync_that_can_not_write_parity_leaves_a_bad_block():
    rig = logged_rig(5, 4, resync_offset=0, parity=False)
    slot = rig.geometry.row(0).pd_idx
    rig.disks[slot].unwritable = {8}
    thread = rig.sync("resync")
    assert not thread.interrupted
    assert bad_blocks(rig, slot) == [(0, 8)]
    assert set(rig.wrong_parity()) == {(slot, 0)}


def test_events_count_a_bad_block_as_a_flip_between_clean_and_dirty():
    """As on real md: dirty 1, bad block 2, clean back to 1."""
    rig = logged_rig(5, 4)
    rig.disks[data_slot(rig)].unwritable = {8}
    rig.write(0, 8)
    assert rig.mddev.events == 2
    rig.idle()
    assert rig.mddev.events == 1


# -- reading around bad blocks -------------------------------------------------------------------


@LEVELS
def test_a_bad_block_is_computed_and_then_cured(level, disks):
    rig = logged_rig(level, disks)
    slot = data_slot(rig)
    with_bad_block(rig, slot, 16)
    assert rig.reads_right(16, 8)
    assert not bad_blocks(rig, slot)
    assert rig.rdev(slot).corrected_errors == 8
    rig.log.clear()
    assert rig.reads_right(16, 8)
    assert rig.touched("read") == {slot: 1}


@LEVELS
def test_after_a_write_error_it_is_left_alone(level, disks):
    rig = logged_rig(level, disks)
    slot = data_slot(rig)
    with_bad_block(rig, slot)
    rig.rdev(slot).write_error_seen = True
    assert rig.reads_right(0, 8)
    assert not rig.write(0, 128 * rig.geometry.data_disks).status
    assert rig.reads_right()
    assert bad_blocks(rig, slot) == [(0, 8)]
    assert slot not in {d for d, s, n in rig.accesses("write") if s < 8 and s + n > 0}


def test_only_the_chunk_with_the_bad_block_goes_through_the_stripes():
    rig = logged_rig(5, 4)
    with_bad_block(rig, data_slot(rig, 1), 8)
    rig.rdev(data_slot(rig, 1)).write_error_seen = True
    assert rig.reads_right(0, 384)
    whole = [(disk, n) for disk, _, n in rig.accesses("read") if n == 128]
    assert (data_slot(rig, 0), 128) in whole
    assert (data_slot(rig, 1), 128) not in whole


def test_the_log_learns_of_a_cure_with_the_next_superblocks():
    rig = logged_rig(5, 4)
    slot = data_slot(rig)
    with_bad_block(rig, slot)
    assert rig.stored(slot).feature_map == MD_FEATURE_BAD_BLOCKS
    rig.reads_right(0, 8)
    assert rig.stored(slot).feature_map == MD_FEATURE_BAD_BLOCKS
    rig.write(1000, 8)
    assert rig.stored(slot).feature_map == 0
    assert rig.stored(slot).cnt_corrected_read == 8


def test_a_readonly_array_reads_around_it_and_writes_nothing():
    rig = logged_rig(5, 4, readonly=True)
    slot = data_slot(rig)
    rig.rdev(slot).bad_blocks.set(8, 8)
    rig.mddev.personality.conf.refresh_members()
    before = rig.images()
    assert rig.reads_right()
    assert all(np.array_equal(a, b) for a, b in zip(before, rig.images(), strict=True))


@LEVELS
def test_beyond_redundancy_that_unit_is_lost_and_all_else_is_served(level, disks):
    rig = logged_rig(level, disks)
    lost = [data_slot(rig, j) for j in range(2)] + ([data_slot(rig, 2)] if level == 6 else [])
    for slot in lost:
        with_bad_block(rig, slot, 16)
    assert rig.read(16, 8).status == EIO
    assert rig.read(0, 128).status == EIO
    assert rig.reads_right(0, 16)
    assert rig.reads_right(24, 104)
    assert rig.reads_right(128 * len(lost))
    assert rig.write(16, 8).status == EIO
    assert rig.mddev.degraded == 0


@LEVELS
def test_degraded_a_bad_block_is_one_loss_more(level, disks):
    rig = logged_rig(level, disks)
    with_bad_block(rig, data_slot(rig), 16)
    for j in range(1, 1 + rig.geometry.max_degraded):
        rig.fail(data_slot(rig, j))
    assert rig.read(16, 8).status == EIO
    assert rig.reads_right(0, 16)


# -- writing over bad blocks ---------------------------------------------------------------------


@LEVELS
@pytest.mark.parametrize("sectors", [8, 2, 128])
def test_a_write_over_a_bad_block_cures_it(level, disks, sectors):
    rig = logged_rig(level, disks)
    slot = data_slot(rig)
    with_bad_block(rig, slot)
    assert not rig.write(0, sectors).status
    assert not bad_blocks(rig, slot)
    assert rig.reads_right()
    assert not rig.wrong_parity()


@LEVELS
def test_a_full_row_over_part_of_a_bad_range_splits_the_range(level, disks):
    rig = logged_rig(level, disks)
    slot = data_slot(rig)
    assert rig.mddev.set_bad_blocks(rig.rdev(slot), 0, 128)
    rig.run()
    assert not rig.write(40, 8).status
    assert bad_blocks(rig, slot) == [(0, 40), (48, 80)]


def test_a_bad_block_of_parity_is_cured_by_any_write_to_its_row():
    rig = logged_rig(6, 6)
    slot = rig.geometry.row(0).qd_idx
    with_bad_block(rig, slot)
    rig.write(0, 8)
    assert not bad_blocks(rig, slot)
    assert not rig.wrong_parity()


def test_a_bad_block_that_a_full_list_can_not_let_go_is_left_alone():
    rig = logged_rig(5, 4)
    slot = data_slot(rig)
    assert rig.mddev.set_bad_blocks(rig.rdev(slot), 0, 24)
    for i in range(511):
        assert rig.mddev.set_bad_blocks(rig.rdev(slot), 100_000 + 16 * i, 8)
    rig.run()
    assert rig.reads_right(8, 8)
    assert not rig.write(8, 8).status
    assert rig.reads_right(0, 128)
    assert bad_blocks(rig, slot)[0] == (0, 24)


@LEVELS
def test_a_check_cures_what_it_comes_by(level, disks):
    rig = logged_rig(level, disks)
    slots = [data_slot(rig), rig.geometry.row(0).pd_idx]
    for slot in slots[: rig.geometry.max_degraded]:
        with_bad_block(rig, slot, 32)
    rig.sync("check")
    assert not any(bad_blocks(rig, slot) for slot in slots)
    assert rig.mddev.resync_mismatches == 0
    assert not rig.wrong_parity()


# -- read errors ---------------------------------------------------------------------------------


@LEVELS
def test_a_rewrite_that_fails_leaves_a_bad_block(level, disks):
    rig = logged_rig(level, disks)
    slot = data_slot(rig)
    rig.disks[slot].lost = rig.disks[slot].unwritable = {8}
    assert rig.reads_right(0, 128)
    assert bad_blocks(rig, slot) == [(0, 8)]
    assert rig.mddev.degraded == 0


@LEVELS
def test_a_block_that_can_not_be_read_back_is_bad(level, disks):
    rig = logged_rig(level, disks)
    slot = data_slot(rig)
    rig.disks[slot].lost = {8}
    assert rig.reads_right(0, 8)
    # As in the kernel: nothing reads it once more until somebody needs the stripe again.
    assert not bad_blocks(rig, slot)
    assert rig.reads_right(0, 8)
    assert bad_blocks(rig, slot) == [(0, 8)]
    assert rig.mddev.degraded == 0


def test_p_of_raid6_is_computed_after_a_single_failing_read():
    rig = logged_rig(6, 6)
    slot = rig.geometry.row(0).pd_idx
    rig.disks[slot].bad = {8}
    rig.sync("check")
    reads = [a for a in rig.accesses("read") if a[:2] == (slot, 0) and a[2] == 8]
    # The one that fails, and the one that reads back.
    assert len(reads) == 2
    assert rig.rdev(slot).corrected_errors == 8


@LEVELS
def test_without_redundancy_the_block_is_bad_and_the_member_stays(level, disks):
    gone = [1, 2][: 2 if level == 6 else 1]
    rig = logged_rig(level, disks, missing=gone)
    row = next(r for r in range(4) if 0 in rig.geometry.row(r).data_disks)
    j = rig.geometry.row(row).data_index[0]
    rig.disks[0].lost = {8 + row * 128}
    start = row * 128 * rig.geometry.data_disks + j * 128
    assert rig.read(start, 8).status == EIO
    assert bad_blocks(rig, 0) == [(row * 128, 8)]
    assert rig.stored_bad_blocks(0) == [(row * 128, 8)]
    assert rig.reads_right(start + 8, 120)
    assert not rig.mddev.broken


def test_two_errors_in_a_unit_of_raid5_are_two_bad_blocks():
    rig = logged_rig(5, 4)
    for j in range(2):
        rig.disks[data_slot(rig, j)].lost = {8}
    assert rig.read(0, 8).status == EIO
    assert [bad_blocks(rig, data_slot(rig, j)) for j in range(3)] == [[(0, 8)], [(0, 8)], []]
    assert rig.reads_right(8, 120)
    assert rig.mddev.degraded == 0


# -- recovery ------------------------------------------------------------------------------------


@LEVELS
def test_what_can_not_be_reconstructed_is_bad_on_the_target_and_the_rest_is_right(level, disks):
    gone = [1, 2][: 2 if level == 6 else 1]
    rig = logged_rig(level, disks, missing=gone, spares=len(gone))
    rig.disks[0].lost = {8 + 40}
    thread = rig.rebuild()
    assert not thread.interrupted
    assert rig.mddev.degraded == 0
    for slot in (0, *gone):
        assert bad_blocks(rig, slot) == [(40, 8)]
    for slot in gone:
        rdev = rig.rdev(slot)
        assert rig.stored_bad_blocks(rdev.desc_nr) == [(40, 8)]
        rig.place(slot, rdev.desc_nr)
    assert {sector for _, sector in rig.wrong_parity()} <= {40}


def test_a_recovery_with_no_room_to_record_gives_up_and_its_target_is_a_spare_again():
    rig = logged_rig(5, 4, missing=[1], spares=1)
    spare = rig.mddev.rdevs[0]
    for i in range(512):
        assert spare.bad_blocks.set(100_000 + 16 * i, 8)
    rig.disks[0].lost = {8 + 40}
    thread = rig.rebuild()
    rig.run()
    assert thread.interrupted
    assert spare.raid_disk == -1
    assert not spare.faulty
    assert rig.mddev.degraded == 1
    assert bad_blocks(rig, 0) == [(40, 8)]


def test_a_write_that_fails_on_the_target_leaves_a_bad_block_there():
    rig = logged_rig(5, 4, missing=[1], spares=1)
    rig.disks[4].unwritable = {8 + 40}
    assert not rig.rebuild().interrupted
    assert bad_blocks(rig, 1) == [(40, 8)]
    rig.place(1, 4)
    assert rig.reads_right()


# -- all together ----------------------------------------------------------------------------------


def scatter_faults(rig, rng):
    """Sectors that fail in one way or another, on no more members of a stripe than it can bear."""
    for sector in range(0, rig.member_sectors, 8):
        if rng.random() < 0.2:
            for slot in rng.sample(range(rig.geometry.raid_disks), rig.geometry.max_degraded):
                disk = rig.disks[slot]
                faults = rng.choice([[disk.bad], [disk.unwritable], [disk.lost, disk.unwritable]])
                for kind in faults:
                    kind.add(8 + sector + rng.randrange(8))


def begin_something(rig, rng, start, size):
    """Begin a write or read in a part of the array; return the bio and what it is to hold."""
    sector = start + rng.randrange(size)
    sectors = min(rng.choice([1, 8, 20, 128, 500]), start + size - sector)
    place = slice(sector * 512, (sector + sectors) * 512)
    if rng.random() < 0.5:
        data = rng.randbytes(sectors * 512)
        rig.model[place] = np.frombuffer(data, np.uint8)
        return rig.begin_write(sector, data), data
    return rig.begin_read(sector, sectors), rig.model[place].tobytes()


def believed_units(rig, slot):
    """The units that a member is trusted with."""
    bad = rig.rdev(slot).bad_blocks
    return [s for s in range(0, rig.member_sectors, 8) if not bad.overlap(8 + s, 8)]


@LEVELS
@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_no_byte_is_lost_among_faults_that_redundancy_can_bear(level, disks, timed, seed):
    machine = Machine(seed=seed, timed=timed, kernel="numpy")
    rig = logged_rig(level, disks, rows=3, seed=seed, machine=machine)
    rng = random.Random(seed)
    scatter_faults(rig, rng)
    size = rig.mddev.array_sectors // 3
    for _ in range(12):
        bios = [begin_something(rig, rng, part * size, size) for part in range(3)]
        rig.run()
        for bio, expected in bios:
            assert not bio.status, seed
            assert bio.buffer.tobytes() == expected, seed
    rig.sync("check")
    assert rig.mddev.degraded == 0
    assert rig.mddev.resync_mismatches == 0
    assert rig.reads_right(), seed
    assert any(rdev.bad_blocks for rdev in rig.mddev.rdevs)
    for chunk in range(len(rig.model) // rig.chunk_bytes):
        sector, slot, _ = rig.geometry.compute_sector(chunk * rig.geometry.chunk_sectors)
        for unit in set(believed_units(rig, slot)) & set(range(sector, sector + 128, 8)):
            start = chunk * rig.chunk_bytes + (unit - sector) * 512
            expected = rig.model[start : start + UNIT]
            assert np.array_equal(rig.unit(slot, unit), expected), (seed, slot, unit)
