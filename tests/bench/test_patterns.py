"""The requests that workloads consist of, before any array sees them."""

import math
from collections import Counter
from itertools import islice
from random import Random

import pytest

from raidsim.bench import Trace, Workload
from raidsim.bench.distribution import draw_from
from raidsim.bench.pattern import requests_of
from raidsim.md.bio import READ
from raidsim.tables import TableError, from_table

REGION = range(1 << 20, 2 << 20)


def drawn(count=2000, **fields):
    return list(islice(requests_of(Workload(**fields), REGION, Random(1)), count))


def test_sequential_requests_follow_each_other_and_begin_again():
    requests = drawn(20, rw="write", block_bytes=128 << 10)
    assert [request.offset >> 17 for request in requests] == [8 + n % 8 for n in range(20)]


@pytest.mark.parametrize("percent", [0, 30, 100])
def test_so_many_of_a_hundred_read(percent):
    reads = sum(request.operation == READ for request in drawn(rw="randrw", read_percent=percent))
    assert reads / 20 == pytest.approx(percent, abs=3)


def test_sizes_have_their_shares_and_stay_in_the_region():
    requests = drawn(rw="randread", block_split=((4096, 3), (65536, 1)))
    sizes = Counter(request.length for request in requests)
    assert sizes[4096] / 2000 == pytest.approx(0.75, abs=0.03)
    assert set(sizes) == {4096, 65536}
    assert all(r.offset >= REGION.start for r in requests)
    assert all(r.offset + r.length <= REGION.stop for r in requests)
    assert not any(request.offset % 4096 for request in requests)


@pytest.mark.parametrize("theta", [0.5, 1.0, 1.2, 2.5])
def test_zipf_is_zipf(theta):
    draw = draw_from(f"zipf:{theta}", 1000, Random(1))
    found = sorted(Counter(draw() for _ in range(50_000)).values(), reverse=True)
    weights = [n**-theta for n in range(1, 1001)]
    for rank in range(3):
        expected = 50_000 * weights[rank] / sum(weights)
        assert found[rank] == pytest.approx(expected, rel=0.25 if theta < 1 else 0.05)
    tail = 50_000 * sum(weights[20:]) / sum(weights)
    assert sum(found[20:]) == pytest.approx(tail, rel=0.03, abs=60)


def test_pareto_keeps_its_rule():
    draw = draw_from("pareto:0.2", 1000, Random(1))
    found = sorted(Counter(draw() for _ in range(50_000)).values(), reverse=True)
    assert sum(found[:200]) / 50_000 == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("name", ["uniform", "zipf:1.1", "pareto:0.3"])
@pytest.mark.parametrize("count", [1, 2, 7, 256])
def test_every_place_is_one_of_them(name, count):
    draw = draw_from(name, count, Random(2))
    places = {draw() for _ in range(5000)}
    assert places <= set(range(count))
    assert len(places) > count // 2


def test_a_table_makes_a_workload():
    table = {
        "name": "database",
        "rw": "randrw",
        "block_split": [[4096, 60], [65536, 40]],
        "trace": {"path": "a.csv", "limit": 5},
    }
    workload = from_table(Workload, table, "workload")
    assert workload.block_split == ((4096, 60), (65536, 40))
    assert workload.trace.limit == 5


def test_all_mistakes_are_told_at_once():
    with pytest.raises(TableError) as refused:
        Workload(
            rw="randwrit", arrivals="possion", distribution="zipf", depth=0, read_percent=101,
            block_bytes=1000, requests=-1, rate_per_second=1, think_ns=1,
        )  # fmt: skip
    assert len(refused.value.mistakes) == 8
    assert "did you mean 'randwrite'?" in str(refused.value)
    assert "did you mean 'poisson'?" in str(refused.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_a_rate_or_scale_that_is_no_number_from_0_on_is_refused(value):
    with pytest.raises(TableError, match="a number, at least 0"):
        Workload(rate_per_second=value)
    with pytest.raises(TableError, match="a number, at least 0"):
        Trace(path="x", time_scale=value)
