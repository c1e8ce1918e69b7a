from __future__ import annotations

import asyncio
import socket
import stat

import pytest
from nbd_rig import make_array, served

from raidsim.errors import RaidsimError, UsageError
from raidsim.nbd.listening import tcp_sockets, unix_socket


@pytest.fixture
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("s") / "n.sock"


def test_the_socket_is_its_owners_alone(place):
    with unix_socket(place):
        assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_a_socket_left_by_a_killed_server_is_replaced(place):
    unix_socket(place).close()
    with unix_socket(place) as listener:
        listener.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(place))


def test_a_socket_somebody_listens_on_is_left_alone(place):
    with unix_socket(place) as listener:
        listener.listen()
        with pytest.raises(RaidsimError, match="another server listens there"):
            unix_socket(place)


def test_a_file_in_the_way_stays(place):
    place.write_text("precious")
    with pytest.raises(RaidsimError, match="no socket can be made there: Address already in use"):
        unix_socket(place)
    assert place.read_text() == "precious"


def test_a_path_that_is_too_long_says_what_to_do(tmp_path):
    with pytest.raises(RaidsimError, match=r"too long .* choose another place with --unix"):
        unix_socket(tmp_path / ("x" * 108))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.1.2.3"])
def test_loopback_needs_nothing(host):
    try:
        listeners = tcp_sockets(host, 0, anywhere=False)
    except RaidsimError as error:  # a machine without IPv6
        pytest.skip(str(error))
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1"])  # noqa: S104  that is the test
def test_what_others_can_reach_needs_tls_or_a_word(host):
    with pytest.raises(UsageError, match=r"give --tls-certs, or --insecure"):
        tcp_sockets(host, 0, anywhere=False)


def test_insecure_is_the_word():
    (listener,) = tcp_sockets("0.0.0.0", 0, anywhere=True)  # noqa: S104  as above
    listener.close()


def test_unknown_hosts_and_taken_ports_are_one_line():
    with pytest.raises(RaidsimError, match=r"host.invalid: "):
        tcp_sockets("host.invalid", 0, anywhere=False)
    (listener,) = tcp_sockets("127.0.0.1", 0, anywhere=False)
    with listener:
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(RaidsimError, match=f"127.0.0.1 port {port}: Address already in use"):
            tcp_sockets("127.0.0.1", port, anywhere=False)


def test_a_tcp_client_is_served_like_any(tmp_path):
    with served(make_array(tmp_path / "array")) as server:
        listen = server.server.listen_tcp("127.0.0.1", 0)
        (port,) = asyncio.run_coroutine_threadsafe(listen, server.loop).result(20)
        server.address = "127.0.0.1", port
        with server.client() as client:
            client.write(0, b"tcp" * 1000)
            assert client.read(0, 3000) == b"tcp" * 1000
        server.address = ""
