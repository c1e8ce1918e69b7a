"""One access of a trace, and what all readers say of a line that makes no sense."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from raidsim.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    # Lines with their numbers, none of them empty.
    Lines = Iterator[tuple[int, str]]

_SHOWN = 60


class Access(NamedTuple):
    """What a trace says of one access.

    Attributes:
        time_ns: When, by any clock.
        operation: ``READ``, ``WRITE`` or ``FLUSH``.
        offset: First byte, on a device of any size.
        length: Bytes.
    """

    time_ns: int
    operation: int
    offset: int
    length: int


def bad_line(number: int, line: str, expected: str) -> UsageError:
    """A line makes no sense."""
    shown = line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."
    return UsageError(f"line {number}: {shown!r}: expected {expected}")
