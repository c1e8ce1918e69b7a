"""fio's iologs, versions 2 and 3, as ``write_iolog`` makes them.

References: fio's HOWTO, "Trace file format".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from raidsim.bench.traces.access import Access, bad_line
from raidsim.md.bio import FLUSH, READ, WRITE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raidsim.bench.traces.access import Lines

NAME = "iolog"
_HEADER = re.compile(r"fio version ([23]) iolog")
_OPERATIONS = {"read": READ, "write": WRITE, "sync": FLUSH, "datasync": FLUSH}
# Of files, and trims, which have no counterpart on a parity array.
_PASSED_OVER = {"add", "open", "close", "trim"}
_MS = 1_000_000
_US = 1_000


def looks_right(line: str) -> bool:
    """Whether a first line is that of an iolog."""
    return _HEADER.fullmatch(line) is not None


def read(lines: Lines) -> Iterator[Access]:
    """The accesses; all files of the log lie on one array.

    Version 3 has a time in milliseconds on each line, version 2 only ``wait``, in microseconds.
    """
    number, line = next(lines)
    header = _HEADER.fullmatch(line)
    if header is None:
        raise bad_line(number, line, "'fio version 2 iolog' or 3")
    stamped = header[1] == "3"
    now_ns = 0
    for number, line in lines:
        words = line.split()
        try:
            if stamped:
                now_ns = int(words.pop(0)) * _MS
            action = words[1]
            if action in _PASSED_OVER:
                continue
            if action == "wait" and not stamped:
                now_ns += int(words[2]) * _US
                continue
            operation = _OPERATIONS[action]
            offset, length = (0, 0) if operation == FLUSH else (int(words[2]), int(words[3]))
        except (ValueError, IndexError, KeyError):
            expected = f"{'a time in ms, ' if stamped else ''}a file, an action, offset and length"
            raise bad_line(number, line, expected) from None
        if offset < 0 or length < 0:
            raise bad_line(number, line, "no negative numbers")
        yield Access(now_ns, operation, offset, length)
