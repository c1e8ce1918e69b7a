"""Sets of sectors: ranges, as a table names them or as GNU ddrescue maps them."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from pathlib import Path
from typing import TYPE_CHECKING

from raidsim.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MAP_LINE = re.compile(r"(0x[0-9a-f]+|[0-9]+)\s+(0x[0-9a-f]+|[0-9]+)\s+([?*/+-])\s*", re.IGNORECASE)
_STATUS_LINE = re.compile(r"(0x[0-9a-f]+|[0-9]+)\s+[?*/+FG-](\s+[0-9]+)?\s*", re.IGNORECASE)


class Extents:
    """A set of sectors, kept as disjoint ranges in order.

    Args:
        ranges: Pairs of a first sector and a number of sectors; they may overlap.
    """

    __slots__ = ("_ends", "_starts")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for sector, count in ranges:
            self.add(sector, count)

    @classmethod
    def from_plain(cls, value: object) -> Extents:
        """Return the set that a table names: a list of pairs, or the path of a ddrescue map.

        Raises:
            UsageError: It is neither, or the map cannot be read.
        """
        if isinstance(value, str):
            return read_ddrescue_map(value)
        if isinstance(value, (list, tuple)) and all(map(_is_range, value)):
            return cls((sector, count) for sector, count in value)
        raise UsageError(
            f"{value!r} names no sectors: expected pairs of a first sector and a number of sectors,"
            f" or the path of a ddrescue map"
        )

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for start, end in zip(self._starts, self._ends, strict=True):
            yield start, end - start

    def __repr__(self) -> str:
        return f"Extents({list(self)})"

    def add(self, sector: int, count: int) -> None:
        """Put ``count`` sectors from ``sector`` on into the set."""
        if count <= 0:
            return
        end = sector + count
        # What touches the new range becomes part of it.
        low = bisect_left(self._ends, sector)
        high = bisect_right(self._starts, end)
        if low < high:
            sector = min(sector, self._starts[low])
            end = max(end, self._ends[high - 1])
        self._starts[low:high] = [sector]
        self._ends[low:high] = [end]

    def remove(self, sector: int, count: int) -> None:
        """Take ``count`` sectors from ``sector`` on out of the set."""
        end = sector + count
        low = bisect_right(self._ends, sector)
        high = bisect_left(self._starts, end)
        if count <= 0 or low >= high:
            return
        first, last = self._starts[low], self._ends[high - 1]
        left = [(first, sector)] if first < sector else []
        right = [(end, last)] if end < last else []
        self._starts[low:high] = [start for start, _ in left + right]
        self._ends[low:high] = [stop for _, stop in left + right]

    def overlap(self, sector: int, count: int) -> list[tuple[int, int]]:
        """The ranges of the set within ``count`` sectors from ``sector`` on."""
        end = sector + count
        low = bisect_right(self._ends, sector)
        high = bisect_left(self._starts, end)
        return [
            (max(start, sector), min(stop, end) - max(start, sector))
            for start, stop in zip(self._starts[low:high], self._ends[low:high], strict=True)
        ]


def read_ddrescue_map(path: str | Path) -> Extents:
    """The sectors that a mapfile of GNU ddrescue does not call rescued (``+``).

    As nbdkit's ddrescue filter has it, whatever was not rescued is bad: also what was not tried,
    trimmed or scraped. A sector that is bad in part is bad.

    Raises:
        UsageError: The file cannot be read, or is no mapfile.
    """
    try:
        lines = Path(path).read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise UsageError(f"ddrescue map {str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"ddrescue map {str(path)!r} is not text") from error
    bad = Extents()
    status_seen = False
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        if not status_seen and _STATUS_LINE.fullmatch(text):
            status_seen = True
            continue
        match = _MAP_LINE.fullmatch(text)
        if match is None:
            raise UsageError(
                f"ddrescue map {str(path)!r}, line {number}: expected a position, a size and one of"
                f" ?*/-+, not {text!r}"
            )
        if match[3] != "+":
            position, size = int(match[1], 0), int(match[2], 0)
            first = position >> 9
            bad.add(first, -(-(position + size) >> 9) - first)
    return bad


def _is_range(value: object) -> bool:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        return False
    sector, count = value
    return type(sector) is int and type(count) is int and sector >= 0 and count > 0
