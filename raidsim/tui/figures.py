"""Numbers as short texts of a fixed width, and small pictures of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SPARKS = "▁▂▃▄▅▆▇█"
_BAR_PARTS = " ▏▎▍▌▋▊▉█"


def rate(value: float) -> str:
    """Return how many a second, in at most 6 characters: "-" for none, "12.3k"."""
    if value <= 0:
        return "-"
    for unit in ("", "k", "M"):
        if value < 999.5:
            return f"{value:.1f}{unit}" if value < 99.95 and unit else f"{value:.0f}{unit}"
        value /= 1000
    return f"{value:.0f}G"


def byte_rate(value: float) -> str:
    """Return so many bytes a second in MB/s, in at most 7 characters."""
    if value <= 0:
        return "-"
    megabytes = value / 1e6
    if megabytes >= 99.95:
        return f"{megabytes:.0f}"
    return f"{megabytes:.1f}" if megabytes >= 0.05 else "<0.1"


def latency(value_ns: int | None) -> str:
    """Return a latency in at most 7 characters: "85 µs", "1.2 ms", "3.4 s"."""
    if value_ns is None:
        return "-"
    for unit, size in (("µs", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)):
        scaled = value_ns / size
        if scaled < 999.5 or unit == "s":
            return f"{scaled:.1f} {unit}" if scaled < 9.95 else f"{scaled:.0f} {unit}"
    raise AssertionError


def duration(seconds: float) -> str:
    """Return a time to wait: "0:42", "1:02:03"."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(value_bytes: int) -> str:
    """Return a size with a binary unit: "189.0 MiB"."""
    scaled = float(value_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if scaled < 1024:
            return f"{scaled:.0f} {unit}" if unit == "B" else f"{scaled:.1f} {unit}"
        scaled /= 1024
    return f"{scaled:.1f} TiB"


def sparkline(values: Sequence[float], width: int) -> str:
    """Return the last ``width`` values as bars, scaled to the highest, at the right."""
    shown = list(values)[-width:] if width > 0 else []
    highest = max(shown, default=0)
    if highest <= 0:
        return ("▁" * len(shown)).rjust(width)
    top = len(_SPARKS) - 1
    bars = (_SPARKS[0 if value <= 0 else max(1, round(value / highest * top))] for value in shown)
    return "".join(bars).rjust(width)


def bar(share: float, width: int) -> str:
    """Return a bar of ``width`` that is filled for ``share`` of it."""
    eighths = round(min(max(share, 0), 1) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_BAR_PARTS[rest] if rest else "")).ljust(width)
