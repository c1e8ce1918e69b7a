"""The requests of a workload, one after the other."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

from raidsim.bench.distribution import draw_from
from raidsim.bench.traces import open_trace
from raidsim.md.bio import FLUSH, READ, WRITE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from raidsim.bench.traces import Trace
    from raidsim.bench.workload import Workload

_SECTOR_MASK = 511


class Request(NamedTuple):
    """One request.

    Attributes:
        operation: ``READ``, ``WRITE`` or ``FLUSH``.
        offset: First byte on the array.
        length: Bytes; 0 for a flush.
        fua: A write that is to be on stable storage when it ends.
        due_ns: When a trace has it, from the trace's beginning.
    """

    operation: int
    offset: int
    length: int
    fua: bool = False
    due_ns: int = 0


def requests_of(workload: Workload, region: range, random: Random) -> Iterator[Request]:
    """The requests of ``workload``, without end but where it replays a trace.

    Args:
        workload: What to do.
        region: The bytes of the array that it may touch, at least one of its largest requests.
        random: Decides what is left to chance.
    """
    if workload.trace is not None:
        stream = _replayed(workload.trace, region)
    else:
        stream = _drawn(workload, region, random)
    if workload.flush_every or workload.fua_every:
        return _made_stable(stream, workload)
    return stream


def _drawn(workload: Workload, region: range, random: Random) -> Iterator[Request]:
    operations = _operations(workload, random)
    lengths = _lengths(workload, random)
    if workload.random:
        align = workload.smallest_block
        place = draw_from(workload.distribution, len(region) // align, random)
        for operation, length in zip(operations, lengths, strict=True):
            offset = min(place() * align, (len(region) - length) // align * align)
            yield Request(operation, region.start + offset, length)
    offset = region.start
    for operation, length in zip(operations, lengths, strict=True):
        if offset + length > region.stop:
            offset = region.start
        yield Request(operation, offset, length)
        offset += length


def _operations(workload: Workload, random: Random) -> Iterator[int]:
    if not workload.rw.endswith("rw"):
        return repeat(READ if workload.rw.endswith("read") else WRITE)
    share = workload.read_percent / 100
    return (READ if random.random() < share else WRITE for _ in repeat(None))


def _lengths(workload: Workload, random: Random) -> Iterator[int]:
    if len(workload.block_sizes) == 1:
        return repeat(workload.block_sizes[0][0])
    sizes, shares = zip(*workload.block_sizes, strict=True)
    return (random.choices(sizes, shares)[0] for _ in repeat(None))


def _replayed(trace: Trace, region: range) -> Iterator[Request]:
    """Fold a trace's addresses into the region: modulo its size, in whole sectors."""
    with open_trace(trace) as accesses:
        for access in accesses:
            due_ns = round(access.time_ns * trace.time_scale)
            if access.operation == FLUSH:
                yield Request(FLUSH, region.start, 0, due_ns=due_ns)
                continue
            start = access.offset & ~_SECTOR_MASK
            end = -(-(access.offset + max(access.length, 1)) // 512) * 512
            length = min(end - start, len(region))
            offset = region.start + min(start % len(region), len(region) - length)
            yield Request(access.operation, offset, length, due_ns=due_ns)


def _made_stable(stream: Iterator[Request], workload: Workload) -> Iterator[Request]:
    """Add flushes after, and FUA to, every so many writes."""
    writes = 0
    for request in stream:
        if request.operation != WRITE:
            yield request
            continue
        writes += 1
        with_fua = workload.fua_every > 0 and writes % workload.fua_every == 0
        yield request._replace(fua=True) if with_fua else request
        if workload.flush_every and writes % workload.flush_every == 0:
            yield Request(FLUSH, request.offset, 0, due_ns=request.due_ns)
