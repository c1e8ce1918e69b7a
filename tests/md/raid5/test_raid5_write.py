"""Healthy and degraded writes: what is read, what is written, and that parity stays right."""

import numpy as np
import pytest
from md_rig import Rig

from raidsim.md.bio import FLUSH, READ, Bio
from raidsim.md.raid5.conf import DISABLE_RMW, PREFER_RMW


def row_sectors(rig):
    return rig.geometry.chunk_sectors * rig.geometry.data_disks


def test_a_small_write_to_raid6_reads_three_units_and_writes_three():
    rig = Rig(6, 8)
    rig.settle()
    rig.write(16, 8)
    row = rig.geometry.row(0)
    touched = {row.data_disks[0]: 1, row.pd_idx: 1, row.qd_idx: 1}
    assert rig.touched("read") == touched
    assert rig.touched("write") == touched
    assert not rig.wrong_parity()
    assert rig.reads_right()


def test_a_small_write_to_raid5_reads_two_units_and_writes_two():
    rig = Rig(5, 5)
    rig.settle()
    rig.write(16, 8)
    assert (rig.units("read"), rig.units("write")) == (2, 2)
    assert not rig.wrong_parity()


@pytest.mark.parametrize(("level", "disks"), [(4, 4), (5, 4), (6, 6), (5, 2), (4, 2), (6, 4)])
def test_a_full_row_write_reads_nothing(level, disks):
    rig = Rig(level, disks)
    rig.settle()
    rig.write(row_sectors(rig), row_sectors(rig))
    assert not rig.accesses("read")
    assert rig.units("write") == disks * 16
    assert not rig.wrong_parity()
    assert rig.reads_right()


def test_a_full_row_is_written_in_one_access_a_member():
    rig = Rig(6, 6)
    rig.settle()
    rig.write(0, row_sectors(rig))
    assert len(rig.accesses("write")) == 6


def test_reconstruct_write_is_chosen_when_it_reads_less():
    rig = Rig(5, 5)
    rig.settle()
    rig.write(0, 3 * 128)  # three of four chunks: reading the fourth beats reading four
    row = rig.geometry.row(0)
    assert rig.touched("read") == {row.data_disks[3]: 16}
    assert not rig.wrong_parity()
    assert rig.reads_right()


@pytest.mark.parametrize(("rmw_level", "reads"), [(DISABLE_RMW, 2), (PREFER_RMW, 2)])
def test_rmw_level_decides_what_a_small_write_reads_on_a_tie(rmw_level, reads):
    rig = Rig(5, 4)  # one of three data: rmw reads data and P, rcw two data
    rig.mddev.personality.conf.rmw_level = rmw_level
    rig.settle()
    rig.write(0, 8)
    row = rig.geometry.row(0)
    assert rig.units("read") == reads
    assert (row.pd_idx in rig.touched("read")) == (rmw_level == PREFER_RMW)
    assert not rig.wrong_parity()


def test_on_a_tie_the_row_is_reconstructed():
    rig = Rig(5, 4)
    rig.settle()
    rig.write(0, 8)
    assert rig.geometry.row(0).pd_idx not in rig.touched("read")


def test_part_of_a_unit_needs_the_rest_of_it():
    rig = Rig(6, 8)
    rig.settle()
    rig.write(19, 3)
    assert (rig.units("read"), rig.units("write")) == (3, 3)
    assert rig.reads_right()
    assert not rig.wrong_parity()


def test_two_members_suffice_for_raid5():
    rig = Rig(5, 2, chunk_kib=4)
    rig.settle()
    rig.write(3, 2)
    assert not rig.wrong_parity()
    assert rig.reads_right()


def test_units_read_for_one_write_serve_the_next():
    rig = Rig(6, 8)
    rig.settle()
    rig.write(0, 8, seed=1)
    rig.log.clear()
    rig.write(0, 8, seed=2)
    assert not rig.accesses("read")
    assert not rig.wrong_parity()


@pytest.mark.parametrize("level", [4, 5, 6])
def test_above_recovery_cp_the_row_is_reconstructed(level):
    """Where no resync has been, P may be wrong and must not be built on (trap 14)."""
    rig = Rig(level, 8, resync_offset=0, parity=False)
    rig.mddev.recovery_cp = 128
    rig.settle()
    rig.write(row_sectors(rig), 8)
    row = rig.geometry.row(1)
    assert not {row.pd_idx, row.qd_idx} & rig.touched("read").keys()
    assert rig.units("read") == rig.geometry.data_disks - 1
    assert (row.pd_idx, 128) not in rig.wrong_parity()


def test_below_recovery_cp_a_small_write_stays_small():
    rig = Rig(6, 8, resync_offset=256)
    rig.settle()
    rig.write(row_sectors(rig), 8)
    assert rig.units("read") == 3


