"""How mdadm 4.2 words sizes, names and times, in all that it prints (its util.c and lib.c)."""

from __future__ import annotations

import os
import time

_LEVELS = {
    -4: "multipath",
    -1: "linear",
    0: "raid0",
    1: "raid1",
    4: "raid4",
    5: "raid5",
    6: "raid6",
    10: "raid10",
}

# Below this a size is a plain number.
_HUMAN_BYTES = 5000 * 1024
_PREFIXES = " KMGT"

_IN_FILE_NAMES = str.maketrans({" ": "_", "\t": "_", "/": "-"})
_OTHER_QUOTE = {'"': "'", "'": '"'}


def level_name(level: int) -> str | None:
    """Return "raid6" for 6, None for a level that mdadm does not know."""
    return _LEVELS.get(level)


def human_size(size_bytes: int) -> str:
    """Return a size as mdadm adds it to a number: " (18.53 MiB 19.43 MB)", "" below 5000K."""
    if size_bytes < _HUMAN_BYTES:
        return ""
    exponent = _exponent(size_bytes)
    hundredths = (size_bytes * 200 // 1024**exponent + 1) // 2
    binary = f"{hundredths // 100}.{hundredths % 100:02} {_PREFIXES[exponent]}iB"
    return f" ({binary} {_decimal(size_bytes)} {_PREFIXES[exponent]}B)"


def short_size(size_bytes: int) -> str:
    """Return a size as mdadm exports it: "19.43MB", "" below 5000K."""
    if size_bytes < _HUMAN_BYTES:
        return ""
    return f"{_decimal(size_bytes)}{_PREFIXES[_exponent(size_bytes)]}B"


def _exponent(size_bytes: int) -> int:
    return 2 if size_bytes < 2 << 30 else 3 if size_bytes < 2 << 40 else 4


def _decimal(size_bytes: int) -> str:
    hundredths = (size_bytes // (1000 ** _exponent(size_bytes) // 200) + 1) // 2
    return f"{hundredths // 100}.{hundredths % 100:02}"


def seconds(stamp: int) -> int:
    """Return a superblock's time in seconds since 1970: its low 40 bits are, the others are not."""
    return stamp & 0xFFFFFFFFFF


def time_text(stamp: int) -> str:
    """Return a superblock's time as mdadm prints it."""
    return time.ctime(seconds(stamp))[:24]


def name_text(name: str) -> str:
    """Return an array's name, and if it was made on this host, that it was."""
    host = os.uname().nodename
    return f"{name}  (local to host {host})" if name.startswith(f"{host}:") else name


def device_path(name: str) -> str:
    """Return where mdadm would put a device for an array of this name: /dev/md/home."""
    _, colon, rest = name.partition(":")
    return f"/dev/md/{(rest if colon else name).translate(_IN_FILE_NAMES)}"


def quoted(text: str) -> str:
    """Return a word of mdadm.conf, in quotes if it needs them.

    mdadm.conf has no escape character: a quote in the text lies in quotes of the other kind.
    """
    if not set(text) & {" ", "\t", *_OTHER_QUOTE}:
        return text
    first = next((character for character in text if character in _OTHER_QUOTE), "'")
    quote = _OTHER_QUOTE[first]
    word = quote
    for character in text:
        if character == quote:
            quote = _OTHER_QUOTE[quote]
            word += character + quote
        word += character
    return word + quote
