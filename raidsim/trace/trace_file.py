"""A trace in the JSON that chrome://tracing reads, and ui.perfetto.dev with it.

Reference: "Trace Event Format", Google, 2016. Times are microseconds there, with as many decimals
as one likes; here always three, so that nanoseconds are exact.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    Details = Mapping[str, object]


class Track(NamedTuple):
    """A line of the picture: a thread of a process, as the format has it."""

    pid: int
    tid: int


class TraceFile:
    """Writes a trace piece by piece; the same calls write the same bytes.

    Args:
        file: Where it is written; ``close`` leaves it open.
        groups: The groups of tracks, in the order in which they are shown.
    """

    def __init__(self, file: TextIO, groups: tuple[str, ...]) -> None:
        self._file = file
        self._separator = "\n"
        self._tracks: dict[tuple[str, str], Track] = {}
        self._arrows = 0
        self._pids = {group: number for number, group in enumerate(groups, 1)}
        file.write('{"displayTimeUnit":"ns","traceEvents":[')
        for group, pid in self._pids.items():
            self._metadata("process_name", Track(pid, 0), name=group)
            self._metadata("process_sort_index", Track(pid, 0), sort_index=pid)

    def close(self) -> None:
        """Write the end; without it the viewers read the file all the same."""
        self._file.write("\n]}\n")

    def track(self, group: str, name: str) -> Track:
        """Return the track called ``name``; within a group they are ordered by number and name."""
        track = self._tracks.get((group, name))
        if track is None:
            track = self._tracks[group, name] = Track(self._pids[group], len(self._tracks) + 1)
            digits = re.search(r"\d+", name)
            self._metadata("thread_name", track, name=name)
            self._metadata("thread_sort_index", track, sort_index=int(digits[0]) if digits else 0)
        return track

    def begin(self, track: Track, name: str, time_ns: int, details: Details) -> None:
        """Write that something begins, inside of what the track is at."""
        self._write(
            f'"ph":"B","name":{json.dumps(name)},{_place(track, time_ns)}{_arguments(details)}'
        )

    def end(self, track: Track, time_ns: int, details: Details) -> None:
        """Write that what the track began last ends."""
        self._write(f'"ph":"E",{_place(track, time_ns)}{_arguments(details)}')

    def slice(self, track: Track, name: str, start_ns: int, end_ns: int, details: Details) -> None:
        """Write something that has ended and began at ``start_ns``."""
        self._write(
            f'"ph":"X","name":{json.dumps(name)},{_place(track, start_ns)}'
            f',"dur":{_microseconds(end_ns - start_ns)}{_arguments(details)}'
        )

    def instant(self, track: Track, name: str, time_ns: int, details: Details) -> None:
        """Write something that happened at a time."""
        self._write(
            f'"ph":"i","s":"t","name":{json.dumps(name)},{_place(track, time_ns)}'
            f"{_arguments(details)}"
        )

    def counter(self, track: Track, name: str, time_ns: int, value: int) -> None:
        """Write that something counts ``value`` from now on."""
        self._write(
            f'"ph":"C","name":{json.dumps(name)},{_place(track, time_ns)}'
            f"{_arguments({'value': value})}"
        )

    def arrow(self, start: Track, start_ns: int, end: Track, end_ns: int) -> None:
        """Write that what ``start`` is at at one time led to what ``end`` is at at another.

        What they are at has to be written before.
        """
        self._arrows += 1
        flow = f'"cat":"flow","name":"flow","id":{self._arrows}'
        self._write(f'"ph":"s",{flow},{_place(start, start_ns)}')
        self._write(f'"ph":"f","bp":"e",{flow},{_place(end, end_ns)}')

    def _metadata(self, what: str, track: Track, **arguments: object) -> None:
        self._write(
            f'"ph":"M","name":"{what}","pid":{track.pid},"tid":{track.tid}{_arguments(arguments)}'
        )

    def _write(self, members: str) -> None:
        self._file.write(f"{self._separator}{{{members}}}")
        self._separator = ",\n"


def _place(track: Track, time_ns: int) -> str:
    return f'"pid":{track.pid},"tid":{track.tid},"ts":{_microseconds(time_ns)}'


def _microseconds(time_ns: int) -> str:
    return f"{time_ns // 1000}.{time_ns % 1000:03}"


def _arguments(details: Details) -> str:
    return f',"args":{json.dumps(details, separators=(",", ":"))}' if details else ""