@pytest.mark.parametrize("written", [0, 1])
def test_degraded_above_recovery_cp_what_is_missing_is_computed_before_parity_changes(written):
    """With a member gone, the old parity is all there is of it (trap 14)."""
    rig = Rig(5, 5, resync_offset=0)
    row = rig.geometry.row(0)
    rig.fail(row.data_disks[1])
    rig.settle()
    rig.write(written * 128, 8)
    # Written wholly, the missing member needs no computing: the rest of its row does.
    needed = {0, 1, 2, 3, 4} - {row.data_disks[1]} - ({row.pd_idx} if written else set())
    assert rig.touched("read").keys() == needed
    assert rig.reads_right(0, row_sectors(rig))


@pytest.mark.parametrize("level", [5, 6])
def test_a_write_to_a_missing_member_goes_into_parity(level):
    rig = Rig(level, 5)
    lost = rig.geometry.row(0).data_disks[0]
    before = rig.data(lost).copy()
    rig.fail(lost)
    rig.settle()
    rig.write(0, 8)
    assert lost not in rig.touched("write")
    assert np.array_equal(rig.data(lost), before)
    assert rig.reads_right()


@pytest.mark.parametrize("lost", [(0, 1), (0, 5), (4, 5), (2, 3)])
@pytest.mark.parametrize("extent", [(0, 8), (3, 2), (120, 300), (0, 512), (64, 1024)])
def test_raid6_takes_writes_with_two_members_gone(lost, extent):
    rig = Rig(6, 6, missing=lost)
    rig.settle()
    rig.write(*extent)
    assert rig.reads_right()


def test_a_parity_that_is_gone_is_not_written_but_the_other_is():
    rig = Rig(6, 6)
    row = rig.geometry.row(0)
    rig.fail(row.pd_idx)
    rig.settle()
    rig.write(0, 8)
    assert rig.touched("write") == {row.data_disks[0]: 1, row.qd_idx: 1}
    assert all(slot == row.pd_idx for slot, sector in rig.wrong_parity() if sector < 128)


def test_fua_reaches_data_and_parity():
    rig = Rig(6, 6)
    rig.settle()
    rig.write(0, 8, fua=True)
    writes = [access for access in rig.log if access.operation == "write"]
    assert len(writes) == 3
    assert all(access.fua for access in writes)
    rig.log.clear()
    rig.write(0, 8)
    assert not any(access.fua for access in rig.log)


def test_a_failing_write_fails_its_member_and_the_data_survive():
    rig = Rig(6, 6)
    rig.disks[rig.geometry.row(0).data_disks[0]].refuses_writes = True
    bio = rig.write(0, 8)
    assert not bio.status
    assert rig.mddev.degraded == 1
    assert rig.reads_right()


def test_a_failing_superblock_write_fails_its_member():
    rig = Rig(6, 6)
    rig.disks[2].refuses_writes = True
    assert not rig.write(0, 8).status
    assert rig.mddev.degraded == 1
    assert rig.reads_right()


def test_a_flush_reaches_every_working_member():
    rig = Rig(5, 4, missing=[1])
    bio = Bio(FLUSH, 0, np.empty(0, np.uint8))
    rig.mddev.submit_bio(bio)
    rig.run()
    assert bio.done
    assert sorted(disk for disk, *_ in rig.log) == [0, 2, 3]


@pytest.mark.parametrize("which", ["pd_idx", "qd_idx", "data"])
def test_a_write_ends_only_when_data_and_parity_are_on_their_members(which):
    rig = Rig(6, 8)
    rig.write(0, 8)
    row = rig.geometry.row(0)
    slow = rig.disks[row.data_disks[0] if which == "data" else getattr(row, which)]
    slow.held = []
    bio = rig.begin_write(0, b"x" * 4096)
    rig.run()
    assert not bio.done
    rig.let_go()
    assert bio.done


def test_a_write_under_way_waits_for_superblocks_that_tell_of_a_failure():
    rig = Rig(6, 8)
    rig.settle()
    for disk in rig.disks:
        disk.held = []
    bio = rig.begin_write(0, b"x" * 4096)
    rig.run()
    rig.mddev.error(rig.rdev(rig.geometry.row(0).data_disks[3]))
    rig.run()
    for disk in rig.disks:
        reads = [request for request in disk.held if request.operation == READ]
        disk.held = [request for request in disk.held if request.operation != READ]
        for request in reads:
            disk.carry_out(request)
    rig.run()
    assert not rig.accesses("write")
    while any(disk.held for disk in rig.disks):
        rig.let_go()
    assert bio.done
    assert rig.accesses("write")
