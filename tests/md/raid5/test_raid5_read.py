"""Reads: straight from the members when all is well, computed when not, and what errors do."""

import numpy as np
import pytest
from md_rig import EIO, Rig

from raidsim.md.layout import _NAMES


def test_a_healthy_read_takes_each_chunk_straight_from_its_member():
    rig = Rig(6, 6)
    assert rig.reads_right(40, 200)
    disks = rig.geometry.row(0).data_disks
    assert rig.accesses("read") == [(disks[0], 40, 88), (disks[1], 0, 112)]


def test_a_healthy_read_of_one_sector_reads_one_sector():
    rig = Rig(5, 4)
    assert rig.reads_right(129, 1)
    assert rig.accesses("read") == [(rig.geometry.row(0).data_disks[1], 1, 1)]


def test_a_degraded_array_reads_whole_units_through_its_stripes():
    rig = Rig(6, 6, missing=[rig_parity(6, 6, 0)])
    assert rig.reads_right(1, 1)
    assert rig.accesses("read") == [(rig.geometry.row(0).data_disks[0], 0, 8)]


def rig_parity(level, disks, row):
    return Rig(level, disks).geometry.row(row).pd_idx


@pytest.mark.parametrize("level", [4, 5, 6])
def test_a_surviving_block_of_a_degraded_row_is_simply_read(level):
    rig = Rig(level, 5)
    disks = rig.geometry.row(0).data_disks
    rig.fail(disks[1])
    rig.log.clear()
    assert rig.reads_right(0, 8)
    assert rig.touched("read") == {disks[0]: 1}


@pytest.mark.parametrize("level", [4, 5, 6])
def test_a_lost_block_is_computed_from_the_rest_of_its_row(level):
    rig = Rig(level, 6)
    row = rig.geometry.row(0)
    rig.fail(row.data_disks[1])
    rig.log.clear()
    assert rig.reads_right(128, 8)
    assert row.data_disks[1] not in rig.touched("read")
    assert set(rig.touched("read").values()) == {1}


@pytest.mark.parametrize("first", range(6))
@pytest.mark.parametrize("second", range(6))
def test_raid6_reads_all_with_any_two_members_gone(first, second):
    rig = Rig(6, 6, missing={first, second}, rows=6, chunk_kib=8)
    assert rig.reads_right()
    stale = {first, second} & rig.touched("read").keys()
    assert not stale


@pytest.mark.parametrize(
    "layout",
    sorted(_NAMES[6]),
)
@pytest.mark.parametrize("lost", [(0, 1), (1, 4), (3, 4)])
def test_every_raid6_layout_bears_two_losses_and_a_rebuild(layout, lost):
    rig = Rig(6, 5, layout=layout, chunk_kib=4, rows=10, missing=lost, spares=2)
    assert rig.reads_right()
    rig.write(3, 40)
    rig.rebuild()
    for rdev in rig.mddev.rdevs:
        rig.place(rdev.raid_disk, rdev.desc_nr)
    assert not rig.wrong_parity()
    assert rig.reads_right()


@pytest.mark.parametrize("layout", sorted(_NAMES[5]))
@pytest.mark.parametrize("lost", range(4))
def test_every_raid5_layout_bears_a_loss(layout, lost):
    rig = Rig(5, 4, layout=layout, chunk_kib=4, rows=8, missing=[lost])
    rig.write(5, 60)
    assert rig.reads_right()


def test_a_corrupt_block_is_returned_as_it_is_while_nothing_is_missing():
    """md never checks parity on a read (trap 25)."""
    rig = Rig(6, 6)
    rig.unit(rig.geometry.row(0).data_disks[0], 0)[:] = 0
    assert not rig.read(0, 8).buffer.any()


@pytest.mark.parametrize(("level", "failures"), [(4, 2), (5, 2), (6, 3)])
def test_beyond_the_last_failure_surviving_blocks_are_read_and_nothing_is_written(level, failures):
    """As md in state "broken" does (trap 21)."""
    rig = Rig(level, 6)
    row = rig.geometry.row(0)
    lost = [row.data_disks[0], row.data_disks[1], row.pd_idx][:failures]
    for slot in lost:
        rig.fail(slot)
    assert rig.mddev.broken
    images = rig.images()
    surviving = row.data_disks[2]
    assert rig.reads_right(256, 128)
    assert rig.read(0, 8).status == EIO
    assert rig.read(0, 384).status == EIO
    assert rig.write(256, 8).status == EIO
    assert rig.write(0, 8).status == EIO
    rig.log.clear()
    for before, disk in zip(images, rig.disks, strict=True):
        assert np.array_equal(before[4096:], disk.image[4096:])
    assert surviving not in lost


def test_a_write_waiting_when_the_last_tolerable_member_fails_ends_in_an_error():
    rig = Rig(5, 4)
    rig.settle()
    for disk in rig.disks:
        disk.held = []
    bio = rig.begin_write(0, b"x" * 4096)
    rig.run()
    for slot in (0, 1):
        rig.mddev.error(rig.rdev(slot))
    while any(disk.held for disk in rig.disks):
        rig.let_go()
    assert bio.done
    assert bio.status == EIO


