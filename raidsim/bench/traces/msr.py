"""The block traces of MSR Cambridge, and others in their format.

Lines are ``Timestamp,Hostname,DiskNumber,Type,Offset,Size,ResponseTime``: the time in units of
100 ns (Windows' filetime), offset and size in bytes.

References: D. Narayanan, A. Donnelly, A. Rowstron, "Write off-loading: practical power management
for enterprise storage", FAST 2008; the traces' own README.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.bench.traces.access import Access, bad_line
from raidsim.md.bio import READ, WRITE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raidsim.bench.traces.access import Lines

NAME = "msr"
_TICK_NS = 100
_OPERATIONS = {"read": READ, "write": WRITE}
_COLUMNS = 7
_HEADING = "timestamp,hostname,"


def looks_right(line: str) -> bool:
    """Whether a first line is that of such a trace."""
    columns = line.split(",")
    return line.lower().startswith(_HEADING) or (
        len(columns) == _COLUMNS and columns[3].strip().lower() in _OPERATIONS
    )


def read(lines: Lines) -> Iterator[Access]:
    """The accesses; the disks of a host lie on one array."""
    for number, line in lines:
        if number == 1 and line.lower().startswith(_HEADING):
            continue
        try:
            ticks, _, _, kind, offset, size, *_ = line.split(",")
            access = Access(
                int(ticks) * _TICK_NS, _OPERATIONS[kind.strip().lower()], int(offset), int(size)
            )
        except (ValueError, KeyError):
            raise bad_line(number, line, "time,host,disk,Read or Write,offset,size,...") from None
        if access.offset < 0 or access.length < 0:
            raise bad_line(number, line, "no negative numbers")
        yield access
