"""Numbers for narrow columns, sparklines and bars; rates between two looks."""

import pytest
from made_up import activity, history

from raidsim.tui import figures
from raidsim.tui.history import History, rates_between


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "-"), (0.4, "0"), (7, "7"), (999, "999"), (999.6, "1.0k"), (12_345, "12.3k"),
     (345_678, "346k"), (2_500_000, "2.5M"), (3e9, "3G")],
)  # fmt: skip
def test_rates(value, text):
    assert figures.rate(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "-"), (10_000, "<0.1"), (1_250_000, "1.2"), (99_900_000, "99.9"), (123_400_000, "123")],
)
def test_byte_rates(value, text):
    assert figures.byte_rate(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (850, "0.8 µs"), (85_000, "85 µs"), (999_400, "999 µs"), (999_600, "1.0 ms"),
     (12_000_000, "12 ms"), (3_400_000_000, "3.4 s"), (5e12, "5000 s")],
)  # fmt: skip
def test_latencies(value, text):
    assert figures.latency(value) == text


def test_durations():
    assert [figures.duration(s) for s in (-1, 0.4, 42, 62, 3723)] == [
        "0:00", "0:00", "0:42", "1:02", "1:02:03"
    ]  # fmt: skip


def test_a_sparkline_is_as_wide_as_asked_and_ends_with_the_last():
    assert figures.sparkline([0, 1, 2, 4, 8], 5) == "▁▂▃▅█"
    assert figures.sparkline([8, 0], 4) == "  █▁"
    assert figures.sparkline(range(100), 3) == "███"
    assert figures.sparkline([0, 0], 3) == " ▁▁"
    assert figures.sparkline([], 2) == "  "
    assert figures.sparkline([0.001, 100], 2) == "▂█"


def test_a_bar_is_filled_by_eighths():
    assert figures.bar(0.5, 4) == "██  "
    assert figures.bar(0.3, 4) == "█▎  "
    assert figures.bar(7, 2) == "██"
    assert figures.bar(-1, 2) == "  "


def test_rates_are_those_of_a_second():
    rates = rates_between(activity(0), activity(3))
    assert rates.reads.requests == 2000
    assert rates.rmw == 200
    assert rates.members[2].accesses == 300
    assert rates.members[2].latency_ns == 20_000
    assert rates.channels["dma0chan0"] == (240, 240 * 4096)


def test_a_look_at_the_same_moment_is_no_rate():
    made = History(activity(3))
    made.add(activity(3))
    assert not made.rates


def test_a_meter_that_begins_anew_shows_no_negative_rates():
    rates = rates_between(activity(5), activity(6)), rates_between(activity(0), activity(5))
    assert all(member.accesses >= 0 for each in rates for member in each.members.values())
    from dataclasses import replace  # noqa: PLC0415

    begun = replace(activity(7), members=activity(0).members)
    anew = rates_between(activity(6), begun)
    assert {member.accesses for member in anew.members.values()} == {0}
    assert {member.latency_ns for member in anew.members.values()} == {None}


def test_only_so_many_looks_are_kept():
    assert len(history(300).rates) == 240
