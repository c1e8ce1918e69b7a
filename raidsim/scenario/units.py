"""Sizes, times and parts as people write them: ``64KiB``, ``20ms``, ``50%``."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from raidsim.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHIFTS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
# A file's offsets have 63 bits.
_END_BYTES = 1 << 63
_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "min": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_YEAR_NS = 365.25 * 24 * _NANOSECONDS["h"]
_END_NS = 1 << 63
SIZE_PATTERN = r"[0-9]+ ?([KMGT](iB)?|B)?"
DURATION_PATTERN = r"[0-9]+(\.[0-9]+)? ?(ns|us|µs|ms|s|min|h)"
PERCENT_PATTERN = r"[0-9]+(\.[0-9]+)? ?%"


def parse_size(value: object) -> int:
    """Return the bytes that a whole number, or a text with K, M, G or T for powers of 1024, means.

    Raises:
        UsageError: It is neither, or no file is that large.
    """
    if type(value) is int and value >= 0:
        size_bytes = value
    elif isinstance(value, str) and re.fullmatch(SIZE_PATTERN, value):
        number, unit = re.fullmatch(r"([0-9]+) ?([KMGT]?).*", value).groups()  # type: ignore[union-attr]  # it matched before
        size_bytes = int(number) << _SHIFTS[unit]
    else:
        raise UsageError(
            f"{value!r} is no size: write bytes, or a number with KiB, MiB, GiB or TiB"
        )
    if size_bytes >= _END_BYTES:
        raise UsageError(f"{value!r} is too large: sizes end at {_END_BYTES >> 40} TiB")
    return size_bytes


def parse_duration(value: object) -> int:
    """Return the nanoseconds that a text such as ``20ms`` means.

    Raises:
        UsageError: It is not a number with a unit of time, or no clock has that many ns.
    """
    if isinstance(value, str) and re.fullmatch(DURATION_PATTERN, value):
        number, unit = re.fullmatch(r"([0-9.]+) ?(.*)", value).groups()  # type: ignore[union-attr]  # as above
        time_ns = float(number) * _NANOSECONDS[unit]
        if time_ns >= _END_NS:
            raise UsageError(f"{value!r} is too long: times end at {_END_NS / _YEAR_NS:.0f} years")
        return round(time_ns)
    raise UsageError(f"{value!r} is no time: write a number with ns, us, ms, s, min or h")


def parse_percent(value: object) -> float:
    """Return the part of one that a text such as ``50%`` means.

    Raises:
        UsageError: It is not from 0% to 100%.
    """
    if isinstance(value, str) and re.fullmatch(PERCENT_PATTERN, value):
        part = float(value.rstrip(" %")) / 100
        if part <= 1:
            return part
    raise UsageError(f"{value!r} is no part of a whole: write 0% to 100%")


def size_text(size_bytes: int) -> str:
    """Return a size in the largest unit that it is a whole number of."""
    for unit, shift in reversed(_SHIFTS.items()):
        if size_bytes and not size_bytes & ((1 << shift) - 1):
            return f"{size_bytes >> shift} {unit}iB" if unit else f"{size_bytes} bytes"
    return f"{size_bytes} bytes"


def duration_text(time_ns: float) -> str:
    """Return a time in the unit that suits it, to three digits behind the point at most."""
    for unit in ("h", "min", "s", "ms", "us"):
        if time_ns >= _NANOSECONDS[unit]:
            return f"{time_ns / _NANOSECONDS[unit]:.3f}".rstrip("0").rstrip(".") + f" {unit}"
    return f"{time_ns:g} ns"


_SUFFIXES = {"_ns": parse_duration, "_bytes": parse_size}


def in_plain_units(table: Mapping[str, Any], cls: type) -> dict[str, Any]:
    """Return a table for the dataclass ``cls`` whose ``start = "3s"`` became ``start_ns``.

    A field whose name ends in ``_ns`` or ``_bytes`` may be given without that, as a text with a
    unit.

    Raises:
        UsageError: The text has no such unit.
    """
    known = {entry.name for entry in fields(cls)}
    plain = {}
    for key, value in table.items():
        for suffix, parse in _SUFFIXES.items():
            if key not in known and key + suffix in known:
                plain[key + suffix] = parse(value)
                break
        else:
            plain[key] = value
    return plain
