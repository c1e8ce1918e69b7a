"""How long requests took: counts in buckets that are narrow enough for percentiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Four buckets an octave: what is read from them is at most a quarter too long.
_SPLIT_BITS = 2
# Up to 2^41 ns, some 36 minutes; whatever took longer is in the last one.
BUCKETS = 40 << _SPLIT_BITS


def bucket(latency_ns: int) -> int:
    """The number of the bucket that a latency belongs to."""
    octave = latency_ns.bit_length()
    if octave <= _SPLIT_BITS:
        return latency_ns
    quarter = (latency_ns >> (octave - 1 - _SPLIT_BITS)) & ((1 << _SPLIT_BITS) - 1)
    return min(((octave - _SPLIT_BITS) << _SPLIT_BITS) + quarter, BUCKETS - 1)


def bucket_end_ns(number: int) -> int:
    """The first latency that is too long for a bucket."""
    octave, quarter = divmod(number + 1, 1 << _SPLIT_BITS)
    if not octave:
        return quarter
    return (1 << _SPLIT_BITS) + quarter << octave - 1


def percentile_ns(counts: Sequence[int], percentile: float) -> int | None:
    """A latency that so many of a hundred requests did not exceed, None without any."""
    wanted = sum(counts) * percentile / 100
    seen = 0
    for number, count in enumerate(counts):
        seen += count
        if count and seen >= wanted:
            return bucket_end_ns(number)
    return None
