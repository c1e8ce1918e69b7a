"""Check, repair, resync: what they find, count, write, and leave alone."""

import numpy as np
import pytest
from md_rig import Rig

from raidsim import Machine
from raidsim.md.raid5.stripe_head import (
    CHECK_COMPUTE_RUN,
    CHECK_RUN,
    RECONSTRUCT_PREXOR_DRAIN_RUN,
)
from raidsim.md.superblock import MAX_SECTOR
from raidsim.md.sync import SyncThread


def spoil(rig, slot, sector):
    rig.unit(slot, sector)[:] ^= 0x5A


def data_area(rig):
    return [image[4096:] for image in rig.images()]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture(params=["", "iop13xx", "iop32x", "mv_xor-kirkwood"])
def machine(request):
    return Machine(engines=[request.param] if request.param else [])


@pytest.mark.parametrize(("level", "disks"), [(4, 4), (5, 2), (5, 5), (6, 4), (6, 7)])
def test_a_check_of_right_parity_finds_nothing_and_writes_nothing(level, disks, machine):
    rig = Rig(level, disks, machine=machine)
    assert rig.sync("check").interrupted is False
    assert rig.mddev.resync_mismatches == 0
    assert not rig.accesses("write")
    assert rig.units("read") == disks * 64


@pytest.mark.parametrize("what", ["p", "q", "both"])
@pytest.mark.parametrize("level", [5, 6])
def test_a_mismatch_counts_eight_sectors_once_and_only_wrong_parity_is_rewritten(
    level, what, machine
):
    if level == 5 and what != "p":
        pytest.skip("RAID5 has no Q")
    rig = Rig(level, 6, machine=machine)
    row = rig.geometry.row(1)
    wrong = {"p": [row.pd_idx], "q": [row.qd_idx], "both": [row.pd_idx, row.qd_idx]}[what]
    for slot in wrong:
        spoil(rig, slot, 128 + 24)
    before = data_area(rig)
    rig.sync("check")
    assert rig.mddev.resync_mismatches == 8
    assert same(before, data_area(rig))
    assert not rig.accesses("write")
    rig.sync("repair")
    assert rig.mddev.resync_mismatches == 8
    assert rig.touched("write") == dict.fromkeys(wrong, 1)
    assert not rig.wrong_parity()
    rig.sync("check")
    assert rig.mddev.resync_mismatches == 0


@pytest.mark.parametrize("level", [4, 5, 6])
def test_repair_never_touches_data_even_where_they_are_what_is_wrong(level):
    """md trusts the data (trap 8)."""
    rig = Rig(level, 5)
    row = rig.geometry.row(0)
    spoil(rig, row.data_disks[1], 8)
    spoiled = rig.unit(row.data_disks[1], 8).copy()
    rig.sync("check")
    assert rig.mddev.resync_mismatches == 8
    rig.sync("repair")
    assert rig.mddev.resync_mismatches == 8
    assert np.array_equal(rig.unit(row.data_disks[1], 8), spoiled)
    assert rig.touched("write").keys() == {row.pd_idx} | ({row.qd_idx} if level == 6 else set())
    rig.sync("check")
    assert rig.mddev.resync_mismatches == 0


@pytest.mark.parametrize("level", [4, 5, 6])
def test_a_check_reads_tall_stripes_once_whatever_it_finds(level):
    rig = Rig(level, 5)
    spoil(rig, 0, 128 + 24)
    spoil(rig, 3, 256)
    rig.settle()
    rig.sync("check")
    assert rig.mddev.resync_mismatches == 16
    assert rig.accesses("write") == []
    assert rig.touched("read") == dict.fromkeys(range(5), 64)


@pytest.mark.parametrize("level", [4, 5, 6])
def test_a_resync_over_garbage_goes_on_by_tall_stripes(level):
    rig = Rig(level, 5, parity=False, resync_offset=0)
    rig.settle()
    rig.sync("resync")
    assert rig.mddev.resync_mismatches == rig.member_sectors
    assert not rig.wrong_parity()
    assert rig.touched("read") == dict.fromkeys(range(5), 64)
    assert rig.units("write") == 64 * rig.geometry.max_degraded


@pytest.mark.parametrize("level", [4, 5, 6])
def test_a_repair_rewrites_the_parity_of_wrong_units_alone(level):
    rig = Rig(level, 5)
    pd_idx = rig.geometry.row(2).pd_idx
    spoil(rig, rig.geometry.row(1).data_disks[2], 128 + 24)
    spoil(rig, pd_idx, 256)
    rig.settle()
    rig.sync("repair")
    assert rig.mddev.resync_mismatches == 16
    assert not rig.wrong_parity()
    p_and_q = [(slot, 128 + 24, 8) for slot in rig.book_parity(1)]
    assert sorted(rig.accesses("write")) == sorted([*p_and_q, (pd_idx, 256, 8)])


@pytest.mark.parametrize("level", [5, 6])
def test_exactly_the_wrong_units_of_tall_stripes_are_counted(level):
    rig = Rig(level, 6, chunk_kib=256, rows=2)
    row = rig.geometry.row(0)
    for sector in (0, 8, 200, 504):
        spoil(rig, row.pd_idx, sector)
    spoil(rig, rig.geometry.row(1).data_disks[0], 512 + 104)
    rig.sync("check")
    assert rig.mddev.resync_mismatches == 40
    rig.sync("repair")
    assert rig.mddev.resync_mismatches == 40
    assert rig.units("write") == 5 + (level == 6)
    assert not rig.wrong_parity()


