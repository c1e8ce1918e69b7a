"""When requests come that do not wait for those before them."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from raidsim.bench.workload import Workload

_SECOND_NS = 1_000_000_000


def arrivals(workload: Workload, random: Random) -> Iterator[int]:
    """The times at which requests come, in ns from the beginning, without end.

    Constant, the first comes at once and none ever drifts; poisson, the time between two is
    exponentially distributed.
    """
    rate = workload.rate_per_second
    if workload.arrivals == "constant":
        for number in count():
            yield round(number * _SECOND_NS / rate)
    at = 0.0
    while True:
        at += random.expovariate(rate) * _SECOND_NS
        yield round(at)
