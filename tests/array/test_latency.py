"""Buckets of latencies: every latency has one, and percentiles are not far off."""

import random

from raidsim.array.latency import BUCKETS, bucket, bucket_end_ns, percentile_ns


def test_every_latency_lies_in_its_bucket():
    for latency in [*range(3000), *(10**power for power in range(4, 12))]:
        number = bucket(latency)
        assert latency < bucket_end_ns(number)
        assert number == 0 or latency >= bucket_end_ns(number - 1)


def test_what_takes_for_ever_is_in_the_last_bucket():
    assert bucket(1 << 60) == BUCKETS - 1


def test_percentiles_are_at_most_a_quarter_too_long():
    rng = random.Random(4)
    latencies = sorted(int(rng.lognormvariate(11, 1)) for _ in range(2000))
    counts = [0] * BUCKETS
    for latency in latencies:
        counts[bucket(latency)] += 1
    for percentile in (1, 50, 99, 100):
        exact = latencies[max(0, len(latencies) * percentile // 100 - 1)]
        assert exact < percentile_ns(counts, percentile) <= exact * 1.25 + 1


def test_nothing_has_no_percentile():
    assert percentile_ns([0] * BUCKETS, 50) is None
