"""The pool of units and the heads in it."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from md_rig import Rig

from raidsim.md.layout import Geometry
from raidsim.md.raid5.row_plan import RowPlan
from raidsim.md.raid5.slab_pool import runs
from raidsim.md.raid5.stripe_cache import StripeCache
from raidsim.md.raid5.stripe_head import (
    STRIPE_DELAYED,
    STRIPE_HANDLE,
    STRIPE_PREREAD_ACTIVE,
    STRIPE_SYNCED,
    UNIT_SECTORS,
)

PLAN = RowPlan(Geometry(5, 2, 3, 128).rows[0])


def make_cache(capacity=32, max_units=16):
    return StripeCache(3, capacity, max_units, lambda _: None, lambda: None)


def dont_ask():
    """Of those who will not ask again."""


@given(free=st.integers(0, 2**40), length=st.integers(1, 12))
def test_runs_are_where_so_many_bits_stand_in_a_row(free, length):
    wanted = (1 << length) - 1
    book = sum(1 << start for start in range(41) if free >> start & wanted == wanted)
    assert runs(free, length) == book


def test_the_same_range_is_the_same_head():
    cache = make_cache()
    one = cache.get_active_stripe(0, 4, PLAN, dont_ask)
    assert cache.get_active_stripe(0, 4, PLAN, dont_ask) is one
    assert one.count == 2


def test_a_range_that_cuts_a_head_in_use_waits_for_it():
    cache = make_cache()
    sh = cache.get_active_stripe(0, 4, PLAN, dont_ask)
    retries = []
    for sector, units in ((8, 1), (24, 4), (0, 3)):
        assert cache.get_active_stripe(sector, units, PLAN, lambda: retries.append(1)) is None
    cache.release_stripe(sh)
    assert len(retries) == 3
    assert cache.get_active_stripe(8, 1, PLAN, dont_ask) is not None


def test_a_range_that_cuts_an_idle_head_takes_its_place():
    cache = make_cache()
    cache.release_stripe(cache.get_active_stripe(0, 4, PLAN, dont_ask))
    assert cache.get_active_stripe(24, 4, PLAN, dont_ask).units == 4
    assert cache.get_active_stripe(0, 3, PLAN, dont_ask).units == 3


def test_a_full_cache_of_heads_in_use_makes_others_wait_in_their_order():
    cache = make_cache(capacity=16)
    heads = [cache.get_active_stripe(sector, 8, PLAN, dont_ask) for sector in (0, 64)]
    order = []
    for name in "abc":
        assert cache.get_active_stripe(1024, 8, PLAN, lambda name=name: order.append(name)) is None
    cache.release_stripe(heads[0])
    assert order == ["a", "b", "c"]


def test_the_head_unused_for_longest_makes_room():
    cache = make_cache(capacity=32)
    heads = [cache.get_active_stripe(i * 64, 8, PLAN, dont_ask) for i in range(4)]
    for sh in heads:
        cache.release_stripe(sh)
    again = cache.get_active_stripe(0, 8, PLAN, dont_ask)
    assert again is heads[0]
    cache.release_stripe(again)
    cache.get_active_stripe(4096, 8, PLAN, dont_ask)
    assert cache.get_active_stripe(0, 8, PLAN, dont_ask) is heads[0]
    assert cache.get_active_stripe(64, 8, PLAN, dont_ask) is not heads[1]


def test_a_sync_goes_on_in_the_room_that_it_has_just_used():
    cache = make_cache(capacity=32)
    for sector in (0, 64, 128):
        cache.release_stripe(cache.get_active_stripe(sector, 8, PLAN, dont_ask))
    sh = cache.get_active_stripe(1024, 8, PLAN, dont_ask)
    sh.state |= STRIPE_SYNCED
    room = sh.slab
    cache.release_stripe(sh)
    assert cache.get_active_stripe(1088, 8, PLAN, dont_ask).slab is room
    assert cache.get_active_stripe(1152, 8, PLAN, dont_ask).slab.start == 0


def test_an_idle_head_is_forgotten_and_one_in_use_is_not():
    cache = make_cache()
    idle, used = (cache.get_active_stripe(sector, 4, PLAN, dont_ask) for sector in (0, 64))
    cache.release_stripe(idle)
    for sector in (0, 64, 128):
        cache.forget_idle(sector)
    assert cache.get_active_stripe(0, 4, PLAN, dont_ask) is not idle
    assert cache.get_active_stripe(64, 4, PLAN, dont_ask) is used


def test_an_idle_head_keeps_its_data():
    cache = make_cache()
    sh = cache.get_active_stripe(0, 8, PLAN, dont_ask)
    sh.slab.pages[1][:] = 7
    sh.uptodate = 2
    cache.release_stripe(sh)
    for i in range(1, 4):
        cache.release_stripe(cache.get_active_stripe(i * 64, 8, PLAN, dont_ask))
    assert cache.get_active_stripe(0, 8, PLAN, dont_ask).uptodate == 2
    assert sh.slab.pages[1].min() == 7


def test_a_delayed_head_waits_until_no_other_reads_ahead():
    cache = make_cache()
    one, two = (cache.get_active_stripe(i * 64, 1, PLAN, dont_ask) for i in range(2))
    one.state |= STRIPE_HANDLE | STRIPE_PREREAD_ACTIVE
    cache.preread_active_stripes = 1
    two.state |= STRIPE_HANDLE | STRIPE_DELAYED
    cache.release_stripe(two)
    cache.activate_delayed()
    assert cache.get_priority_stripe() is None
    cache.preread_active_stripes = 0
    cache.activate_delayed()
    assert two.state & STRIPE_PREREAD_ACTIVE
    assert cache.preread_active_stripes == 1
    assert cache.get_priority_stripe() is two


def test_ready_heads_go_before_those_that_read_ahead_but_not_for_ever():
    cache = make_cache()
    held = cache.get_active_stripe(0, 1, PLAN, dont_ask)
    held.state |= STRIPE_HANDLE | STRIPE_DELAYED
    cache.release_stripe(held)
    cache.activate_delayed()
    cache.pending_full_writes = 1
    for i in range(1, 5):
        sh = cache.get_active_stripe(i * 64, 1, PLAN, dont_ask)
        sh.state |= STRIPE_HANDLE
        cache.release_stripe(sh)
        assert cache.get_priority_stripe() is sh
    assert cache.get_priority_stripe() is held


def test_a_split_head_leaves_one_for_each_unit_over_the_same_buffers():
    cache = make_cache()
    sh = cache.get_active_stripe(64, 4, PLAN, dont_ask)
    for unit in range(4):
        sh.slab.pages[0][unit * 4096 : (unit + 1) * 4096] = unit
    children = cache.split(sh, PLAN)
    assert [child.sector for child in children] == [64, 72, 80, 88]
    assert [child.slab.pages[0][0] for child in children] == [0, 1, 2, 3]
    cache.release_stripe(sh)  # its user is not told and gives it back
    for child in children:
        cache.release_stripe(child)
    assert cache.active_stripes == 0
    assert cache.get_active_stripe(0, 16, PLAN, dont_ask) is not None
    assert cache.get_active_stripe(128, 16, PLAN, dont_ask) is not None


@settings(deadline=None)
@given(st.data())
def test_heads_never_overlap_and_no_unit_is_lost(data):
    cache = make_cache(capacity=20, max_units=8)
    active = []
    for _ in range(data.draw(st.integers(1, 60))):
        what = data.draw(st.sampled_from(["get", "get", "get", "release", "split"]))
        if what == "get":
            sector = data.draw(st.integers(0, 40)) * UNIT_SECTORS
            sh = cache.get_active_stripe(sector, data.draw(st.integers(1, 8)), PLAN, dont_ask)
            if sh is not None:
                active.append(sh)
        elif active:
            sh = active.pop(data.draw(st.integers(0, len(active) - 1)))
            if what == "split" and sh.count == 1:
                active += cache.split(sh, PLAN)
            cache.release_stripe(sh)
        heads = sorted(cache._heads.values(), key=lambda sh: sh.sector)
        assert [sh.sector for sh in heads] == cache._starts
        for low, high in itertools.pairwise(heads):
            assert low.sector + low.sectors <= high.sector
        used = 0
        for sh in heads:
            mask = ((1 << sh.units) - 1) << sh.slab.start
            assert not used & mask
            used |= mask
        assert used ^ cache.pool.free_units == (1 << 20) - 1
        assert cache.active_stripes == sum(sh.units for sh in heads if sh.count)
    for sh in active:
        cache.release_stripe(sh)
    assert cache.active_stripes == 0


@pytest.mark.parametrize("cache", [1, 16, 17])
def test_the_smallest_cache_does_everything(cache):
    rig = Rig(6, 5, cache=cache, missing=[1], spares=1)
    rig.write(3, 700)
    assert rig.reads_right()
    rig.rebuild()
    rig.place(1, 5)
    assert not rig.wrong_parity()
    assert rig.mddev.personality.conf.cache.active_stripes == 0


def test_counters_are_back_where_they_were_when_all_is_done():
    rig = Rig(6, 5, chunk_kib=32)
    rig.disks[2].bad = set(range(8, 400, 9))
    for seed in range(20):
        rig.write(seed * 35, 50 + seed, seed=seed)
    rig.reads_right()
    rig.sync("check")
    cache = rig.mddev.personality.conf.cache
    assert cache.preread_active_stripes == 0
    assert cache.pending_full_writes == 0
    assert cache.active_stripes == 0
