"""Listens to a machine and draws what it hears: who did what when, and what for.

Requests, stripes, CPU, channels and disks have tracks. Arrows lead from a request to its stripes,
from these to descriptors, to the CPU and to disks, and from what has ended back to what it was for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from raidsim.disk.events import PowerFailed
from raidsim.trace.canvas import Canvas
from raidsim.trace.hardware_tracks import ChannelTracks, CpuTracks, DiskTracks
from raidsim.trace.md_tracks import ArrayTracks, RequestTracks
from raidsim.trace.trace_file import TraceFile

if TYPE_CHECKING:
    from typing import Any, TextIO

    from raidsim.trace.canvas import Handler, Tracks

_GROUPS = ("array", "requests", "stripe cache", "CPU", "channels", "disks")


class Tracer:
    """A listener that writes a trace.

    Args:
        file: Where to; ``close`` leaves it open.
        marks: Kinds of events that somebody else has, named tuples, to be drawn as what happened.
    """

    def __init__(self, file: TextIO, marks: tuple[type, ...] = ()) -> None:
        self._file = TraceFile(file, _GROUPS)
        self._canvas = Canvas(self._file)
        self._end_ns = 0
        self._parts: tuple[Tracks, ...] = (
            ArrayTracks(self._canvas),
            RequestTracks(self._canvas),
            CpuTracks(self._canvas),
            ChannelTracks(self._canvas),
            DiskTracks(self._canvas),
        )
        self._handlers: dict[type, Handler] = {}
        for part in self._parts:
            self._handlers.update(part.handlers)
        self._handlers.update(dict.fromkeys(marks, self._mark))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def listen(self, time_ns: int, event: object) -> None:
        """Draw ``event``; one of a kind not known here is left out."""
        self._end_ns = time_ns
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(time_ns, event)
        if type(event) is PowerFailed:
            self._forget("the power was cut")

    def _mark(self, time_ns: int, event: Any) -> None:
        track = self._file.track("array", "0 events")
        self._file.instant(track, ": ".join(map(str, event)), time_ns, event._asdict())

    def close(self) -> None:
        """End what is under way, and the file."""
        self._forget("the trace ends")
        self._file.close()

    def _forget(self, why: str) -> None:
        """End what will never tell of its end."""
        for part in self._parts:
            part.forget(self._end_ns)
        self._canvas.end_all(self._end_ns, {"ended": why})
