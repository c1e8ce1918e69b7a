"""What a check finds out about a mismatch, and the repair of the member that is wrong."""

import random

import numpy as np
import pytest
from md_rig import Rig

from raidsim import Machine
from raidsim.disk import READ, WRITE
from raidsim.md.bio import Bio
from raidsim.md.layout import layout_name
from raidsim.md.raid5 import mismatch as mismatch_module
from raidsim.md.raid5.mismatch import Mismatch, MismatchLog, Wrong, find_wrong_member
from raidsim.md.raid5.request import StripeRequest
from raidsim.md.raid5.state import StripeHeadState
from raidsim.md.superblock import MAX_SECTOR
from raidsim.md.sync import SyncThread
from raidsim.raid6.tables import gfexp, gfinv, gfmul

RAID6_LAYOUTS = [*range(6), 8, 9, 10, *range(16, 21)]
ENGINES = ["", "iop13xx", "iop32x", "mv_xor-kirkwood"]


def sync(rig, action):
    """Run ``action`` with a log, and return that."""
    rig.mddev.mismatch_log = log = MismatchLog()
    rig.sync(action)
    rig.mddev.mismatch_log = None
    return log


def spoil(rig, slot, sector, positions=slice(None), value=0x5A):
    rig.unit(slot, sector)[positions] ^= value


def place(rig, kind, row, index=0):
    """The slot of P, Q or a data chunk of a row."""
    geometry = rig.geometry.row(row)
    return {"P": geometry.pd_idx, "Q": geometry.qd_idx, "data": geometry.data_disks[index]}[kind]


def data_areas(rig):
    return [image[4096:] for image in rig.images()]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def raid6(layout=2, disks=6, **settings):
    return Rig(6, disks, layout=layout_name(6, layout), chunk_kib=8, **settings)


# -- where, and who -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("disks", "kernel"), [(4, "numpy"), (5, "isal"), (7, "numpy"), (12, "isal")]
)
@pytest.mark.parametrize("layout", RAID6_LAYOUTS)
def test_the_one_wrong_member_of_a_page_is_found_and_healed(layout, disks, kernel):
    """Each member in each row of the period, one in each unit."""
    machine = Machine(kernel=kernel)
    rig = Rig(6, disks, layout=layout_name(6, layout), chunk_kib=64, rows=disks, machine=machine)
    whole = data_areas(rig)
    generator = random.Random(f"{layout} {disks}")
    expected = []
    for row in range(disks):
        geometry = rig.geometry.row(row)
        parity = {geometry.pd_idx: Wrong.P, geometry.qd_idx: Wrong.Q}
        for member in range(disks):
            sector = row * 128 + member * 8
            evidence = generator.choice([1, 2, 100, 4096])
            spoil(rig, member, sector, slice(4096 - evidence, None))
            wrong = parity.get(member, Wrong.DATA)
            expected.append(Mismatch(sector, wrong, member, f"disk{member}", evidence))
    assert sync(rig, "check").listed == expected
    assert rig.mddev.resync_mismatches == 8 * disks**2
    rig.log.clear()
    assert sync(rig, "repair").listed == expected
    assert rig.mddev.resync_mismatches == 8 * disks**2
    assert same(whole, data_areas(rig))
    assert rig.touched("write") == dict.fromkeys(range(disks), disks)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("layout", [2, 10, 16])
def test_engines_and_time_change_nothing(layout, timed, engine):
    machine = Machine(3, engines=[engine] if engine else [], timed=timed)
    rig = raid6(layout, 7, rows=14, machine=machine)
    whole = data_areas(rig)
    for row in range(14):
        spoil(rig, row % 7, row * 16 + 8 * (row % 2), slice(row, row + 50))
    found = sync(rig, "check")
    assert [m.member for m in found.listed] == [row % 7 for row in range(14)]
    assert {m.evidence_bytes for m in found.listed} == {50}
    rig.log.clear()
    sync(rig, "repair")
    assert same(whole, data_areas(rig))
    assert rig.touched("write") == dict.fromkeys(range(7), 2)


