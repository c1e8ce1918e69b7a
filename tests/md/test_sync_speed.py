"""How fast a sync goes in virtual time: the limits, and other i/o."""

from functools import partial

import pytest
from md_rig import Rig

from raidsim import Machine
from raidsim.md.attributes import show, store
from raidsim.md.sync import start_sync
from raidsim.md.sync_speed import GO, SLEEP, SyncSpeed

MILLISECOND = 1_000_000
SECOND = 1000 * MILLISECOND
ROWS = 176
# What md lets begin before it looks around.
WINDOW_SECTORS = 256


def timed_rig(cache=256):
    return Rig(6, 4, rows=ROWS, cache=cache, machine=Machine(seed=1, timed=True, kernel="numpy"))


@pytest.fixture
def rig():
    return timed_rig()


@pytest.fixture
def small():
    """With a cache that holds no more than a window, or else syncs come in bursts."""
    rig = timed_rig(cache=32)
    store(rig.mddev, "sync_speed_min", "1")
    return rig


def watch(rig, action="check", other_io=False):
    """Run ``action``: seconds that it took, and most sectors in flight in its second half."""
    sim = rig.machine.sim
    begin = sim.now_ns
    thread = start_sync(rig.mddev, action)
    in_flight = 0

    def read_on():
        if not thread.finished:
            rig.begin_read(0, 128)
            sim.call_after(MILLISECOND // 50, read_on)

    def look():
        nonlocal in_flight
        if thread.position > thread.end_sector // 2:
            in_flight = max(in_flight, thread.position - thread.sectors_done)
        return thread.finished

    if other_io:
        read_on()
    sim.run_until(look)
    return (sim.now_ns - begin) / SECOND, in_flight


def test_alone_it_runs_at_the_highest_speed_allowed(small):
    store(small.mddev, "sync_speed_max", "2000")
    seconds, _ = watch(small)
    assert 0.7 * 2000 < small.member_sectors / 2 / seconds < 1.2 * 2000


def test_the_lowest_speed_counts_for_more_than_the_highest(small):
    store(small.mddev, "sync_speed_min", "2000")
    store(small.mddev, "sync_speed_max", "500")
    seconds, _ = watch(small)
    assert 0.7 * 2000 < small.member_sectors / 2 / seconds < 1.2 * 2000


def test_twice_the_limit_is_twice_as_fast(small):
    store(small.mddev, "sync_speed_max", "500")
    slow, _ = watch(small)
    store(small.mddev, "sync_speed_max", "1000")
    fast, _ = watch(small)
    assert 1.7 < slow / fast < 2.3


def test_sync_speed_tells_how_fast_it_is(small):
    store(small.mddev, "sync_speed_max", "500")
    thread = start_sync(small.mddev, "check")
    assert show(small.mddev, "sync_speed") == "0"
    sim = small.machine.sim
    sim.run_until(lambda: sim.now_ns > 10 * SECOND)
    assert 400 < int(show(small.mddev, "sync_speed")) < 600
    sim.run_until(lambda: thread.finished)
    assert show(small.mddev, "sync_speed") == "none"


def test_alone_it_keeps_all_members_busy(rig):
    _, in_flight = watch(rig)
    assert in_flight > 4 * WINDOW_SECTORS


def test_it_begins_no_more_than_a_window_at_a_time_while_others_read(rig):
    store(rig.mddev, "sync_speed_min", "1")
    _, in_flight = watch(rig, other_io=True)
    assert 0 < in_flight <= WINDOW_SECTORS


def test_below_the_lowest_speed_it_minds_nobody(rig):
    store(rig.mddev, "sync_speed_max", "2000000")
    store(rig.mddev, "sync_speed_min", "1000000")
    _, in_flight = watch(rig, other_io=True)
    assert in_flight > WINDOW_SECTORS


def test_what_is_only_begun_does_not_count_as_speed(rig):
    store(rig.mddev, "sync_speed_min", "1")
    store(rig.mddev, "sync_speed_max", "1")
    speed = SyncSpeed(rig.mddev)
    speed.begun(2048)
    assert speed.verdict(2048) == GO
    assert speed.verdict(1024) == SLEEP


def test_interrupted_in_its_sleep_it_ends(rig):
    store(rig.mddev, "sync_speed_max", "1")
    thread = start_sync(rig.mddev, "check")
    sim = rig.machine.sim
    sim.run_until(lambda: sim.now_ns > SECOND)
    thread.stop()
    sim.run_until(lambda: thread.finished)
    assert sim.now_ns < 1.1 * SECOND
    rig.run()


def test_untimed_the_limits_hold_nothing_up():
    rig = Rig(6, 4, rows=ROWS)
    store(rig.mddev, "sync_speed_max", "1")
    assert rig.sync("check").position == rig.member_sectors


@pytest.fixture
def writes(rig):
    """Let ``count`` writes of 4 KiB follow each other every ``pause_ms`` of virtual time."""

    def begin(count, pause_ms):
        for number in range(count):
            delay = number * pause_ms * MILLISECOND
            rig.machine.sim.call_after(delay, partial(rig.begin_write, number * 8, bytes(4096)))

    return begin


def clean_after(rig, limit_s=100):
    """Seconds until the array is clean, from now on."""
    sim = rig.machine.sim
    begin = sim.now_ns
    sim.run_until(lambda: not rig.mddev.in_sync)
    sim.run_until(lambda: rig.mddev.in_sync or sim.now_ns - begin > limit_s * SECOND)
    return (sim.now_ns - begin) / SECOND


@pytest.mark.parametrize("delay", ["0.2", "3"])
def test_an_array_goes_clean_by_itself_one_to_two_delays_after_the_last_write(rig, writes, delay):
    store(rig.mddev, "safe_mode_delay", delay)
    writes(1, 0)
    assert float(delay) < clean_after(rig) <= 2 * float(delay) + 0.1
    rig.run()
    assert show(rig.mddev, "array_state") == "clean"
    assert rig.stored(0).events == 2


def test_it_does_not_while_writes_follow_each_other(rig, writes):
    store(rig.mddev, "safe_mode_delay", "0.2")
    writes(30, 70)
    assert 2 < clean_after(rig) < 2.6


def test_without_a_delay_it_stays_dirty(rig, writes):
    store(rig.mddev, "safe_mode_delay", "0")
    writes(1, 0)
    rig.run()
    assert show(rig.mddev, "array_state") == "active"


def test_untimed_it_stays_dirty_until_it_is_told():
    rig = Rig(6, 4)
    rig.write(0, 8)
    assert show(rig.mddev, "array_state") == "active"
    store(rig.mddev, "array_state", "clean")
    rig.run()
    assert show(rig.mddev, "array_state") == "clean"


def test_a_write_that_is_under_way_keeps_it_dirty(rig):
    store(rig.mddev, "safe_mode_delay", "0.01")
    rig.write(0, 8)
    rig.write(8, 8)
    rig.mddev.suspend(0, 8)
    bio = rig.begin_write(0, bytes(4096))
    rig.begin_write(64, bytes(4096))
    rig.run()
    assert not rig.mddev.in_sync
    rig.mddev.suspend(0, 0)
    rig.run()
    assert bio.done
    assert rig.mddev.in_sync