@pytest.mark.parametrize("level", [4, 5, 6])
def test_a_check_without_redundancy_to_spare_does_nothing(level):
    """It ends at once and reports no mismatch (trap 20)."""
    rig = Rig(level, 5, missing=[0] if level < 6 else [0, 3], parity=False)
    for action in ("check", "repair", "resync"):
        rig.sync(action)
        assert rig.mddev.resync_mismatches == 0
    assert not rig.accesses("read")
    assert not rig.accesses("write")


@pytest.mark.parametrize("lost", range(5))
def test_a_raid6_with_one_member_gone_can_be_checked(lost, machine):
    rig = Rig(6, 5, rows=5, missing=[lost], machine=machine)
    rig.sync("check")
    assert rig.mddev.resync_mismatches == 0
    assert rig.units("read") == 4 * 80
    assert not rig.accesses("write")


@pytest.mark.parametrize("lost", ["data", "p", "q"])
def test_a_raid6_with_one_member_gone_notices_what_its_other_parity_contradicts(lost):
    rig = Rig(6, 6)
    row = rig.geometry.row(0)
    rig.fail({"data": row.data_disks[0], "p": row.pd_idx, "q": row.qd_idx}[lost])
    spoil(rig, row.data_disks[2], 0)
    rig.log.clear()
    rig.sync("check")
    assert rig.mddev.resync_mismatches == 8
    assert not rig.accesses("write")
    rig.sync("repair")
    rig.sync("check")
    assert rig.mddev.resync_mismatches == 0


@pytest.mark.parametrize(("level", "disks"), [(4, 4), (5, 2), (5, 5), (6, 4), (6, 8)])
def test_a_resync_makes_all_parity_right_and_leaves_the_data(level, disks, machine):
    rig = Rig(level, disks, resync_offset=0, parity=False, machine=machine)
    before = rig.model.copy()
    rig.sync("resync")
    assert not rig.wrong_parity()
    assert rig.mddev.recovery_cp == MAX_SECTOR
    assert np.array_equal(before, rig.model)
    assert rig.reads_right()
    assert rig.mddev.resync_mismatches == rig.member_sectors


def test_a_resync_begins_where_the_last_one_stopped():
    rig = Rig(6, 6, resync_offset=256, parity=False)
    rig.sync("resync")
    assert min(sector for _, sector, _ in rig.accesses("read")) == 256
    assert {sector // 256 for _, sector in rig.wrong_parity()} == {0}


def test_a_row_written_whole_above_recovery_cp_has_right_parity_already():
    rig = Rig(5, 4, resync_offset=0, parity=False)
    rig.write(384, 384)
    assert not [sector for _, sector in rig.wrong_parity() if 128 <= sector < 256]


@pytest.mark.parametrize("level", [5, 6])
def test_a_mismatch_found_by_a_check_survives_until_the_next(level):
    rig = Rig(level, 5)
    spoil(rig, rig.geometry.row(0).pd_idx, 0)
    rig.sync("check")
    rig.read(0, 8)
    assert rig.mddev.resync_mismatches == 8


def test_the_cache_holds_no_old_parity_after_a_repair():
    rig = Rig(6, 6)
    row = rig.geometry.row(0)
    rig.write(0, 8)
    spoil(rig, row.pd_idx, 0)
    rig.sync("repair")
    rig.write(0, 8, seed=3)
    assert not rig.wrong_parity()


def test_p_is_read_again_after_a_check_used_its_buffer_up():
    """The check of P alone may destroy it (trap 9)."""
    rig = Rig(5, 5, rows=1, chunk_kib=4, spares=1)
    rig.sync("check")
    rig.log.clear()
    rig.fail(1)
    rig.rebuild()
    assert rig.touched("read") == {rig.geometry.row(0).pd_idx: 1}


def test_a_check_reads_anew_what_the_stripe_cache_holds():
    rig = Rig(6, 6, rows=1, chunk_kib=4)
    rig.sync("check")
    rig.log.clear()
    rig.sync("check")
    assert rig.touched("read") == dict.fromkeys(range(6), 1)


def test_a_read_modify_write_under_way_does_not_stand_for_a_check():
    """It carries wrong parity on; only a whole row at hand makes it right."""
    machine = Machine(engines=["iop13xx"], timed=True)
    rig = Rig(5, 8, rows=1, chunk_kib=4, machine=machine)
    rig.settle()
    spoil(rig, rig.geometry.row(0).pd_idx, 0)
    rig.begin_write(0, b"x" * 4096)
    heads = rig.mddev.personality.conf.cache._heads
    machine.sim.run_until(lambda: heads[0].reconstruct_state == RECONSTRUCT_PREXOR_DRAIN_RUN)
    rig.sync("check")
    assert rig.mddev.resync_mismatches == 8


@pytest.mark.parametrize(
    ("when", "mismatches"), [(CHECK_RUN, 0), (CHECK_COMPUTE_RUN, 8)], ids=["checked", "computed"]
)
def test_a_failure_while_raid5_is_repaired(when, mismatches):
    """Under the check the stripe is looked at anew; parity that was computed is written."""
    machine = Machine(engines=["iop13xx"], timed=True)
    rig = Rig(5, 5, rows=1, chunk_kib=4, machine=machine)
    row = rig.geometry.row(0)
    spoil(rig, row.pd_idx, 0)
    thread = SyncThread(rig.mddev, "repair")
    thread.start()
    heads = rig.mddev.personality.conf.cache._heads
    machine.sim.run_until(lambda: 0 in heads and heads[0].check_state == when)
    rig.mddev.error(rig.rdev(row.data_disks[0]))
    rig.run()
    assert thread.interrupted
    assert rig.mddev.resync_mismatches == mismatches
    assert bool(rig.wrong_parity()) == (when == CHECK_RUN)
