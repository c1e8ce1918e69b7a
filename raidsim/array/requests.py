"""What the users of a running array ask of it, counted: how much, and how long it took."""

from __future__ import annotations

from raidsim.array.latency import BUCKETS, bucket
from raidsim.disk import FLUSH, OPERATION_NAMES


class RequestMeter:
    """Plain counters, cheap enough to be always on; whoever serves an array feeds them.

    A request that begins is added to ``in_flight``, one that ends is given to ``end``.

    Attributes:
        requests, length_bytes, errors, latency_ns: by operation, ``READ``, ``WRITE`` or
            ``FLUSH``; the latencies are added up.
        buckets: by operation, how many latencies fell into each bucket.
        in_flight: requests that were begun and have not ended.
    """

    __slots__ = ("buckets", "errors", "in_flight", "latency_ns", "length_bytes", "requests")

    def __init__(self) -> None:
        kinds = len(OPERATION_NAMES)
        self.requests = [0] * kinds
        self.length_bytes = [0] * kinds
        self.errors = [0] * kinds
        self.latency_ns = [0] * kinds
        self.buckets = [[0] * BUCKETS for _ in range(kinds)]
        self.in_flight = 0

    def end(self, operation: int, length_bytes: int, latency_ns: int, *, failed: bool) -> None:
        """A request that began has ended."""
        self.in_flight -= 1
        self.requests[operation] += 1
        self.latency_ns[operation] += latency_ns
        self.buckets[operation][bucket(latency_ns)] += 1
        if failed:
            self.errors[operation] += 1
        elif operation != FLUSH:
            self.length_bytes[operation] += length_bytes