class TestReadErrors:
    def test_a_transient_error_is_cured_by_the_retry(self):
        rig = Rig(6, 6)
        disk = rig.geometry.row(0).data_disks[0]
        rig.disks[disk].bad = {3 + 8}
        assert rig.reads_right(0, 128)
        assert rig.mddev.degraded == 0

    @pytest.mark.parametrize("level", [4, 5, 6])
    def test_a_bad_block_is_computed_rewritten_and_read_back(self, level):
        rig = Rig(level, 6, chunk_kib=4)
        slot = rig.geometry.row(0).data_disks[1]
        rig.disks[slot].bad = {8}
        assert rig.reads_right(8, 8)
        mine = [access.operation for access in rig.log if access.disk == slot]
        # The bypass, the stripe's two attempts, the rewrite, the read back.
        if level == 6:
            assert mine == ["read", "read", "read", "write", "read"]
        assert rig.disks[slot].bad == set()
        assert rig.rdev(slot).corrected_errors == 8
        assert rig.rdev(slot).read_errors == 0
        assert rig.mddev.degraded == 0
        assert not rig.wrong_parity()

    def test_only_the_bad_units_of_a_tall_stripe_are_rewritten(self):
        rig = Rig(6, 6, chunk_kib=64)
        slot = rig.geometry.row(0).data_disks[1]
        rig.disks[slot].bad = {8 + 16, 8 + 17, 8 + 64}
        assert rig.reads_right(0, 512)
        rewritten = [(disk, sector) for disk, sector, _ in rig.accesses("write")]
        assert rewritten == [(slot, 16), (slot, 64)]
        assert rig.rdev(slot).corrected_errors == 16

    def test_p_of_raid6_is_not_tried_twice(self):
        rig = Rig(6, 6, chunk_kib=4)
        slot = rig.geometry.row(0).pd_idx
        rig.disks[slot].bad = {8}
        rig.sync("check")
        mine = [name for disk, name, sector, _, _ in rig.log if (disk, sector) == (slot, 0)]
        assert mine[:3] == ["read", "write", "read"]
        assert set(mine[3:]) <= {"flush"}
        assert rig.mddev.resync_mismatches == 0

    def test_a_block_that_stays_bad_fails_its_member(self):
        rig = Rig(6, 6)
        slot = rig.geometry.row(0).data_disks[1]
        rig.disks[slot].lost = {8}
        assert rig.reads_right(128, 8)
        assert rig.mddev.degraded == 0  # one more attempt is due, at the next occasion
        assert rig.reads_right(128, 8)
        assert rig.mddev.degraded == 1
        assert rig.reads_right()

    @pytest.mark.parametrize("parity", ["pd_idx", "qd_idx"])
    def test_a_parity_block_that_stays_bad_does_not_hold_a_check_up(self, parity):
        rig = Rig(6, 6)
        slot = getattr(rig.geometry.row(0), parity)
        rig.disks[slot].lost = {8}
        rig.sync("check")
        assert rig.mddev.resync_mismatches == 0
        assert rig.reads_right()

    @pytest.mark.parametrize("level", [5, 6])
    def test_without_redundancy_left_an_unreadable_block_fails_its_member(self, level):
        rig = Rig(level, 6, missing=[0] if level == 5 else [0, 1])
        slot = next(d for d in rig.geometry.row(0).data_disks if d not in {0, 1})
        j = rig.geometry.row(0).data_index[slot]
        rig.disks[slot].lost = {8}
        assert rig.read(j * 128, 8).status == EIO
        assert rig.mddev.broken

    def test_a_raid6_with_one_member_gone_still_cures_a_bad_block(self):
        rig = Rig(6, 6, missing=[0])
        slot = next(d for d in rig.geometry.row(0).data_disks if d)
        j = rig.geometry.row(0).data_index[slot]
        rig.disks[slot].bad = {8}
        assert rig.reads_right(j * 128, 8)
        assert rig.rdev(slot).corrected_errors == 8
        assert rig.mddev.degraded == 1

    def test_too_many_read_errors_in_a_row_fail_the_member(self):
        """More than the stripe cache has units (trap 15)."""
        rig = Rig(6, 6, cache=32, rows=6)
        slot = 0
        rdev = rig.rdev(slot)
        rdev.read_errors = 31
        rig.disks[slot].bad = {8}
        rig.sync("check")
        assert rdev.faulty

    def test_a_successful_read_resets_the_count_of_errors(self):
        rig = Rig(6, 6, missing=[5])
        rdev = rig.rdev(0)
        rdev.read_errors = 31
        rig.reads_right()
        assert rdev.read_errors == 0

    @pytest.mark.parametrize("level", [5, 6])
    def test_a_write_that_finds_a_bad_block_still_arrives(self, level):
        rig = Rig(level, 6)
        row = rig.geometry.row(0)
        for slot in (row.pd_idx, row.data_disks[0], row.data_disks[3]):
            rig.disks[slot].bad = {8}
            assert not rig.write(2, 4, seed=slot).status
            assert rig.reads_right()
        assert not rig.wrong_parity()
        assert rig.mddev.degraded == 0

    def test_two_bad_blocks_in_one_row_of_raid6_are_both_cured(self):
        rig = Rig(6, 6)
        disks = rig.geometry.row(0).data_disks
        rig.disks[disks[0]].bad = {8}
        rig.disks[disks[1]].bad = {8}
        assert rig.reads_right(0, 256)
        assert rig.mddev.degraded == 0
        assert not rig.disks[disks[0]].bad
        assert not rig.disks[disks[1]].bad

    def test_two_bad_blocks_in_one_row_of_raid5_lose_data_in_that_row_only(self):
        rig = Rig(5, 6)
        disks = rig.geometry.row(0).data_disks
        rig.disks[disks[0]].lost = {8}
        rig.disks[disks[1]].lost = {8}
        assert rig.read(0, 8).status == EIO
