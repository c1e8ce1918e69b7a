from __future__ import annotations

import shutil
import ssl
import subprocess

import pytest
from nbd_client import Client, string
from nbd_rig import make_array, served

from raidsim.errors import RaidsimError
from raidsim.nbd import protocol as p
from raidsim.nbd.server import Limits
from raidsim.nbd.tls import server_context


def make_certificates(directory):
    """An authority, and certificates of a server and a client that it signed."""

    def openssl(*arguments):
        command = ["openssl", *map(str, arguments)]
        subprocess.run(command, cwd=directory, check=True, capture_output=True)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    for name in ("ca", "stranger"):
        files = ["-keyout", f"{name}-key.pem", "-out", f"{name}-cert.pem"]
        openssl("req", "-x509", *curve, "-subj", f"/CN={name}", *files)
    for name in ("server", "client"):
        files = ["-keyout", f"{name}-key.pem", "-out", f"{name}-cert.pem"]
        authority = ["-CA", "ca-cert.pem", "-CAkey", "ca-key.pem"]
        names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        openssl("req", "-x509", *curve, "-subj", f"/CN={name}", *names, *authority, *files)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("certificates are made with openssl")
    directory = tmp_path_factory.mktemp("certificates")
    make_certificates(directory)
    return directory


def client_context(certificates, name="client"):
    context = ssl.create_default_context(cafile=certificates / "ca-cert.pem")
    context.load_cert_chain(certificates / f"{name}-cert.pem", certificates / f"{name}-key.pem")
    return context


@pytest.fixture
def server(certificates, tmp_path):
    limits = Limits(handshake_seconds=5)
    tls = server_context(certificates)
    with served(make_array(tmp_path / "array"), tls=tls, limits=limits) as server:
        yield server


@pytest.fixture
def client(server):
    with Client(server.address) as client:
        yield client


def start_tls(client, context):
    assert client.option(p.NBD_OPT_STARTTLS) == [(p.NBD_REP_ACK, b"")]
    client.socket = context.wrap_socket(client.socket, server_hostname="localhost")


def start_tls_and_list(client, context):
    start_tls(client, context)
    client.option(p.NBD_OPT_LIST)


def test_what_is_written_is_read_again_encrypted(client, certificates):
    start_tls(client, client_context(certificates))
    client.structured_replies()
    client.go()
    data = bytes(range(256)) * 4000
    client.write(1000, data)
    assert client.read(1000, len(data)) == data
    assert client.call(p.NBD_CMD_FLUSH).error == 0


@pytest.mark.parametrize("option", [p.NBD_OPT_LIST, p.NBD_OPT_GO, p.NBD_OPT_STRUCTURED_REPLY, 99])
def test_nothing_is_told_in_the_clear(client, option):
    data = string("") + p.U16.pack(0) if option == p.NBD_OPT_GO else b""
    assert [kind for kind, _ in client.option(option, data)] == [p.NBD_REP_ERR_TLS_REQD]


def test_export_name_in_the_clear_ends_the_session(client):
    client.send(p.OPTION.pack(p.IHAVEOPT, p.NBD_OPT_EXPORT_NAME, 0))
    assert client.closed_by_server()


def test_abort_is_acknowledged_in_the_clear(client):
    assert client.option(p.NBD_OPT_ABORT) == [(p.NBD_REP_ACK, b"")]


def test_starttls_again_or_with_data_is_invalid(client, certificates):
    assert [kind for kind, _ in client.option(p.NBD_OPT_STARTTLS, b"x")] == [p.NBD_REP_ERR_INVALID]
    start_tls(client, client_context(certificates))
    assert [kind for kind, _ in client.option(p.NBD_OPT_STARTTLS)] == [p.NBD_REP_ERR_INVALID]
    assert client.option(p.NBD_OPT_LIST)[-1] == (p.NBD_REP_ACK, b"")


def test_what_is_sent_behind_starttls_in_the_clear_is_not_taken_as_encrypted(client, certificates):
    listing = p.OPTION.pack(p.IHAVEOPT, p.NBD_OPT_LIST, 0)
    client.send(p.OPTION.pack(p.IHAVEOPT, p.NBD_OPT_STARTTLS, 0) + listing)

    def read_list():
        client.receive(p.OPTION_REPLY.size)
        context = client_context(certificates)
        client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
        client.receive(p.OPTION_REPLY.size)

    with pytest.raises((OSError, EOFError)):
        read_list()


@pytest.mark.parametrize("who", ["stranger", None])
def test_a_client_whom_the_authority_does_not_know_is_not_let_in(server, client, certificates, who):
    context = ssl.create_default_context(cafile=certificates / "ca-cert.pem")
    if who is not None:
        context = client_context(certificates, who)
    with pytest.raises((OSError, EOFError)):  # in TLS 1.3 a client learns of it when it reads
        start_tls_and_list(client, context)
    with Client(server.address) as other:
        start_tls(other, client_context(certificates))
        other.go()
        assert other.read(0, 1) == b"\0"
    assert not server.call(lambda: [c for c in server.server._connections if c._upgrade is None])


def test_a_client_that_only_speaks_of_tls_is_let_go(certificates, tmp_path):
    limits = Limits(handshake_seconds=0.2)
    tls = server_context(certificates)
    with served(make_array(tmp_path / "array"), tls=tls, limits=limits) as server:
        with Client(server.address) as client:
            client.option(p.NBD_OPT_STARTTLS)
            assert client.closed_by_server()
        assert not server.call(server.server._connections.copy)


def test_certificates_that_cannot_be_used_are_one_line(certificates, tmp_path):
    with pytest.raises(RaidsimError, match=r"ca-cert.pem: no such file; --tls-certs wants"):
        server_context(tmp_path)
    for name in ("ca-cert.pem", "server-cert.pem", "server-key.pem"):
        shutil.copy(certificates / name, tmp_path)
    shutil.copy(certificates / "client-key.pem", tmp_path / "server-key.pem")
    with pytest.raises(RaidsimError, match="the certificates cannot be used: KEY_VALUES_MISMATCH"):
        server_context(tmp_path)
    (tmp_path / "ca-cert.pem").write_text("nonsense")
    with pytest.raises(RaidsimError, match="the certificates cannot be used"):
        server_context(tmp_path)