@pytest.mark.parametrize("layout", RAID6_LAYOUTS)
def test_two_wrong_members_are_not_taken_for_one(layout):
    rig = Rig(6, 6, layout=layout_name(6, layout), chunk_kib=16, rows=6)
    generator = np.random.default_rng(layout)
    for row in range(6):
        geometry = rig.geometry.row(row)
        p, q, data = geometry.pd_idx, geometry.qd_idx, geometry.data_disks
        for unit, pair in enumerate([(p, q), (p, data[0]), (q, data[1]), (data[0], data[-1])]):
            for slot in pair:
                error = generator.integers(0, 256, 4096, np.uint8)
                rig.unit(slot, row * 32 + unit * 8)[:] ^= error
    before = data_areas(rig)
    for action in ("check", "repair"):
        log = sync(rig, action)
        assert (log.several, log.total) == (24, 24)
        assert rig.mddev.resync_mismatches == 192
        assert same(before, data_areas(rig))
    assert all(m.evidence_bytes > 4000 and m.member < 0 for m in log.listed)


def test_a_page_is_one_members_or_nobodys_whatever_its_neighbours_are():
    """In a tall stripe each unit is judged, and healed, by itself."""
    rig = Rig(6, 6, chunk_kib=256, rows=1)
    whole = data_areas(rig)
    p, q, data, other = (
        place(rig, *what) for what in (("P", 0), ("Q", 0), ("data", 0), ("data", 0, 2))
    )
    spoil(rig, p, 8)
    spoil(rig, q, 16, [7])
    spoil(rig, data, 24, [1, 2, 3])
    spoil(rig, other, 200)
    spoil(rig, data, 208)
    spoil(rig, other, 208, value=0x11)
    log = sync(rig, "repair")
    assert [(m.sector, m.wrong, m.member, m.evidence_bytes) for m in log.listed] == [
        (8, Wrong.P, p, 4096),
        (16, Wrong.Q, q, 1),
        (24, Wrong.DATA, data, 3),
        (200, Wrong.DATA, other, 4096),
        (208, Wrong.SEVERAL, -1, 4096),
    ]
    assert rig.mddev.resync_mismatches == 40
    assert rig.touched("write") == {p: 1, q: 1, data: 1, other: 1}
    spoil(rig, data, 208)
    spoil(rig, other, 208, value=0x11)
    assert same(whole, data_areas(rig))


@pytest.mark.parametrize("level", [4, 5])
@pytest.mark.parametrize("kind", ["P", "data"])
def test_one_parity_tells_where_but_not_who(level, kind):
    rig = Rig(level, 5, chunk_kib=8)
    spoil(rig, place(rig, kind, 1), 24)
    log = sync(rig, "check")
    assert log.listed == [Mismatch(24, Wrong.UNKNOWN, -1, "", 0)]
    before = data_areas(rig)
    assert sync(rig, "repair").unknown == 1
    assert same(before, data_areas(rig))


@pytest.mark.parametrize("lost", ["P", "Q", "data"])
def test_a_degraded_raid6_tells_where_but_not_who(lost):
    """What is left of its redundancy may notice, but a computed block speaks for nobody."""
    for action in ("check", "repair"):
        rig = Rig(6, 6, chunk_kib=8)
        rig.fail(place(rig, lost, 1))
        spoil(rig, place(rig, "data", 1, 2), 24)
        before = data_areas(rig)
        assert sync(rig, action).listed == [Mismatch(24, Wrong.UNKNOWN, -1, "", 0)]
        assert same(before, data_areas(rig))


def test_a_unit_with_a_block_that_can_not_be_read_is_nobodys():
    rig = Rig(6, 6, chunk_kib=8)
    unreadable, wrong = place(rig, "data", 1), place(rig, "data", 1, 2)
    rig.disks[unreadable].bad = set(range(rig.mddev.rdevs[0].data_offset + 24, 8 + 32))
    spoil(rig, wrong, 24)
    assert sync(rig, "check").listed == [Mismatch(24, Wrong.UNKNOWN, -1, "", 0)]


