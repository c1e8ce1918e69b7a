"""The Storage Performance Council's trace format, as in the UMass trace repository.

Lines are ``ASU,LBA,Size,Opcode,Timestamp``, with more fields allowed behind them: the address in
blocks of 512 bytes, the size in bytes, ``R`` or ``W``, and the time in seconds.

References: Storage Performance Council, "SPC trace file format specification", revision 1.0.1.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from raidsim.bench.traces.access import Access, bad_line
from raidsim.md.bio import READ, WRITE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raidsim.bench.traces.access import Lines

NAME = "spc"
_BLOCK_BYTES = 512
_OPERATIONS = {"R": READ, "W": WRITE}
_COLUMNS = 5


def looks_right(line: str) -> bool:
    """Whether a first line is that of such a trace."""
    columns = line.split(",")
    return len(columns) >= _COLUMNS and columns[3].strip().upper() in _OPERATIONS


def read(lines: Lines) -> Iterator[Access]:
    """The accesses; application storage units lie on one array."""
    for number, line in lines:
        try:
            _, block, size, kind, seconds, *_ = line.split(",")
            access = Access(
                round(Decimal(seconds.strip()) * 1_000_000_000),
                _OPERATIONS[kind.strip().upper()],
                int(block) * _BLOCK_BYTES,
                int(size),
            )
        except (ValueError, KeyError, ArithmeticError):
            raise bad_line(number, line, "ASU,LBA,size,R or W,seconds") from None
        if access.offset < 0 or access.length < 0:
            raise bad_line(number, line, "no negative numbers")
        yield access
