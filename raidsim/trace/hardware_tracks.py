"""The tracks of what does the work: disks, channels and the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from raidsim.cpu import CpuWork
from raidsim.disk import events as disk
from raidsim.dmaengine import events as engine
from raidsim.trace.canvas import Tracks, status_name

if TYPE_CHECKING:
    from raidsim.trace.canvas import Canvas
    from raidsim.trace.trace_file import Details, Track


class _Done(NamedTuple):
    """Where something was done, and from when to when."""

    track: Track
    start_ns: int
    end_ns: int

    def lead_back(self, canvas: Canvas, origin: int, time_ns: int) -> None:
        """Draw that it has been noticed at ``time_ns`` by what it was for.

        What is noticed late leaves from its beginning, for its track has gone on to other things.
        """
        leave_ns = self.end_ns if time_ns == self.end_ns else self.start_ns
        canvas.arrow_to(self.track, leave_ns, origin, time_ns)


class _Asked(NamedTuple):
    """What was asked for: when, what for, and what it is; where it was done, once it was."""

    time_ns: int
    origin: int
    name: str
    details: Details
    done: _Done | None = None


class DiskTracks(Tracks):
    """When each disk was at work on what, and how much it had to do.

    What models tell of is drawn as long as the drive was at it; without one, an access is drawn
    from its beginning to its end.
    """

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._asked: dict[int, _Asked] = {}
        self._queued: dict[str, int] = {}
        self.handlers = {
            disk.DiskSubmitted: self._submitted,
            disk.DiskServiced: self._serviced,
            disk.DiskEnded: self._ended,
            disk.DiskFaultFired: self._fault,
            disk.PowerFailed: self._power,
        }

    def forget(self, time_ns: int) -> None:
        """Forget what was asked for and has not ended."""
        self._asked.clear()
        for name in self._queued:
            self._count(name, -self._queued[name], time_ns)

    def _count(self, name: str, change: int, time_ns: int) -> None:
        queued = self._queued[name] = self._queued.get(name, 0) + change
        track = self._canvas.lanes("disks", name).first
        self._file.counter(track, f"{name} queue", time_ns, queued)

    def _submitted(self, time_ns: int, event: disk.DiskSubmitted) -> None:
        asked = _Asked(time_ns, event.origin, _access(event), event._asdict())
        self._asked[event.number] = asked
        self._count(event.disk, 1, time_ns)

    def _serviced(self, time_ns: int, event: disk.DiskServiced) -> None:
        _, track = self._canvas.lanes("disks", event.disk).take(event.started_ns, time_ns)
        self._file.slice(track, _access(event), event.started_ns, time_ns, event._asdict())
        for number in event.numbers:
            asked = self._asked.get(number)
            if asked is not None:
                self._canvas.arrow_from(asked.origin, asked.time_ns, track, event.started_ns)
                done = _Done(track, event.started_ns, time_ns)
                self._asked[number] = asked._replace(done=done)

    def _ended(self, time_ns: int, event: disk.DiskEnded) -> None:
        asked = self._asked.pop(event.number, None)
        if asked is None:
            return
        done = asked.done
        if done is None:
            _, track = self._canvas.lanes("disks", event.disk).take(asked.time_ns, time_ns)
            self._file.slice(track, asked.name, asked.time_ns, time_ns, asked.details)
            self._canvas.arrow_from(asked.origin, asked.time_ns, track, asked.time_ns)
            done = _Done(track, asked.time_ns, time_ns)
        if event.status:
            self._file.instant(done.track, status_name(event.status), time_ns, event._asdict())
        done.lead_back(self._canvas, asked.origin, time_ns)
        self._count(event.disk, -1, time_ns)

    def _fault(self, time_ns: int, event: disk.DiskFaultFired) -> None:
        track = self._canvas.lanes("disks", event.disk).first
        self._file.instant(track, f"fault: {event.kind}", time_ns, event._asdict())

    def _power(self, time_ns: int, event: disk.PowerFailed) -> None:
        for name in event.disks:
            track = self._canvas.lanes("disks", name).first
            self._file.instant(track, "power cut", time_ns, event._asdict())


def _access(event: disk.DiskSubmitted | disk.DiskServiced) -> str:
    """What an access is called: its operation, and for how many bytes."""
    return f"{event.operation} {event.sectors * 512}" if event.sectors else event.operation


class ChannelTracks(Tracks):
    """When each channel's hardware was at work on which descriptor.

    What a real engine does outside of the simulation is drawn from submission to completion.
    """

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._asked: dict[tuple[str, int], _Asked] = {}
        self.handlers = {
            engine.Submitted: self._submitted,
            engine.Serviced: self._serviced,
            engine.Completed: self._completed,
            engine.ChannelSwitch: self._switch,
            engine.EngineFaultFired: self._fault,
        }

    def forget(self, time_ns: int) -> None:  # noqa: ARG002  a part's form
        """Forget what was submitted and has not completed."""
        self._asked.clear()

    def _submitted(self, time_ns: int, event: engine.Submitted) -> None:
        name = f"{event.operation} {event.length}"
        asked = _Asked(time_ns, event.origin, name, event._asdict())
        self._asked[event.channel, event.cookie] = asked

    def _serviced(self, time_ns: int, event: engine.Serviced) -> None:
        self._draw(event.channel, event.cookie, event.started_ns, time_ns)

    def _completed(self, time_ns: int, event: engine.Completed) -> None:
        key = event.channel, event.cookie
        asked = self._asked.get(key)
        if asked is None:
            return
        if asked.done is None:
            self._draw(event.channel, event.cookie, asked.time_ns, time_ns)
        done = self._asked.pop(key).done
        assert done is not None
        done.lead_back(self._canvas, asked.origin, time_ns)

    def _draw(self, channel: str, cookie: int, start_ns: int, end_ns: int) -> None:
        asked = self._asked.get((channel, cookie))
        if asked is None:
            return
        _, track = self._canvas.lanes("channels", channel).take(start_ns, end_ns)
        self._file.slice(track, asked.name, start_ns, end_ns, asked.details)
        self._canvas.arrow_from(asked.origin, asked.time_ns, track, start_ns)
        done = _Done(track, start_ns, end_ns)
        self._asked[channel, cookie] = asked._replace(done=done)

    def _switch(self, time_ns: int, event: engine.ChannelSwitch) -> None:
        track = self._canvas.lanes("channels", event.parent).first
        self._file.instant(track, f"switch to {event.child}", time_ns, event._asdict())

    def _fault(self, time_ns: int, event: engine.EngineFaultFired) -> None:
        track = self._canvas.lanes("channels", event.channel).first
        self._file.instant(track, f"fault: {event.kind}", time_ns, event._asdict())


class CpuTracks(Tracks):
    """When the CPU was at work on what; where that takes no time, what software carried out."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._cpu = canvas.lanes("CPU", "CPU")
        self._takes_time = False
        self.handlers = {CpuWork: self._work, engine.Software: self._software}

    def _work(self, time_ns: int, event: CpuWork) -> None:
        self._takes_time = True
        end_ns = event.start_ns + event.duration_ns
        _, track = self._cpu.take(event.start_ns, end_ns)
        self._file.slice(track, event.what, event.start_ns, end_ns, event._asdict())
        if event.start_ns >= time_ns:  # else it is time spent waiting, told when it was over
            self._canvas.arrow_from(event.origin, time_ns, track, event.start_ns)

    def _software(self, time_ns: int, event: engine.Software) -> None:
        if self._takes_time:
            return
        track = self._cpu.first
        name = f"{event.operation} {event.length}"
        self._file.slice(track, name, time_ns, time_ns, event._asdict())
        self._canvas.arrow_from(event.origin, time_ns, track, time_ns)
