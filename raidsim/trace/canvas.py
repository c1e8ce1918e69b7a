"""What the parts of a picture share: tracks on which nothing overlaps, and what is under way."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any

    from raidsim.trace.trace_file import Details, TraceFile, Track

    Handler = Callable[[int, Any], None]


def status_name(status: int) -> str:
    """Return how something ended: "ok" for 0, else the name of the errno."""
    return errno.errorcode.get(status, str(status)) if status else "ok"


class Lanes:
    """The tracks of a disk, a channel or a queue: as many as it does things at once.

    Args:
        file: Where they are.
        group: The group they are part of.
        name: Of the first; the others have a number behind it.
    """

    def __init__(self, file: TraceFile, group: str, name: str) -> None:
        self._file = file
        self._group = group
        self._name = name
        # Per lane the time from which it is free, or None while it is taken.
        self._free_ns: list[int | None] = []

    @property
    def first(self) -> Track:
        """The one that there is always."""
        return self._track(0)

    def take(self, start_ns: int, free_ns: int | None = None) -> tuple[int, Track]:
        """Return a lane and its track for something that began at ``start_ns``.

        It is free again at ``free_ns``, or when ``give_back`` is called.
        """
        for lane, since_ns in enumerate(self._free_ns):
            if since_ns is not None and since_ns <= start_ns:
                self._free_ns[lane] = free_ns
                return lane, self._track(lane)
        self._free_ns.append(free_ns)
        lane = len(self._free_ns) - 1
        return lane, self._track(lane)

    def give_back(self, lane: int, free_ns: int) -> None:
        """Let others have ``lane`` from ``free_ns`` on."""
        self._free_ns[lane] = free_ns

    def _track(self, lane: int) -> Track:
        return self._file.track(self._group, f"{self._name} ({lane + 1})" if lane else self._name)


class _Slice(NamedTuple):
    """Something under way, and where it is drawn."""

    lanes: Lanes
    lane: int
    track: Track


class Canvas:
    """A trace file, and what is under way in it.

    Args:
        file: The file.

    Attributes:
        file: As given.
    """

    def __init__(self, file: TraceFile) -> None:
        self.file = file
        self._lanes: dict[tuple[str, str], Lanes] = {}
        self._under_way: dict[Hashable, _Slice] = {}

    def lanes(self, group: str, name: str) -> Lanes:
        """Return the tracks of ``name``."""
        lanes = self._lanes.get((group, name))
        if lanes is None:
            lanes = self._lanes[group, name] = Lanes(self.file, group, name)
        return lanes

    def begin(self, key: Hashable, lanes: Lanes, name: str, time_ns: int, details: Details) -> None:
        """Draw something from now on, until ``end`` of the same ``key``."""
        lane, track = lanes.take(time_ns)
        self._under_way[key] = _Slice(lanes, lane, track)
        self.file.begin(track, name, time_ns, details)

    def end(self, key: Hashable, time_ns: int, details: Details) -> None:
        """Draw no more of it; nothing happens where it was never begun."""
        ended = self._under_way.pop(key, None)
        if ended is not None:
            self.file.end(ended.track, time_ns, details)
            ended.lanes.give_back(ended.lane, time_ns)

    def end_all(self, time_ns: int, details: Details) -> None:
        """End what is under way."""
        for key in reversed(list(self._under_way)):
            self.end(key, time_ns, details)

    def instant(self, key: Hashable, name: str, time_ns: int, details: Details) -> None:
        """Draw that something happened to what is under way."""
        found = self._under_way.get(key)
        if found is not None:
            self.file.instant(found.track, name, time_ns, details)

    def arrow_from(self, key: Hashable, time_ns: int, track: Track, end_ns: int) -> None:
        """Draw that something under way, at ``time_ns``, led to what ``track`` is at."""
        found = self._under_way.get(key)
        if found is not None:
            self.file.arrow(found.track, time_ns, track, end_ns)

    def arrow_to(self, track: Track, start_ns: int, key: Hashable, time_ns: int) -> None:
        """Draw that what ``track`` is at led to something under way, at ``time_ns``."""
        found = self._under_way.get(key)
        if found is not None:
            self.file.arrow(track, start_ns, found.track, time_ns)

    def arrow(self, key: Hashable, other: Hashable, time_ns: int) -> None:
        """Draw that one thing under way led to another just now."""
        found = self._under_way.get(key)
        if found is not None:
            self.arrow_to(found.track, time_ns, other, time_ns)


class Tracks:
    """A part of the picture: draws some kinds of events.

    Args:
        canvas: Where it draws.

    Attributes:
        handlers: Which method draws which kind of event, with the time.
    """

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self._file = canvas.file
        self.handlers: dict[type, Handler] = {}

    def forget(self, time_ns: int) -> None:
        """Forget at ``time_ns`` what has begun and will not end any more."""
