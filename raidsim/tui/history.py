"""From counters to rates: what happened between one look at an array and the next."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raidsim.array.latency import percentile_ns

if TYPE_CHECKING:
    from raidsim.array.activity import Activity, MemberCounts, RequestCounts

# What a sparkline may show at most.
_KEPT = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRates:
    """Requests of one kind, for each second.

    Attributes:
        requests, length_bytes: a second.
        median_ns, slow_ns: the latency that half, and 99 of a hundred, did not exceed; None where
            there was no request.
        errors: so far.
    """

    requests: float
    length_bytes: float
    median_ns: int | None
    slow_ns: int | None
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRates:
    """A member's disk, for each second; ``latency_ns`` is the mean, None without an access."""

    accesses: float
    read_bytes: float
    written_bytes: float
    latency_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What happened between two looks, for each second.

    Attributes:
        reads, writes, flushes: what was asked of the array.
        members: by permanent number.
        rmw, rcw, full_row: units of 4 KiB that were written that way.
        channels: (operations, bytes) by name.
    """

    reads: RequestRates
    writes: RequestRates
    flushes: RequestRates
    members: dict[int, MemberRates]
    rmw: float
    rcw: float
    full_row: float
    channels: dict[str, tuple[float, float]]


class History:
    """The last looks at one array.

    Attributes:
        activity: the last one.
        rates: what happened between each two, the last at the end.
    """

    def __init__(self, activity: Activity) -> None:
        self.activity = activity
        self.rates: deque[Rates] = deque(maxlen=_KEPT)

    def add(self, activity: Activity) -> None:
        """Look again; at the same moment nothing can have happened."""
        if activity.time_ns > self.activity.time_ns:
            self.rates.append(rates_between(self.activity, activity))
        self.activity = activity


def rates_between(before: Activity, after: Activity) -> Rates:
    """Return what happened for each second between two looks."""
    seconds = (after.time_ns - before.time_ns) / 1e9
    stripes_before, stripes = before.stripes, after.stripes
    earlier = {member.number: member for member in before.members}
    given = {channel.name: channel for channel in before.channels}
    return Rates(
        reads=_requests(before.reads, after.reads, seconds),
        writes=_requests(before.writes, after.writes, seconds),
        flushes=_requests(before.flushes, after.flushes, seconds),
        members={
            member.number: _member(earlier[member.number], member, seconds)
            for member in after.members
            if member.number in earlier
        },
        rmw=(stripes.rmw - stripes_before.rmw) / seconds,
        rcw=(stripes.rcw - stripes_before.rcw) / seconds,
        full_row=(stripes.full_row - stripes_before.full_row) / seconds,
        channels={
            channel.name: (
                (channel.operations - given[channel.name].operations) / seconds,
                (channel.length_bytes - given[channel.name].length_bytes) / seconds,
            )
            for channel in after.channels
            if channel.name in given
        },
    )


def _requests(before: RequestCounts, after: RequestCounts, seconds: float) -> RequestRates:
    counts = [now - then for then, now in zip(before.buckets, after.buckets, strict=True)]
    return RequestRates(
        requests=(after.requests - before.requests) / seconds,
        length_bytes=(after.length_bytes - before.length_bytes) / seconds,
        median_ns=percentile_ns(counts, 50),
        slow_ns=percentile_ns(counts, 99),
        errors=after.errors,
    )


def _member(before: MemberCounts, after: MemberCounts, seconds: float) -> MemberRates:
    accesses = after.reads + after.writes + after.flushes
    accesses -= before.reads + before.writes + before.flushes
    # A meter that was put there anew has begun at nothing.
    accesses = max(accesses, 0)
    latency_ns = max(after.latency_ns - before.latency_ns, 0)
    return MemberRates(
        accesses=accesses / seconds,
        read_bytes=max(after.read_bytes - before.read_bytes, 0) / seconds,
        written_bytes=max(after.written_bytes - before.written_bytes, 0) / seconds,
        latency_ns=latency_ns // accesses if accesses else None,
    )
