from __future__ import annotations

import time

import pytest
from nbd_rig import make_array, served

from raidsim.nbd import protocol as p

SERVICE_NS = 20_000_000


@pytest.fixture
def server(tmp_path):
    model = tmp_path / "slow.toml"
    model.write_text(
        f'kind = "fixed"\ndescription = "slow"\nservice_ns = {SERVICE_NS}\nparallelism = 64\n'
    )
    path = make_array(tmp_path / "array")
    with served(path, realtime=True, disk_model=str(model)) as server:
        yield server


@pytest.fixture
def client(server):
    with server.client() as client:
        yield client


def test_a_client_feels_the_slow_disk(client):
    start_ns = time.monotonic_ns()
    assert client.read(0, 4096) == bytes(4096)
    assert time.monotonic_ns() - start_ns >= SERVICE_NS


def test_requests_of_one_client_are_served_at_the_same_time(server, client):
    sim = server.array.machine.sim
    start_ns = server.call(lambda: sim.now_ns)
    cookies = {client.request(p.NBD_CMD_READ, i << 16, 4096) for i in range(32)}
    assert {client.reply().cookie for _ in cookies} == cookies
    assert server.call(lambda: sim.now_ns) - start_ns < 32 * SERVICE_NS


def test_a_write_takes_a_read_of_old_data_and_parity_first(server, client):
    client.write(0, b"d" * 4096)  # dirty from now on
    start_ns = server.call(lambda: server.array.machine.sim.now_ns)
    client.write(1 << 20, b"w" * 4096)
    assert server.call(lambda: server.array.machine.sim.now_ns) - start_ns >= 2 * SERVICE_NS
    assert client.read(1 << 20, 4096) == b"w" * 4096


def test_a_write_of_part_of_a_sector_waits_for_writes_under_way(client):
    client.write(0, bytes(512))  # dirty from now on
    cookies = {
        client.request(p.NBD_CMD_WRITE, 0, 4096, b"w" * 4096),
        client.request(p.NBD_CMD_WRITE, 0, 8, b"p" * 8),
    }
    assert {client.reply().cookie for _ in cookies} == cookies
    assert client.read(0, 4096) == b"p" * 8 + b"w" * 4088


def test_the_end_does_not_wait_for_slow_disks(server):
    with server.client() as client:
        for i in range(64):
            client.request(p.NBD_CMD_WRITE, i << 16, 4096, bytes(4096))
        server.loop.call_soon_threadsafe(server.stopped.set)
        assert not any(client.reply().error for _ in range(64))
