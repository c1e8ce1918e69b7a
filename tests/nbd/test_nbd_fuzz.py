"""Whatever a client sends, the server lives, forgets it, and serves the next one."""

from __future__ import annotations

import contextlib
import gc
import socket
import struct
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbd_client import Client, string
from nbd_rig import make_array, served

from raidsim.nbd import protocol as p
from raidsim.nbd.server import Limits

_SETTINGS = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

numbers = st.sampled_from([0, 1, 2, 511, 512, 4096, 1 << 16, 1 << 25, (1 << 32) - 1])
small = st.binary(max_size=64)

options = st.builds(
    lambda magic, option, data, length: (
        p.OPTION.pack(magic, option, len(data) if length is None else length) + data
    ),
    st.sampled_from([p.IHAVEOPT] * 9 + [0]),
    st.integers(0, 12) | numbers,
    small | st.builds(lambda name, rest: string(name) + rest, st.text(max_size=8), small),
    st.none() | st.none() | st.none() | numbers,
)
requests = st.builds(
    lambda magic, flags, command, cookie, offset, length, data: (
        p.REQUEST.pack(magic, flags, command, cookie, offset, length) + data
    ),
    st.sampled_from([p.NBD_REQUEST_MAGIC] * 19 + [0]),
    st.sampled_from([0, 0, 0, 1, 2, 4, 8, 16, 1 << 15]),
    st.integers(0, 9),
    st.integers(0, (1 << 64) - 1),
    numbers | st.integers(0, (1 << 64) - 1),
    numbers,
    small,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    path = make_array(tmp_path_factory.mktemp("arrays") / "array")
    with served(path, limits=Limits(connections=8, handshake_seconds=20)) as server:
        yield server


@pytest.fixture(scope="module")
def good(server):
    """A client that minds its own business all the while, at the end of the array."""
    with server.client() as client:
        yield client


def send_and_leave(client, messages, cut, *, slowly=False):
    """Send messages, the last one cut short, and leave without a word."""
    data = b"".join(messages)
    data = data[: len(data) - cut % (len(data) + 1)]
    client.socket.settimeout(0.01)
    with contextlib.suppress(OSError):
        if slowly:
            for byte in data[:200]:
                client.send(bytes([byte]))
        else:
            client.send(data)
        while client.socket.recv(1 << 16):
            pass


def check_others_do_not_notice(server, good):
    mine = server.array.size - 4096
    stamp = time.monotonic_ns().to_bytes(8, "big") * 512
    good.write(mine, stamp)
    assert good.read(mine, 4096) == stamp


def wait_until_alone(server):
    """Only the good client is left."""
    while server.call(lambda: len(server.server._connections)) > 1:
        time.sleep(0.001)
    (export,) = server.server.exports.values()
    while server.call(lambda: export.in_flight):
        time.sleep(0.001)


@given(st.lists(options, max_size=8), st.integers(0, 40), st.booleans())
@_SETTINGS
def test_whatever_is_sent_in_the_handshake(server, good, messages, cut, slowly):
    with Client(server.address) as client:
        send_and_leave(client, messages, cut, slowly=slowly)
    check_others_do_not_notice(server, good)
    wait_until_alone(server)


@given(st.lists(requests, max_size=8), st.integers(0, 40), st.booleans(), st.booleans())
@_SETTINGS
def test_whatever_is_sent_in_transmission(server, good, messages, cut, structured, slowly):
    with server.client(structured=structured) as client:
        send_and_leave(client, messages, cut, slowly=slowly)
    check_others_do_not_notice(server, good)
    wait_until_alone(server)


@given(st.binary(max_size=2000))
@_SETTINGS
def test_whatever_else_is_sent(server, good, noise):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(server.address)
        client.settimeout(0.01)
        with contextlib.suppress(OSError):
            client.sendall(noise)
            while client.recv(1 << 16):
                pass
    check_others_do_not_notice(server, good)
    wait_until_alone(server)


def test_clients_that_have_gone_leave_nothing_behind(server, good):
    def objects():
        gc.collect()
        names = {"Connection", "Transmission", "Request", "Handshake", "Bio"}
        return sum(type(o).__name__ in names for o in gc.get_objects())

    def come_and_go():
        with server.client() as client:
            header = p.REQUEST.pack(p.NBD_REQUEST_MAGIC, 0, p.NBD_CMD_WRITE, 1, 0, 1 << 20)
            for cookie in range(20):
                client.request(p.NBD_CMD_READ, cookie * 512, 512)
            client.send(header + bytes(1000))
        with Client(server.address) as client:
            client.send(struct.pack("!Q", p.IHAVEOPT))
        wait_until_alone(server)

    come_and_go()
    before = server.call(objects)
    for _ in range(20):
        come_and_go()
    check_others_do_not_notice(server, good)
    assert server.call(objects) <= before
    (export,) = server.server.exports.values()
    assert export.clients == 1  # the good one


def test_a_client_that_dawdles_holds_nobody_up(server, good):
    header = p.REQUEST.pack(p.NBD_REQUEST_MAGIC, 0, p.NBD_CMD_WRITE, 1, 0, 32 << 20)
    dawdlers = [server.client() for _ in range(5)]
    try:
        for client in dawdlers:
            client.send(header + bytes(100))
        check_others_do_not_notice(server, good)
        for client in dawdlers:
            client.send(bytes(100))
        check_others_do_not_notice(server, good)
    finally:
        for client in dawdlers:
            client.socket.close()
    wait_until_alone(server)
    assert good.read(0, 512) == bytes(512)
