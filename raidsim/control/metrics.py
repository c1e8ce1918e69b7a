"""Served arrays as counters for Prometheus, over HTTP.

Names and meanings are those of node_exporter's md collector (``collector/mdadm_linux.go``) where it
has one; the others begin with ``raidsim_``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from raidsim.array.latency import bucket_end_ns
from raidsim.errors import RaidsimError

try:
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )
    from prometheus_client.registry import Collector
except ImportError as error:
    raise RaidsimError(
        "--metrics: needs prometheus_client; `pip install 'raidsim[metrics]'` brings it"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prometheus_client.core import Metric

    from raidsim.array.activity import Activity
    from raidsim.array.monitor import Monitor
    from raidsim.array.snapshot import ArraySnapshot

_HOST = "127.0.0.1"
_PATIENCE_SECONDS = 10.0
# An octave is four of the buckets; from 1 µs to 17 s.
_BOUNDS = range(35, 132, 4)
_MD_STATES = ("active", "inactive", "recovering", "resync", "check")
_SYNC_STATES = {"recovery": "recovering", "resync": "resync", "check": "check"}
_STRIPE_STATES = ("free", "idle", "handle", "hold", "delayed", "bitmap", "busy")


class MetricsServer:
    """Answers Prometheus on this machine's own address, within an ``async with`` statement.

    Args:
        monitors: what watches each array, by the array's name.
        port: where; 0 for any that is free.

    Attributes:
        url: where the metrics are.

    Raises:
        RaidsimError: the port is taken.
    """

    def __init__(self, monitors: Mapping[str, Monitor], port: int) -> None:
        self._monitors = monitors
        self._port = port

    async def __aenter__(self) -> Self:
        registry = CollectorRegistry()
        registry.register(_ArrayCollector(self._monitors, asyncio.get_running_loop()))
        try:
            self._server, self._thread = start_http_server(self._port, _HOST, registry)
        except OSError as error:
            raise RaidsimError(
                f"--metrics: port {self._port} cannot be had: {error.strerror}; choose another"
            ) from error
        self.url = f"http://{_HOST}:{self._server.server_port}/metrics"
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._server.shutdown)
        self._thread.join()
        self._server.server_close()


class _ArrayCollector(Collector):
    """Asked by a thread of the HTTP server, looks at the arrays where they run."""

    def __init__(self, monitors: Mapping[str, Monitor], loop: asyncio.AbstractEventLoop) -> None:
        self._monitors = monitors
        self._loop = loop

    def collect(self) -> Iterator[Metric]:
        looking = asyncio.run_coroutine_threadsafe(self._look(), self._loop)
        yield from metrics(looking.result(_PATIENCE_SECONDS))

    def describe(self) -> list[Metric]:
        return []

    async def _look(self) -> dict[str, Activity]:
        return {name: monitor.activity() for name, monitor in self._monitors.items()}


def metrics(activities: Mapping[str, Activity]) -> Iterator[Metric]:
    """Return all metrics of arrays, by name."""
    arrays = {name: activity.array for name, activity in activities.items()}
    yield from _md_metrics(arrays)
    yield from _request_metrics(activities)
    yield from _inner_metrics(activities)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=("device", *labels))


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, labels=("device", *labels))


def _md_metrics(arrays: Mapping[str, ArraySnapshot]) -> Iterator[Metric]:
    state = _gauge("node_md_state", "Indicates the state of md-device.", "state")
    disks = _gauge("node_md_disks", "Number of active/failed/spare disks of device.", "state")
    required = _gauge("node_md_disks_required", "Total number of disks of device.")
    blocks = _gauge("node_md_blocks", "Total number of blocks on device.")
    synced = _gauge("node_md_blocks_synced", "Number of blocks synced on device.")
    for name, array in arrays.items():
        kib = array.array_sectors // 2
        sync = array.sync
        now = "active" if array.started else "inactive"
        if sync is not None:
            now = _SYNC_STATES[sync.action]
        for word in _MD_STATES:
            state.add_metric([name, word], word == now)
        disks.add_metric([name, "active"], array.active_devices)
        disks.add_metric([name, "failed"], array.failed_devices)
        disks.add_metric([name, "spare"], array.spare_devices)
        disks.add_metric([name, "down"], array.degraded)
        required.add_metric([name], array.raid_disks)
        blocks.add_metric([name], kib)
        synced.add_metric([name], kib if sync is None else sync.done_sectors // 2)
    yield from (state, disks, required, blocks, synced)


def _request_metrics(activities: Mapping[str, Activity]) -> Iterator[Metric]:
    length = _counter("raidsim_request_bytes", "Bytes that requests moved.", "operation")
    errors = _counter("raidsim_request_errors", "Requests that failed.", "operation")
    seconds = HistogramMetricFamily(
        "raidsim_request_seconds", "How long requests took.", labels=("device", "operation")
    )
    in_flight = _gauge("raidsim_requests_in_flight", "Requests under way.")
    for name, activity in activities.items():
        kinds = (("read", activity.reads), ("write", activity.writes), ("flush", activity.flushes))
        for operation, counts in kinds:
            labels = [name, operation]
            length.add_metric(labels, counts.length_bytes)
            errors.add_metric(labels, counts.errors)
            seconds.add_metric(labels, _buckets(counts.buckets), counts.latency_ns / 1e9)
        in_flight.add_metric([name], activity.in_flight)
    yield from (length, errors, seconds, in_flight)


def _buckets(counts: Sequence[int]) -> list[tuple[str, float]]:
    """How many requests took at most so many seconds."""
    bounds = [(str(bucket_end_ns(last) / 1e9), sum(counts[: last + 1])) for last in _BOUNDS]
    return [*bounds, ("+Inf", sum(counts))]


def _inner_metrics(activities: Mapping[str, Activity]) -> Iterator[Metric]:
    stripes = _gauge("raidsim_stripe_cache_units", "Units of 4 KiB in the stripe cache.", "state")
    written = _counter("raidsim_written_units", "Units of 4 KiB by how they were written.", "way")
    operations = _counter("raidsim_channel_operations", "Operations given to it.", "channel")
    length = _counter("raidsim_channel_bytes", "Their lengths.", "channel")
    queued = _gauge("raidsim_channel_queued", "Descriptors not known complete.", "channel")
    cured = _counter("raidsim_corrected_sectors", "Sectors cured by rewriting.", "member")
    bad = _gauge("raidsim_bad_sectors", "Sectors in the list of bad blocks.", "member")
    fired = _counter("raidsim_faults_fired", "Strikes of an injected fault.", "target", "kind")
    for name, activity in activities.items():
        counts = activity.stripes
        for state in _STRIPE_STATES:
            stripes.add_metric([name, state], getattr(counts, state))
        for way in ("rmw", "rcw", "full_row"):
            written.add_metric([name, way], getattr(counts, way))
        for channel in activity.channels:
            operations.add_metric([name, channel.name], channel.operations)
            length.add_metric([name, channel.name], channel.length_bytes)
            queued.add_metric([name, channel.name], channel.queued)
        for member in activity.members:
            cured.add_metric([name, str(member.number)], member.corrected_errors)
            bad.add_metric([name, str(member.number)], member.bad_sectors)
        strikes: dict[tuple[str, str], int] = {}
        for fault in activity.faults:
            of = fault.target, fault.kind
            strikes[of] = strikes.get(of, 0) + fault.fired
        for (target, kind), count in strikes.items():
            fired.add_metric([name, target, kind], count)
    yield from (stripes, written, operations, length, queued, cured, bad, fired)