def test_array_sectors_are_those_of_the_data_that_may_be_wrong():
    rig = raid6(8, 6, rows=6)
    geometry = rig.geometry
    for row in range(6):
        sector = row * 16 + 8
        data = [geometry.compute_blocknr(slot, sector) for slot in geometry.row(row).data_disks]
        for slot, offset in zip(geometry.row(row).data_disks, data, strict=True):
            found = Mismatch(sector, Wrong.DATA, slot, f"disk{slot}", 1)
            assert found.array_sectors(geometry) == [offset]
        assert Mismatch(sector, Wrong.P, 0, "disk0", 1).array_sectors(geometry) == []
        assert Mismatch(sector, Wrong.Q, 0, "disk0", 1).array_sectors(geometry) == []
        assert Mismatch(sector, Wrong.SEVERAL, -1, "", 9).array_sectors(geometry) == data


# -- what it costs, and what stays ----------------------------------------------------------------


@pytest.mark.parametrize("level", [5, 6])
def test_a_clean_array_is_checked_with_the_same_accesses(level):
    plain, logged = Rig(level, 6), Rig(level, 6)
    plain.sync("check")
    assert sync(logged, "check").total == 0
    assert plain.log == logged.log


@pytest.mark.parametrize("action", ["check", "repair"])
def test_without_a_log_nobody_asks_who_is_wrong(action, monkeypatch):
    """Plain repair is md's: parity is made to fit."""
    monkeypatch.setattr(mismatch_module, "locate", None)
    rig = Rig(6, 6)
    spoil(rig, place(rig, "data", 0), 0)
    spoiled = rig.model[:4096] ^ 0x5A
    rig.sync(action)
    assert rig.mddev.resync_mismatches == 8
    assert np.array_equal(rig.unit(place(rig, "data", 0), 0), spoiled)


def test_all_mismatches_are_counted_and_as_many_as_there_is_room_for_listed(monkeypatch):
    monkeypatch.setattr(mismatch_module, "MAX_LISTED", 2)
    log = MismatchLog()
    for sector in (0, 8, 16):
        log.note(Mismatch(sector, Wrong.DATA, 3, "disk3", 1))
    log.note(Mismatch(24, Wrong.P, 1, "disk1", 1))
    log.note(Mismatch(32, Wrong.Q, 3, "disk3", 1))
    log.note(Mismatch(40, Wrong.SEVERAL, -1, "", 1))
    assert [m.sector for m in log.listed] == [0, 8]
    assert log.by_member == {(3, "disk3"): 4, (1, "disk1"): 1}
    assert (log.several, log.unknown, log.total) == (1, 0, 6)


def test_a_heal_writes_the_superblocks_as_often_as_a_repair():
    stored = []
    for locate in (False, True):
        rig = raid6(rows=40)
        spoil(rig, place(rig, "data", 3), 48)
        if locate:
            sync(rig, "repair")
        else:
            rig.sync("repair")
        stored.append([rig.stored(number) for number in range(6)])
        assert rig.mddev.recovery_cp == MAX_SECTOR
        assert len(rig.accesses("super")) > 6
    assert stored[0] == stored[1]


# -- trouble meanwhile ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["P", "Q", "data"])
def test_a_member_that_fails_under_the_heal_ends_it_and_costs_nothing(kind):
    rig = Rig(6, 6, chunk_kib=8)
    slot = place(rig, kind, 1)
    spoil(rig, slot, 24)
    rig.disks[slot].refuses_writes = True
    log = MismatchLog()
    rig.mddev.mismatch_log = log
    assert rig.sync("repair").interrupted
    assert rig.mddev.degraded == 1
    assert rig.reads_right()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(6))
