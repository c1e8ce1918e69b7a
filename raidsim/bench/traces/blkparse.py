"""What blkparse prints of a blktrace, in its default format: requests as they were queued.

References: blkparse(1), "TRACE ACTIONS", "RWBS DESCRIPTION" and "DEFAULT OUTPUT".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from raidsim.bench.traces.access import Access, bad_line
from raidsim.md.bio import FLUSH, READ, WRITE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raidsim.bench.traces.access import Lines

NAME = "blkparse"
# Device, CPU, sequence, seconds, process, action, RWBS, and what the action adds.
_EVENT = re.compile(r"\d+,\d+\s+\d+\s+\d+\s+(\d+)\.(\d{9})\s+\d+\s+(\w+)\s+(\w+)\s*(.*)")
_BEGINS_LIKE_ONE = re.compile(r"\d+,\d+\s")
_SECTORS = re.compile(r"(\d+) \+ (\d+)\b")
_QUEUED = "Q"
_SECTOR_SHIFT = 9


def looks_right(line: str) -> bool:
    """Whether a first line is an event."""
    return _EVENT.fullmatch(line) is not None


def read(lines: Lines) -> Iterator[Access]:
    """The accesses that were queued; the summary at the end, and discards, are passed over."""
    for number, line in lines:
        event = _EVENT.fullmatch(line)
        if event is None:
            if _BEGINS_LIKE_ONE.match(line):
                raise bad_line(number, line, "an event as blkparse prints it by default")
            continue
        seconds, nanoseconds, action, kind, rest = event.groups()
        if action != _QUEUED or "D" in kind:
            continue
        time_ns = int(seconds) * 1_000_000_000 + int(nanoseconds)
        place = _SECTORS.match(rest)
        if place is not None and ("R" in kind or "W" in kind):
            operation = READ if "R" in kind else WRITE
            offset, length = (int(part) << _SECTOR_SHIFT for part in place.groups())
            if length:
                yield Access(time_ns, operation, offset, length)
        elif "F" in kind:
            yield Access(time_ns, FLUSH, 0, 0)
