"""Watching a running array: its counters, its log, and the faults injected into it."""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Self

from raidsim.array.activity import (
    Activity,
    ChannelCounts,
    Event,
    MemberCounts,
    RequestCounts,
    StripeCounts,
)
from raidsim.array.injection import Injection
from raidsim.array.layers import Layers
from raidsim.array.requests import RequestMeter
from raidsim.array.snapshot import take_snapshot
from raidsim.disk import FLUSH, READ, WRITE
from raidsim.dmaengine.sysfs import channel_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from raidsim.array.array import Array
    from raidsim.dmaengine.counts import OperationCounts
    from raidsim.md.rdev import Rdev

_KEPT_EVENTS = 200
_log = logging.getLogger("raidsim")


class Monitor:
    """What watches one array.

    It costs the array nothing until ``watch`` has the members' disks counted as well.

    Args:
        array: the array, which runs.
        requests: counts what is asked of it, if somebody does.

    Attributes:
        injection: the faults injected into it.
    """

    def __init__(self, array: Array, requests: RequestMeter | None = None) -> None:
        self._array = array
        self._requests = requests or RequestMeter()
        self._layers = Layers()
        self._log = EventLog(array, self.now_ns)
        self.injection = Injection(array, self._layers)
        _log.setLevel(logging.INFO)
        _log.addHandler(self._log)

    def now_ns(self) -> int:
        """Virtual time on a timed machine, else the host's clock."""
        sim = self._array.machine.sim
        return sim.now_ns if sim.timed else time.monotonic_ns()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Watch no more."""
        self.unwatch()
        _log.removeHandler(self._log)

    def watch(self) -> None:
        """Have every member's disk counted; it is cheap to ask again, for those that came since."""
        for rdev in self._array.mddev.rdevs:
            self._layers[rdev].watch(self._array.machine.sim)

    def unwatch(self) -> None:
        """Have the members' disks counted no more."""
        for layers in self._layers.values():
            layers.unwatch()

    def activity(self) -> Activity:
        """What the array is doing now."""
        array = self._array
        requests = self._requests
        return Activity(
            time_ns=self.now_ns(),
            timed=array.machine.sim.timed,
            array=take_snapshot(array),
            reads=_request_counts(requests, READ),
            writes=_request_counts(requests, WRITE),
            flushes=_request_counts(requests, FLUSH),
            in_flight=requests.in_flight,
            members=tuple(self._member_counts(rdev) for rdev in array.mddev.rdevs),
            stripes=_stripe_counts(array),
            channels=tuple(_channel_counts(array)),
            faults=self.injection.snapshots(),
            events=tuple(self._log.events),
        )

    def _member_counts(self, rdev: Rdev) -> MemberCounts:
        meter = self._layers[rdev].meter
        accesses = (0, 0, 0) if meter is None else meter.accesses
        length_bytes = (0, 0, 0) if meter is None else meter.length_bytes
        return MemberCounts(
            number=rdev.desc_nr,
            reads=accesses[READ],
            writes=accesses[WRITE],
            flushes=accesses[FLUSH],
            read_bytes=length_bytes[READ],
            written_bytes=length_bytes[WRITE],
            latency_ns=0 if meter is None else meter.latency_ns,
            in_flight=0 if meter is None else meter.in_flight,
            read_errors=rdev.read_errors,
            corrected_errors=rdev.corrected_errors,
            bad_sectors=sum(bad.end - bad.start for bad in rdev.bad_blocks),
        )


class EventLog(logging.Handler):
    """Keeps the last messages of one array, whatever else runs in this process.

    Args:
        array: the array.
        now_ns: the clock.

    Attributes:
        events: the messages, the oldest first.
    """

    def __init__(self, array: Array, now_ns: Callable[[], int]) -> None:
        super().__init__(logging.INFO)
        self._array = array
        self._now_ns = now_ns
        self._last_number = 0
        self.events: deque[Event] = deque(maxlen=_KEPT_EVENTS)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message, if it is the array's."""
        if getattr(record, "mddev", None) is not self._array.mddev:
            return
        self._last_number += 1
        self.events.append(
            Event(
                number=self._last_number,
                time_ns=self._now_ns(),
                level=record.levelname.lower(),
                text=record.getMessage(),
            )
        )


def _request_counts(meter: RequestMeter, operation: int) -> RequestCounts:
    return RequestCounts(
        requests=meter.requests[operation],
        errors=meter.errors[operation],
        length_bytes=meter.length_bytes[operation],
        latency_ns=meter.latency_ns[operation],
        buckets=tuple(meter.buckets[operation]),
    )


def _stripe_counts(array: Array) -> StripeCounts:
    conf = array.mddev.personality.conf
    return StripeCounts(
        capacity=conf.cache.capacity_units,
        rmw=conf.writes.rmw,
        rcw=conf.writes.rcw,
        full_row=conf.writes.full_row,
        **conf.cache.occupancy(),
    )


def _channel_counts(array: Array) -> Iterator[ChannelCounts]:
    machine = array.machine
    chosen = channel_table(machine)
    for device in machine.dmaengine.devices:
        for channel in device.channels:
            chosen_for = tuple(what for what, name in chosen.items() if name == channel.name)
            yield _counts(channel.name, chosen_for, channel.queued, channel.counts)
    rest = tuple(what for what in ("memcpy", "xor", "pq") if what not in chosen)
    yield _counts("software", rest, 0, machine.async_tx_stats.software)


def _counts(
    name: str, chosen_for: tuple[str, ...], queued: int, counts: OperationCounts
) -> ChannelCounts:
    return ChannelCounts(
        name=name,
        chosen_for=chosen_for,
        queued=queued,
        operations=sum(counts.operations.values()),
        length_bytes=sum(counts.length_bytes.values()),
        by_operation=tuple((what, count) for what, count in counts.operations.items() if count),
    )
