"""Hot replacement: what is read, what is written where, and who fails."""

import numpy as np
import pytest
from md_rig import DATA_OFFSET, Rig

from raidsim import Machine
from raidsim.md.spares import activate_spares, replace_members
from raidsim.md.superblock import MD_FEATURE_RECOVERY_OFFSET, MD_FEATURE_REPLACEMENT
from raidsim.md.sync import SyncThread

LEVELS = [(4, 3), (5, 4), (6, 5)]
OLD = 1


def replacing(level=5, disks=4, **more):
    """A rig whose slot 1 is being replaced by its first spare, nothing done yet."""
    rig = Rig(level, disks, spares=more.pop("spares", 1), **more)
    replace_members(rig.mddev, {rig.rdev(OLD): None})
    rig.run()
    rig.log.clear()
    return rig


def new(rig):
    return next(rdev for rdev in rig.mddev.rdevs if rdev.replacement)


def old_member(rig):
    return next(r for r in rig.mddev.rdevs if r.raid_disk == OLD and not r.replacement)


def stop_half_way(rig):
    """Replace the first half, as far as a checkpoint knows."""
    thread = SyncThread(rig.mddev, "recover")
    thread.start()
    rig.machine.sim.run_until(lambda: thread.completed >= thread.end_sector // 2, "half")
    thread.interrupt()
    rig.run()
    rig.log.clear()
    return thread.completed


def spare_holds_the_slot(rig, spare):
    old = rig.disks[OLD]
    rig.place(OLD, spare)
    right = not rig.wrong_parity()
    rig.disks[OLD] = old
    return right and rig.reads_right()


@pytest.mark.parametrize(("level", "disks"), LEVELS)
def test_the_replacement_is_filled_from_the_old_member_alone(level, disks):
    rig = replacing(level, disks)
    rig.sync("recover")
    units = rig.member_sectors // 8
    assert rig.touched("read") == {OLD: units}
    assert rig.touched("write") == {disks: units}
    assert np.array_equal(rig.data(OLD), rig.data(disks))


@pytest.mark.parametrize(("level", "disks"), LEVELS)
def test_the_replaced_member_is_faulty_and_its_successor_has_the_slot(level, disks):
    rig = replacing(level, disks)
    old, successor = old_member(rig), new(rig)
    rig.sync("recover")
    assert (old.faulty, old.raid_disk, old.want_replacement) == (True, -1, False)
    assert (successor.in_sync, successor.raid_disk, successor.replacement) == (True, OLD, False)
    assert rig.mddev.degraded == 0
    assert rig.reads_right()


@pytest.mark.parametrize(("level", "disks"), LEVELS)
def test_what_the_old_member_cannot_give_comes_from_parity(level, disks):
    rig = replacing(level, disks)
    rig.disks[OLD].bad = set(range(DATA_OFFSET + 72, DATA_OFFSET + 80))
    assert not rig.sync("recover").interrupted
    others = {n: units for n, units in rig.touched("read").items() if n != OLD}
    assert set(others) == set(range(disks)) - {OLD}
    assert all(units < rig.member_sectors // 8 for units in others.values())
    assert not rig.disks[OLD].bad, "what was computed is written to both"
    assert spare_holds_the_slot(rig, disks)


@pytest.mark.parametrize(("level", "disks"), LEVELS)
@pytest.mark.parametrize("sector", [0, 200, 700])
def test_writes_go_to_both_and_reads_to_the_replacement_where_it_is_far_enough(
    level, disks, sector
):
    rig = replacing(level, disks)
    reached = stop_half_way(rig)
    rig.settle()
    row = rig.geometry.row(0)
    if OLD in row.data_disks:
        first = row.data_disks.index(OLD) * rig.geometry.chunk_sectors
        assert rig.read(first, 8).buffer.any()
        assert rig.touched("read") == {disks: 1}
    assert rig.reads_right()
    rig.log.clear()
    rig.write(sector, min(900, rig.mddev.array_sectors - sector))
    assert rig.reads_right()
    assert not rig.wrong_parity()
    written = {(sector, sectors) for disk, sector, sectors in rig.accesses("write") if disk == OLD}
    assert written == {(s, n) for disk, s, n in rig.accesses("write") if disk == disks}
    assert np.array_equal(rig.data(OLD)[: reached * 512], rig.data(disks)[: reached * 512])
    rig.sync("recover")
    assert spare_holds_the_slot(rig, disks)


@pytest.mark.parametrize("seed", range(6))
def test_writes_while_it_runs_reach_the_replacement(seed):
    rig = replacing(*LEVELS[seed % 3], machine=Machine(seed=seed, timed=True, kernel="numpy"))
    disks = rig.geometry.raid_disks
    thread = SyncThread(rig.mddev, "recover")
    thread.start()
    bios = []
    rng = np.random.default_rng(seed)
    for step in range(8):
        target = thread.end_sector * step // 8
        rig.machine.sim.run_until(
            lambda target=target: thread.finished or thread.sectors_done >= target, "a step"
        )
        sector = int(rng.integers(0, rig.mddev.array_sectors - 128))
        data = rng.integers(0, 256, 128 * 512, np.uint8)
        if all(abs(sector - other) >= 128 for other, _ in bios):
            bios.append((sector, rig.begin_write(sector, data.tobytes())))
            rig.model[sector * 512 : (sector + 128) * 512] = data
    rig.run()
    assert thread.finished, f"seed {seed}"
    assert all(bio.done and not bio.status for _, bio in bios), f"seed {seed}"
    assert spare_holds_the_slot(rig, disks), f"seed {seed}"


def test_a_replacement_that_cannot_be_written_fails_and_the_old_member_stays():
    rig = replacing()
    successor = new(rig)
    rig.disks[4].refuses_writes = True
    assert rig.sync("recover").interrupted
    assert successor.faulty
    assert successor.raid_disk == -1
    assert old_member(rig).in_sync
    assert old_member(rig).want_replacement
    assert rig.reads_right()


def test_a_replacement_that_cannot_be_read_fails_and_the_old_member_is_read():
    rig = replacing()
    stop_half_way(rig)
    successor = new(rig)
    rig.disks[4].lost = set(range(DATA_OFFSET, DATA_OFFSET + 192))
    assert rig.reads_right()
    assert successor.faulty
    assert old_member(rig).in_sync
    assert rig.mddev.degraded == 0


def test_when_the_old_member_fails_its_replacement_goes_on_from_parity():
    rig = replacing()
    reached = stop_half_way(rig)
    successor = new(rig)
    rig.mddev.error(old_member(rig))
    rig.run()
    assert old_member(rig) is successor
    assert rig.mddev.degraded == 1
    assert rig.reads_right()
    rig.log.clear()
    rig.sync("recover")
    assert min(sector for disk, sector, _ in rig.accesses("write") if disk == 4) >= reached
    assert OLD not in rig.touched("read")
    assert spare_holds_the_slot(rig, 4)
    assert rig.mddev.degraded == 0


def test_another_member_fails_meanwhile_and_the_replacement_goes_on():
    rig = replacing(6, 5)
    stop_half_way(rig)
    rig.fail(3)
    rig.log.clear()
    rig.sync("recover")
    assert rig.mddev.degraded == 1
    assert rig.rdev(OLD).in_sync
    assert set(rig.touched("read")) == {OLD}
    assert rig.reads_right()


def test_a_missing_member_and_a_replacement_are_filled_in_one_walk():
    rig = Rig(6, 5, missing=(3,), spares=2)
    replace_members(rig.mddev, {rig.rdev(OLD): None})
    rig.run()
    assert (rig.rdev(3).desc_nr, new(rig).desc_nr) == (6, 5)
    rig.sync("recover")
    assert rig.mddev.degraded == 0
    rig.place(3, 6)
    assert spare_holds_the_slot(rig, 5)


@pytest.mark.parametrize(("level", "disks"), LEVELS)
def test_a_replacement_above_recovery_cp_gets_parity_that_was_checked_and_repaired(level, disks):
    """A check uses P's buffer up: its replacement must not get what is left there."""
    rig = replacing(level, disks, resync_offset=0, parity=False)
    rig.sync("recover")
    rig.place(OLD, disks)
    assert not rig.wrong_parity()
    assert rig.reads_right()


def test_p_that_a_check_used_up_is_read_again_for_its_replacement():
    rig = replacing(resync_offset=0)
    rig.sync("recover")
    row_units = rig.geometry.chunk_sectors // 8
    rows = rig.member_sectors // rig.geometry.chunk_sectors
    rows_of_p = [row for row in range(rows) if rig.geometry.row(row).pd_idx == OLD]
    assert rig.touched("read")[OLD] == (rows + len(rows_of_p)) * row_units
    assert spare_holds_the_slot(rig, 4)


def test_one_replacement_after_the_other_over_the_same_stripes():
    rig = replacing(spares=2)
    rig.sync("recover")
    replace_members(rig.mddev, {rig.rdev(2): None})
    rig.run()
    rig.sync("recover")
    assert np.array_equal(rig.data(2), rig.data(4))


def test_what_is_replaced_is_read_past_the_stripe_cache():
    rig = replacing(4, 3)
    stop_half_way(rig)
    assert rig.reads_right(rig.geometry.chunk_sectors, 1)
    assert rig.accesses("read") == [(3, 0, 1)]


def test_a_bad_block_of_the_old_member_is_none_of_its_replacement():
    rig = replacing(4, 3, bblog=True)
    stop_half_way(rig)
    old = old_member(rig)
    assert rig.mddev.set_bad_blocks(old, 0, 8)
    rig.run()
    rig.settle()
    rig.write(rig.geometry.chunk_sectors, 1)
    assert rig.touched("read")[3] == 1
    assert OLD not in rig.touched("read")
    assert rig.reads_right()


def test_a_bad_block_of_the_replacement_is_the_old_members_until_it_is_written():
    rig = replacing(4, 3, bblog=True)
    stop_half_way(rig)
    assert rig.mddev.set_bad_blocks(new(rig), 0, 8)
    rig.run()
    rig.settle()
    assert rig.reads_right(rig.geometry.chunk_sectors, 8)
    assert set(rig.touched("read")) == {OLD}
    rig.write(rig.geometry.chunk_sectors, 8)
    assert not new(rig).bad_blocks
    rig.log.clear()
    assert rig.reads_right(rig.geometry.chunk_sectors, 8)
    assert set(rig.touched("read")) == {3}


def test_a_member_that_refuses_a_write_wants_a_replacement_and_gets_it():
    rig = Rig(5, 4, spares=1, bblog=True)
    rig.settle()
    rig.disks[OLD].unwritable = {DATA_OFFSET + 8}
    rig.write(0, 384)
    assert rig.rdev(OLD).want_replacement
    assert activate_spares(rig.mddev)
    assert new(rig).raid_disk == OLD
    rig.run()
    rig.sync("recover")
    assert spare_holds_the_slot(rig, 4)


def test_superblocks_tell_of_the_replacement():
    rig = replacing()
    reached = stop_half_way(rig)
    for number in range(5):
        assert rig.stored(number).dev_roles[:5] == [0, 1, 2, 3, 1]
    sb = rig.stored(4)
    assert sb.feature_map == MD_FEATURE_REPLACEMENT | MD_FEATURE_RECOVERY_OFFSET
    assert sb.recovery_offset >= reached
    assert {rig.stored(n).feature_map for n in range(4)} == {0}


def test_a_replacement_costs_the_events_of_md():
    """One to begin; checkpoints go up and down, as nothing is missing; three to end."""
    rig = Rig(5, 4, rows=304, chunk_kib=4, spares=1)
    replace_members(rig.mddev, {rig.rdev(OLD): None})
    rig.run()
    assert rig.mddev.events == 1
    rig.sync("recover")
    assert rig.mddev.events == 5
    assert rig.stored(OLD).events == 3
    assert rig.stored(4).dev_roles[:5] == [0, 0xFFFE, 2, 3, 1]


def test_a_given_spare_is_written_down_with_the_stop_if_nothing_came_before():
    rig = Rig(5, 4, spares=1)
    spare = next(rdev for rdev in rig.mddev.rdevs if rdev.raid_disk < 0)
    replace_members(rig.mddev, {rig.rdev(OLD): spare})
    rig.run()
    assert rig.mddev.events == 0
    rig.mddev.stop_writes()
    rig.run()
    assert rig.mddev.events == 1
    assert rig.stored(4).role == OLD
