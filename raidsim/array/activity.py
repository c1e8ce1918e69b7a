"""What a running array is doing: counters at one moment, as plain values.

What a watcher shows are differences of two of these; ``raidsim.array.monitor`` takes them.
"""

from __future__ import annotations

from dataclasses import dataclass

from raidsim.array.injection import FaultSnapshot  # noqa: TC001  made from plain values by type
from raidsim.array.snapshot import ArraySnapshot  # noqa: TC001  as above


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCounts:
    """Requests of one kind that have ended.

    Attributes:
        requests, errors, length_bytes, latency_ns: how many, and what they add up to.
        buckets: how many had which latency, see ``raidsim.array.latency``.
    """

    requests: int
    errors: int
    length_bytes: int
    latency_ns: int
    buckets: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberCounts:
    """What a member's disk was asked for since somebody watches.

    Attributes:
        number: the member's permanent number.
        reads, writes, flushes: accesses that have ended.
        read_bytes, written_bytes: what they moved.
        latency_ns: what they took, added up.
        in_flight: accesses under way.
        read_errors: reads in a row that failed.
        corrected_errors: sectors cured by rewriting them.
        bad_sectors: how many are in its list of bad blocks.
    """

    number: int
    reads: int
    writes: int
    flushes: int
    read_bytes: int
    written_bytes: int
    latency_ns: int
    in_flight: int
    read_errors: int
    corrected_errors: int
    bad_sectors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeCounts:
    """The stripe cache, in units of 4 KiB of each member.

    Attributes:
        capacity: its size.
        free: never used or given back.
        idle: hold what was read or written last.
        handle, hold, delayed, bitmap: wait on the list of that name.
        busy: are read, written or computed.
        rmw, rcw, full_row: how units were written so far.
    """

    capacity: int
    free: int
    idle: int
    handle: int
    hold: int
    delayed: int
    bitmap: int
    busy: int
    rmw: int
    rcw: int
    full_row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelCounts:
    """A channel of an offload engine, or the CPU, which is called "software".

    Attributes:
        name: its name.
        chosen_for: the operations that async_tx sends to it.
        queued: descriptors submitted and not known complete.
        operations: how many it was given so far.
        length_bytes: their lengths, added up.
        by_operation: (operation, how many), for those there were.
    """

    name: str
    chosen_for: tuple[str, ...]
    queued: int
    operations: int
    length_bytes: int
    by_operation: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that was logged.

    Attributes:
        number: counts all events of the array from 1 on.
        time_ns: by the clock of the snapshot.
        level: "info", "warning" or "error".
        text: what.
    """

    number: int
    time_ns: int
    level: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """A running array at one moment.

    Attributes:
        time_ns: virtual time on a timed machine, else the host's clock.
        timed: which of the two.
        array: what the array is.
        reads, writes, flushes: what was asked of it.
        in_flight: requests under way.
        members: what its members were asked for, by their permanent numbers.
        stripes: its stripe cache.
        channels: what computes for it, software last.
        faults: those injected.
        events: the last, the oldest first.
    """

    time_ns: int
    timed: bool
    array: ArraySnapshot
    reads: RequestCounts
    writes: RequestCounts
    flushes: RequestCounts
    in_flight: int
    members: tuple[MemberCounts, ...]
    stripes: StripeCounts
    channels: tuple[ChannelCounts, ...]
    faults: tuple[FaultSnapshot, ...]
    events: tuple[Event, ...]
