"""Metrics of served arrays: node_exporter's names, and figures that agree with the array's."""

import asyncio
import re
import signal
import socket
import subprocess
import sys
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from raidsim.array import Array
from raidsim.array.monitor import Monitor
from raidsim.control.metrics import MetricsServer
from raidsim.errors import RaidsimError


def samples(text):
    """Values by name and labels; what is of the Python process is none of ours."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found, name, **labels):
    return found[name, *sorted({"device": "a", **labels}.items())]


async def scrape(monitors, port=0):
    async with MetricsServer(monitors, port) as server:
        return await asyncio.to_thread(lambda: urlopen(server.url).read().decode())  # noqa: S310  our own


def look(array, **changes):
    with Monitor(array, **changes) as monitor:
        return samples(asyncio.run(scrape({"a": monitor})))


@pytest.fixture
def array(tmp_path, make_array):
    make_array(tmp_path / "a", spares=1)
    with Array.open(tmp_path / "a") as opened:
        yield opened


def test_md_metrics_have_node_exporters_names(array):
    array.fail("2")
    found = look(array)
    assert value(found, "node_md_disks", state="active") == 4
    assert value(found, "node_md_disks", state="failed") == 1
    assert value(found, "node_md_disks", state="spare") == 1
    assert value(found, "node_md_disks", state="down") == 1
    assert value(found, "node_md_disks_required") == 5
    assert value(found, "node_md_blocks") == array.size // 1024
    assert value(found, "node_md_blocks_synced") == array.size // 1024
    assert value(found, "node_md_state", state="active") == 1
    assert value(found, "node_md_state", state="recovering") == 0


def test_a_recovery_shows_how_far_it_is(array):
    array.fail("2")
    seen = []

    def note(_action, done, _total):
        if not seen and done:
            seen.append((done, look(array)))

    array.rebuild(note)
    ((done, found),) = seen
    assert value(found, "node_md_state", state="recovering") == 1
    assert value(found, "node_md_state", state="active") == 0
    assert value(found, "node_md_blocks_synced") == done // 2


def test_requests_are_counted_with_their_latencies(array):
    from raidsim.array.requests import RequestMeter  # noqa: PLC0415

    meter = RequestMeter()
    meter.in_flight = 4
    for latency_ns in (1_500, 100_000, 100_000):
        meter.end(1, 4096, latency_ns, failed=False)
    found = look(array, requests=meter)
    assert value(found, "raidsim_request_bytes_total", operation="write") == 3 * 4096
    assert value(found, "raidsim_request_seconds_count", operation="write") == 3
    assert value(found, "raidsim_request_seconds_sum", operation="write") == pytest.approx(201.5e-6)
    assert value(found, "raidsim_request_seconds_bucket", operation="write", le="2.048e-06") == 1
    assert value(found, "raidsim_request_seconds_bucket", operation="write", le="0.000131072") == 3
    assert value(found, "raidsim_request_seconds_bucket", operation="read", le="+Inf") == 0
    assert value(found, "raidsim_requests_in_flight") == 1


def test_the_inside_shows_too(array):
    array.write(0, b"x" * (3 * 65536))
    with Monitor(array) as monitor:
        monitor.injection.inject("0", {"kind": "watch"})
        monitor.injection.inject("0", {"kind": "watch"})
        array.write(0, b"y" * 4096)
        found = samples(asyncio.run(scrape({"a": monitor})))
    assert value(found, "raidsim_written_units_total", way="full_row") == 16
    assert value(found, "raidsim_channel_operations_total", channel="software") > 0
    assert value(found, "raidsim_stripe_cache_units", state="idle") > 0
    fired = value(found, "raidsim_faults_fired_total", target="disk0.img", kind="watch")
    assert fired == sum(f.fired for f in monitor.injection.snapshots()) > 0


def test_a_port_that_is_taken_is_refused_by_name(array):
    with socket.create_server(("127.0.0.1", 0)) as taken, Monitor(array) as monitor:
        port = taken.getsockname()[1]
        with pytest.raises(RaidsimError, match=f"--metrics: port {port} cannot be had"):
            asyncio.run(scrape({"a": monitor}, port))


def test_without_the_extra_it_is_named(cli, monkeypatch, tmp_path, make_array):
    make_array(tmp_path / "a")
    monkeypatch.delitem(sys.modules, "raidsim.control.metrics", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    outcome = cli("serve a --metrics 0")
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err == (
        "raidsim: --metrics: needs prometheus_client; `pip install 'raidsim[metrics]'` brings it\n"
    )


def test_a_server_answers_on_this_machines_own_address(tmp_path, make_array):
    make_array(tmp_path / "a")
    command = [sys.executable, "-m", "raidsim", "serve", "a", "--metrics", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        assert "serving" in server.stdout.readline()
        url = server.stdout.readline().removeprefix("metrics at ").strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/metrics", url)
        found = samples(urlopen(url).read().decode())  # noqa: S310  our own
        assert value(found, "node_md_disks", state="active") == 5
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
