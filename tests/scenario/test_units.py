from __future__ import annotations

from dataclasses import dataclass

import pytest

from raidsim.errors import UsageError
from raidsim.scenario.units import (
    duration_text,
    in_plain_units,
    parse_duration,
    parse_percent,
    parse_size,
    size_text,
)


@pytest.mark.parametrize(
    ("value", "size_bytes"),
    [
        (0, 0),
        (4096, 4096),
        ("512", 512),
        ("512 B", 512),
        ("64K", 1 << 16),
        ("64KiB", 1 << 16),
        ("4 MiB", 4 << 20),
        ("1G", 1 << 30),
        ("2TiB", 2 << 40),
    ],
)
def test_sizes(value, size_bytes):
    assert parse_size(value) == size_bytes


@pytest.mark.parametrize("value", [-1, 1.5, True, "", "4 MB", "4m", "K", "1.5M", "4KiB ", None])
def test_what_is_no_size(value):
    with pytest.raises(UsageError, match="is no size"):
        parse_size(value)


@pytest.mark.parametrize(
    ("value", "time_ns"),
    [
        ("100ns", 100),
        ("5us", 5000),
        ("5 µs", 5000),
        ("20ms", 20000000),
        ("1.5s", 1500000000),
        ("2min", 120000000000),
        ("1h", 3600000000000),
    ],
)
def test_times(value, time_ns):
    assert parse_duration(value) == time_ns


@pytest.mark.parametrize("value", [3, 3.5, "4", "-1s", "3 sec", "1s 5ms", "", None])
def test_what_is_no_time(value):
    with pytest.raises(UsageError, match="is no time"):
        parse_duration(value)


@pytest.mark.parametrize(
    ("parse", "last", "beyond"),
    [
        (parse_size, "8388607T", "8388608T"),
        (parse_size, (1 << 63) - 1, 1 << 63),
        (parse_duration, "2562047h", "2562048h"),
        (parse_duration, "9223372035s", "9" * 400 + "s"),
    ],
)
def test_what_64_bits_do_not_hold_is_refused(parse, last, beyond):
    parse(last)
    with pytest.raises(UsageError, match=r"is too (large|long)"):
        parse(beyond)


@pytest.mark.parametrize(("value", "part"), [("0%", 0), ("50%", 0.5), ("2.5 %", 0.025)])
def test_percents(value, part):
    assert parse_percent(value) == part


@pytest.mark.parametrize("value", [0.5, "0.7", "101%", "-1%", "%"])
def test_what_is_no_percent(value):
    with pytest.raises(UsageError, match="is no part of a whole"):
        parse_percent(value)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 bytes"), (512, "512 bytes"), (1024, "1 KiB"), (1536, "1536 bytes"), (4 << 20, "4 MiB")],
)
def test_sizes_in_words(size_bytes, text):
    assert size_text(size_bytes) == text


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1500, "1.5 us"),
        (20000000, "20 ms"),
        (10**9, "1 s"),
        (90000000000, "1.5 min"),
    ],
)
def test_times_in_words(time_ns, text):
    assert duration_text(time_ns) == text


@dataclass
class Timed:
    delay_ns: int = 0
    block_bytes: int = 0
    name: str = ""


def test_fields_in_nanoseconds_and_bytes_may_be_given_with_a_unit():
    table = {"delay": "3ms", "block": "4K", "name": "x", "other": 1}
    plain = {"delay_ns": 3_000_000, "block_bytes": 4096, "name": "x", "other": 1}
    assert in_plain_units(table, Timed) == plain
    assert in_plain_units(plain, Timed) == plain
