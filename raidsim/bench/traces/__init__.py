"""Traces of real programs, read as they are: one module a format, line by line."""

from __future__ import annotations

import gzip
import math
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from raidsim.bench.traces import blkparse, iolog, msr, spc
from raidsim.errors import UsageError
from raidsim.tables import TableError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from raidsim.bench.traces.access import Access

_FORMATS: dict[str, ModuleType] = {module.NAME: module for module in (iolog, blkparse, msr, spc)}
FORMATS = tuple(_FORMATS)
"""The names of the formats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A recorded trace, and how it is replayed.

    Attributes:
        path: The file; one that ends in ``.gz`` is unpacked on the way.
        format: One of ``FORMATS``; empty to tell it from the first line.
        time_scale: Its times are multiplied by this; 0 to replay it in a closed loop.
        limit: How many of its accesses are replayed at most; 0 for all.
    """

    path: str
    format: str = ""
    time_scale: float = 1.0
    limit: int = 0

    def __post_init__(self) -> None:
        mistakes = []
        if self.format and self.format not in FORMATS:
            mistakes.append(f"format = {self.format!r}: {suggest(self.format, FORMATS)}")
        mistakes += [
            f"{name} = {value}: a number, at least 0"
            for name, value in (("time_scale", self.time_scale), ("limit", self.limit))
            if not 0 <= value < math.inf
        ]
        if mistakes:
            raise TableError("trace", mistakes)


@contextmanager
def open_trace(trace: Trace) -> Iterator[Iterator[Access]]:
    """Give the accesses of ``trace`` as they are read; never more than a line is held.

    Times begin at 0 and never go back.

    Raises:
        UsageError: The file can not be read, or a line makes no sense; it is named.
    """
    try:
        open_text = gzip.open if trace.path.endswith(".gz") else open
        file = open_text(trace.path, "rt", encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{trace.path}: {error.strerror}") from None
    with file:
        lines = _numbered(trace.path, file)
        first = next(lines, None)
        if first is None:
            raise UsageError(f"{trace.path}: an empty trace")
        name = trace.format or _recognise(trace.path, first[1])
        accesses = _FORMATS[name].read(chain([first], lines))
        yield islice(_from_zero(trace.path, accesses), trace.limit or None)


def _numbered(path: str, file: Iterator[str]) -> Iterator[tuple[int, str]]:
    """The lines that are not empty, with their numbers."""
    number = 0
    try:
        for number, line in enumerate(file, 1):
            if text := line.strip():
                yield number, text
    except (OSError, EOFError) as error:
        raise UsageError(f"{path}: line {number + 1}: {error}") from None


def _recognise(path: str, line: str) -> str:
    for name, module in _FORMATS.items():
        if module.looks_right(line):
            return name
    raise UsageError(
        f"{path}: its first line is of no known format; name one of {', '.join(FORMATS)}"
    )


def _from_zero(path: str, accesses: Iterator[Access]) -> Iterator[Access]:
    """Let time begin with the first access, and not go back."""
    first_ns = latest_ns = None
    try:
        for access in accesses:
            if first_ns is None or latest_ns is None:
                first_ns = latest_ns = access.time_ns
            latest_ns = max(latest_ns, access.time_ns)
            yield access._replace(time_ns=latest_ns - first_ns)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
