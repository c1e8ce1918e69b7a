"""When a fault strikes."""

import pytest

from raidsim import Machine
from raidsim.sim import FaultError, Simulator, Trigger


def struck(trigger, accesses=9, sim=None):
    sim = sim or Simulator()
    random = sim.random("test")
    return "".join("x" if trigger.picks(sim, random) else "." for _ in range(accesses))


@pytest.mark.parametrize(
    ("rule", "picks"),
    [
        ({}, "xxxxxxxxx"),
        ({"enabled": False}, "........."),
        ({"count": 2}, "xx......."),
        ({"nth": 4}, "...xxxxxx"),
        ({"nth": 4, "count": 1}, "...x....."),
        ({"interval": 3}, "..x..x..x"),
        ({"interval": 3, "nth": 1}, "x..x..x.."),
        ({"interval": 3, "nth": 5}, "....x..x."),
        ({"interval": 3, "count": 2}, "..x..x..."),
        ({"probability": 0.0}, "........."),
        ({"state": "armed"}, "........."),
    ],
)
def test_a_rule_picks_accesses_by_number(rule, picks):
    trigger = Trigger(**rule)
    assert struck(trigger) == picks
    assert trigger.fired == picks.count("x")
    assert trigger.seen == (0 if rule.keys() & {"enabled", "state"} else 9)


def test_a_rule_picks_by_chance_and_the_seed_repeats_it():
    def draw(seed):
        return struck(Trigger(probability=0.25), 1000, Simulator(seed))

    assert draw(1) == draw(1) != draw(2)
    assert 200 < draw(1).count("x") < 300


def test_a_rule_picks_within_its_time():
    sim = Simulator(timed=True)
    trigger, picks = Trigger(start_ns=20, end_ns=40), {}

    def access():
        picks[sim.now_ns] = trigger.picks(sim, sim.random("test"))

    for time_ns in (0, 19, 20, 39, 40):
        sim.call_after(time_ns, access)
    sim.run()
    assert picks == {0: False, 19: False, 20: True, 39: True, 40: False}
    assert trigger.seen == 2


def test_one_rule_waits_for_another():
    sim = Simulator()
    first = Trigger(nth=3, count=1, new_state="armed")
    second = Trigger(state="armed", nth=2, count=1, new_state="over")
    third = Trigger(state="armed")
    picks = [
        (first.picks(sim, None), second.picks(sim, None), third.picks(sim, None)) for _ in range(5)
    ]
    assert picks == [
        (False, False, False),
        (False, False, False),
        (True, False, True),
        (False, True, False),
        (False, False, False),
    ]
    assert sim.fault_state == "over"


def test_the_fault_state_is_the_machines_own():
    one, other = Machine().sim, Machine().sim
    Trigger(new_state="armed").picks(one, None)
    assert (one.fault_state, other.fault_state) == ("armed", "")


def test_all_mistakes_are_told_at_once():
    with pytest.raises(FaultError) as caught:
        Trigger(start_ns=-1, nth=-1, interval=0, count=-2, probability=1.5, end_ns=-5)
    assert caught.value.mistakes == (
        "start_ns = -1: at least 0",
        "end_ns = -5: at least 0",
        "nth = -1: at least 0",
        "interval = 0: at least 1",
        "count = -2: at least 0",
        "probability = 1.5: between 0 and 1",
    )
    with pytest.raises(FaultError, match="trigger: end_ns = 5: after start_ns = 5"):
        Trigger(start_ns=5, end_ns=5)