def test_writes_go_on_under_the_heal(seed, engine):
    """One that has the whole row at hand makes parity fit what is wrong, as under md."""
    machine = Machine(seed, engines=[engine] if engine else [], timed=True)
    rig = raid6(disks=8, rows=8, machine=machine)
    rig.settle()
    generator = random.Random(seed)
    wrong = [row * 16 + offset for row in range(8) for offset in (0, 8)]
    for sector in wrong:
        spoil(rig, place(rig, "data", sector // 16), sector)
    rig.mddev.mismatch_log = log = MismatchLog()
    thread = SyncThread(rig.mddev, "repair")
    thread.start()
    for unit in generator.sample([unit for unit in range(96) if unit % 12 > 1], 40):
        data = generator.randbytes(4096)
        rig.model[unit * 4096 : (unit + 1) * 4096] = np.frombuffer(data, np.uint8)
        rig.begin_write(unit * 8, data)
        for _ in range(generator.randrange(20)):
            machine.sim._step()
    rig.run()
    assert thread.finished
    assert not log.several
    healed = {mismatch.sector for mismatch in log.listed}
    assert len(healed) > 8
    for sector in set(wrong) - healed:
        start = (sector // 16 * 12 + sector % 16 // 8) * 4096
        rig.model[start : start + 4096] ^= 0x5A
    assert rig.reads_right(), seed
    assert not rig.wrong_parity()


def test_stopped_anywhere_each_page_is_as_it_was_or_healed():
    """A heal is one write to one member a page, so what is left says the same as before."""
    rig = raid6(rows=6)
    whole = data_areas(rig)
    for row in range(6):
        spoil(rig, place(rig, "data", row, row % 4), row * 16)
    states = []
    for disk in rig.disks:

        def carry_out(request, real=disk.carry_out):
            real(request)
            if request.operation == WRITE:
                states.append(data_areas(rig))

        disk.carry_out = carry_out
    sync(rig, "repair")
    healed = [sum(map(np.array_equal, state, whole)) for state in states]
    assert healed == sorted(healed)
    for state in states:
        for area, right in zip(state, whole, strict=True):
            differing = (area != right).reshape(-1, 4096).sum(axis=1)
            assert set(differing.tolist()) <= {0, 4096}
    assert same(states[-1], whole)
    assert len(rig.accesses("write")) == 6


def test_a_quotient_that_points_to_a_parity_of_a_ddf_layout_is_nobodys():
    """P and Q have slots of their own there, which count as zeros."""
    rig = raid6(8, 6, rows=6)
    row = rig.geometry.row(2)
    first, second = row.data_disks[:2]
    weight, other, pointed_to = gfexp[first], gfexp[second], gfexp[row.pd_idx]
    error = gfmul[weight ^ pointed_to, gfinv[other ^ pointed_to]]
    spoil(rig, first, 32, [5], 1)
    spoil(rig, second, 32, [5], error)
    assert sync(rig, "check").listed == [Mismatch(32, Wrong.SEVERAL, -1, "", 1)]


def test_an_engine_that_sees_a_mismatch_where_there_is_none_accuses_nobody():
    rig = raid6(rows=1)
    rig.sync("check")
    conf = rig.mddev.personality.conf
    sh = conf.cache._heads[0]
    for head in conf.cache.split(sh, sh.plan):
        head.uptodate = conf.all_mask
        found = find_wrong_member(conf, head, StripeHeadState(conf, head), 0)
        assert found == Mismatch(head.sector, Wrong.UNKNOWN, -1, "", 0)


def test_who_reads_a_page_while_it_is_computed_gets_it_healed():
    machine = Machine(engines=["iop13xx"], timed=True)
    rig = raid6(rows=1, machine=machine)
    member = place(rig, "data", 0)
    spoil(rig, member, 0)
    rig.mddev.mismatch_log = MismatchLog()
    SyncThread(rig.mddev, "repair").start()
    conf = rig.mddev.personality.conf
    machine.sim.run_until(lambda: conf.cache._heads.get(0) and conf.cache._heads[0].wrong)
    assert not conf.cache._heads[0].uptodate >> member & 1
    bio = Bio(READ, 0, np.zeros(4096, np.uint8))
    StripeRequest(conf, bio, 0, 4096).start()
    rig.run()
    assert bio.done
    assert np.array_equal(bio.buffer, rig.model[:4096])


def test_what_an_earlier_repair_wrote_is_not_written_again_by_a_rebuild():
    rig = Rig(6, 6, chunk_kib=4, rows=1, spares=1)
    spoil(rig, place(rig, "P", 0), 0)
    rig.sync("repair")
    rig.fail(place(rig, "data", 0))
    rig.log.clear()
    rig.rebuild()
    assert rig.touched("write") == {6: 1}
