"""fio's job files, read as they are: the part of their options that says something here.

References: fio's HOWTO, "Job file format" and "Job file parameters".
"""

from __future__ import annotations

import re
from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raidsim.bench.traces import Trace
from raidsim.bench.workload import Workload
from raidsim.errors import UsageError
from raidsim.tables import TableError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SIZE = re.compile(r"(\d+)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_TIME = re.compile(r"(\d+)\s*(d|h|m|s|ms|us|usec|msec)?", re.IGNORECASE)
_TIME_NS = {
    "d": 86_400_000_000_000,
    "h": 3_600_000_000_000,
    "m": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": 1_000_000,
    "msec": 1_000_000,
    "us": 1_000,
    "usec": 1_000,
}
_RW = {"readwrite": "rw"}
_MOST_SIZES = 4096


def _size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError("a size, with k, m, g or t for powers of 1024 behind it if need be")
    return int(match[1]) << 10 * " kmgt".index(match[2].lower() or " ")


def _time(unit: str) -> Callable[[str], int]:
    def parse(text: str) -> int:
        match = _TIME.fullmatch(text)
        if match is None:
            raise ValueError("a time, with d, h, m, s, ms or us behind it if need be")
        return int(match[1]) * _TIME_NS[(match[2] or unit).lower()]

    return parse


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("a whole number")
    return int(text)


def _real(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("a number") from None


def _flag(text: str) -> bool:
    if text not in {"", "0", "1"}:
        raise ValueError("0 or 1")
    return text != "0"


def _one_of(choices: Mapping[str, Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        if text not in choices:
            raise ValueError(suggest(text, choices))
        return choices[text]

    return parse


def _bssplit(text: str) -> tuple[tuple[int, int], ...]:
    parts = [part.partition("/") for part in text.split(":")]
    shares = [_number(share) for _, _, share in parts if share]
    blank = sum(not share for _, _, share in parts)
    # Sizes without a share divide what the others leave.
    rest = (100 - sum(shares)) // blank if blank else 0
    return tuple((_size(size), _number(share) if share else rest) for size, _, share in parts)


def _bsrange(text: str) -> tuple[tuple[int, int], ...]:
    low, _, high = text.partition("-")
    smallest, largest = _size(low), _size(high)
    if not 0 < smallest <= largest <= smallest * _MOST_SIZES:
        raise ValueError(f"from a size to one up to {_MOST_SIZES} times as large, as in 4k-64k")
    return tuple((size, 1) for size in range(smallest, largest + 1, smallest))


# Option, to the field of a Workload and what makes its value.
_FIELDS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "rw": ("rw", lambda text: _RW.get(text, text)),
    "rwmixread": ("read_percent", _number),
    "rwmixwrite": ("read_percent", lambda text: 100 - _number(text)),
    "bs": ("block_bytes", _size),
    "bssplit": ("block_split", _bssplit),
    "bsrange": ("block_split", _bsrange),
    "random_distribution": ("distribution", lambda text: text.replace("random", "uniform")),
    "offset": ("offset_bytes", _size),
    "size": ("size_bytes", _size),
    "iodepth": ("depth", _number),
    "rate_iops": ("rate_per_second", _real),
    "rate_process": ("arrivals", _one_of({"linear": "constant", "poisson": "poisson"})),
    "thinktime": ("think_ns", _time("us")),
    "fsync": ("flush_every", _number),
    "fdatasync": ("flush_every", _number),
    "sync": (
        "fua_every",
        _one_of({"0": 0, "none": 0, "1": 1, "sync": 1, "dsync": 1}),
    ),
    "loops": ("passes", _number),
    "number_ios": ("requests", _number),
    "runtime": ("duration_ns", _time("s")),
    "startdelay": ("start_ns", _time("s")),
    "verify": ("verify", lambda text: text not in {"0", "none"}),
    "continue_on_error": ("continue_on_error", _one_of({"none": False, "all": True, "io": True})),
}
# The same, of what is not a field by itself.
_OTHERS: dict[str, Callable[[str], Any]] = {
    "numjobs": _number,
    "rate": _size,
    "read_iolog": str,
    "replay_no_stall": _flag,
    "replay_time_scale": _number,
    "stonewall": _flag,
    "time_based": _flag,
}
_ALIASES = {
    "blocksize": "bs",
    "blocksize_range": "bsrange",
    "io_limit": "io_size",
    "readwrite": "rw",
    "wait_for_previous": "stonewall",
}
IGNORED = frozenset(
    {
        *("allow_file_create", "buffered", "create_on_open", "create_serialize", "description"),
        *("direct", "directory", "disable_clat", "disable_lat", "disable_slat", "do_verify"),
        *("end_fsync", "exitall", "fallocate", "filename", "filesize", "group_reporting"),
        *("gtod_reduce", "ioengine", "invalidate", "iodepth_batch", "iodepth_batch_complete"),
        *("iodepth_batch_complete_min", "iodepth_low", "log_avg_msec", "name", "norandommap"),
        *("nrfiles", "overwrite", "prio", "randrepeat", "randseed", "refill_buffers"),
        *("replay_redirect", "scramble_buffers", "serialize_overlap", "thread", "userspace_reap"),
        *("verify_fatal", "write_bw_log", "write_iops_log", "write_lat_log", "zero_buffers"),
    }
)
"""Options that change nothing here: how fio itself works, and what its buffers hold."""


def read_fio_job(path: str) -> list[list[Workload]]:
    """Return the jobs of a file, in groups: the jobs of one run at once, the groups in turn.

    A ``stonewall`` begins a group. Unlike in fio, a job's ``size`` may be left out and is then the
    rest of the array.

    Raises:
        TableError: Options are unknown, or values make no sense; all that is wrong is said at once.
        UsageError: The file can not be read, or is no job file.
    """
    parser = ConfigParser(
        default_section="global",
        delimiters=("=",),
        comment_prefixes=("#", ";"),
        inline_comment_prefixes=(" #", " ;"),
        allow_no_value=True,
        interpolation=None,
    )
    try:
        text = Path(path).read_text(encoding="utf-8")
        # An indented line is no continuation in fio.
        parser.read_string("\n".join(line.strip() for line in text.splitlines()), path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (ConfigError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: no job file of fio: {' '.join(str(error).split())}") from None
    if not parser.sections():
        raise UsageError(f"{path}: no jobs in it; a job begins with its name in [brackets]")
    mistakes: list[str] = []
    groups: list[list[Workload]] = [[]]
    for name in parser.sections():
        options = {key: value or "" for key, value in parser.items(name)}
        made, stonewall = _job(name, options, mistakes)
        if stonewall and groups[-1]:
            groups.append([])
        groups[-1] += made
    if mistakes:
        raise TableError(path, dict.fromkeys(mistakes))
    return groups


def _job(name: str, options: Mapping[str, str], mistakes: list[str]) -> tuple[list[Workload], bool]:
    """The workloads of one job, and whether it waits for those before it."""
    fields: dict[str, Any] = {"name": name}
    others: dict[str, Any] = {}
    before = len(mistakes)
    for written, text in options.items():
        option = _ALIASES.get(written, written)
        if option in IGNORED:
            continue
        if option not in _FIELDS and option not in _OTHERS:
            known = suggest(option, [*_FIELDS, *_OTHERS, *_ALIASES])
            mistakes.append(f"[{name}] {written}: {_unknown(known)}")
            continue
        try:
            if option in _FIELDS:
                field, parse = _FIELDS[option]
                fields[field] = parse(text)
            else:
                others[option] = _OTHERS[option](text)
        except ValueError as error:
            mistakes.append(f"[{name}] {written} = {text!r}: expected {error}")
    if len(mistakes) > before:
        return [], False
    _add_others(fields, others)
    try:
        workload = Workload(**fields)
    except TableError as error:
        mistakes += [f"[{name}] {mistake}" for mistake in error.mistakes]
        return [], False
    return [workload] * others.get("numjobs", 1), others.get("stonewall", False)


def _add_others(fields: dict[str, Any], others: dict[str, Any]) -> None:
    """What several options say together."""
    if "duration_ns" in fields and not others.get("time_based") and not fields.get("passes"):
        fields["passes"] = 1
    if fields.get("requests"):
        fields.setdefault("passes", 1)
    if "verify" not in fields:
        fields["verify"] = False
    if "rate" in others:
        sizes = fields.get("block_split") or ((fields.get("block_bytes", 4096), 1),)
        mean = sum(size * share for size, share in sizes) / sum(share for _, share in sizes)
        fields["rate_per_second"] = others["rate"] / mean
    if "read_iolog" in others:
        scale = others.get("replay_time_scale", 100) / 100
        fields["trace"] = Trace(
            path=others["read_iolog"], time_scale=0 if others.get("replay_no_stall") else scale
        )


def _unknown(suggestion: str) -> str:
    """Fio has hundreds of options, so a list of those known here is for its own page."""
    if suggestion.startswith("did you mean"):
        return f"unknown; {suggestion}"
    return "unknown, or of no meaning here"
