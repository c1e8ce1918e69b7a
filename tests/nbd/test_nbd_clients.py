"""Real clients: what libnbd, qemu and fio make of the server."""

from __future__ import annotations

import json
import random
import shutil
import subprocess

import pytest
from nbd_rig import make_array, served

from raidsim.array import Array
from raidsim.nbd.tls import server_context

pytestmark = [pytest.mark.oracle]


def run(*command, cwd=None):
    """Run a client; skip the test where it is not installed."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def uri(server, export=""):
    return f"nbd+unix:///{export}?socket={server.address}"


@pytest.fixture
def server(tmp_path):
    with served(make_array(tmp_path / "array", level=6, disks=6, image_bytes=16 << 20)) as server:
        yield server


@pytest.fixture
def data(tmp_path, server):
    """A file as large as the array, part of it zeros."""
    path = tmp_path / "data"
    rng = random.Random(1)
    half = server.array.size // 2
    path.write_bytes(rng.randbytes(half) + bytes(server.array.size - half))
    return path


def test_nbdinfo_understands_what_is_told(server):
    (export,) = json.loads(run("nbdinfo", "--json", uri(server, "array")))["exports"]
    assert export["export-size"] == server.array.size
    assert export["contexts"] == ["base:allocation", "raidsim:health"]
    can = {"cache", "df", "fast_zero", "flush", "fua", "multi_conn", "trim", "zero"}
    assert all(export[f"can_{what}"] for what in can)
    sizes = [export[f"block_size_{what}"] for what in ("minimum", "preferred", "maximum")]
    assert sizes == [512, 4 * 16384, 32 << 20]


def test_nbdinfo_lists_all_exports(tmp_path):
    paths = [make_array(tmp_path / name) for name in ("one", "two")]
    with served(*paths) as server:
        listed = json.loads(run("nbdinfo", "--list", "--json", uri(server)))
        assert [export["export-name"] for export in listed["exports"]] == ["one", "two"]


def test_nbdinfo_maps_allocation_and_health(server):
    with server.client() as client:
        client.write(0, b"d" * 65536)
    (first, *_) = json.loads(run("nbdinfo", "--map", "--json", uri(server)))
    assert (first["offset"], first["length"], first["type"]) == (0, 65536, 0)
    server.call(server.array.fail, "disk1.img")
    (whole,) = json.loads(run("nbdinfo", "--map=raidsim:health", "--json", uri(server)))
    assert (whole["length"], whole["type"]) == (server.array.size, 1)


def test_nbdcopy_copies_both_ways(server, data, tmp_path):
    run("nbdcopy", data, uri(server))
    run("nbdcopy", uri(server), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == data.read_bytes()


def test_nbdcopy_flushes_and_the_array_holds_it(tmp_path):
    path = make_array(tmp_path / "array", level=6, disks=5)
    content = random.Random(2).randbytes(6 << 20)
    (tmp_path / "data").write_bytes(content)
    with served(path) as server:
        run("nbdcopy", "--flush", tmp_path / "data", uri(server))
    with Array.open(path) as array:
        assert array.read(0, len(content)) == content
        assert array.check().mismatch_sectors == 0


def test_qemu_img_converts_both_ways_and_compares(server, data, tmp_path):
    raw = ["-f", "raw", "-O", "raw"]
    run("qemu-img", "convert", "-n", *raw, data, uri(server))
    run("qemu-img", "compare", "-f", "raw", "-F", "raw", data, uri(server))
    run("qemu-img", "convert", *raw, uri(server), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == data.read_bytes()


@pytest.mark.parametrize("failed", [[], ["disk0.img", "disk3.img"]], ids=["healthy", "degraded"])
def test_qemu_io_reads_the_patterns_it_wrote(server, failed):
    commands = [
        "write -P 0xaa 0 1M",
        "write -P 0xbb 1000k 100k",
        "write -z 512k 64k",
        "write -P 0xcc -f 3M 512",
        "discard 2M 64k",
        "flush",
        "read -P 0xaa 0 512k",
        "read -P 0 512k 64k",
        "read -P 0xbb 1000k 100k",
        "read -P 0xcc 3M 512",
        "aio_write -P 0x11 4M 64k",
        "aio_write -P 0x12 4160k 64k",
        "aio_flush",
        "read -P 0x12 4160k 64k",
        "read -P 0x11 4M 64k",
    ]
    for disk in failed:
        server.call(server.array.fail, disk)
    arguments = [word for command in commands for word in ("-c", command)]
    out = run("qemu-io", "-f", "raw", *arguments, uri(server))
    assert "Pattern verification failed" not in out


def test_nbdkit_finds_nothing_to_complain_of_in_between(server, tmp_path):
    """nbdkit is a client and a server at once: its filters can stand before an array."""
    if shutil.which("nbdkit") is None:
        pytest.skip("nbdkit is not installed")
    content = random.Random(3).randbytes(3 << 20)
    (tmp_path / "data").write_bytes(content)
    run(
        *("nbdkit", "-U", "-", "--filter=blocksize", "nbd", f"uri={uri(server)}"),
        *("minblock=64k", "--run", 'nbdcopy "$0" "$uri"'.replace("$0", str(tmp_path / "data"))),
    )
    with server.client() as client:
        assert client.read(0, len(content)) == content


def test_libnbd_speaks_tls_with_its_own_certificates(tmp_path):
    if shutil.which("certtool") is None:
        pytest.skip("certtool is not installed")
    make_certificates(tmp_path)
    with served(make_array(tmp_path / "array"), tls=server_context(tmp_path)) as server:
        secure = f"nbds+unix://localhost/?socket={server.address}&tls-certificates={tmp_path}"
        (export,) = json.loads(run("nbdinfo", "--json", secure))["exports"]
        assert export["export-size"] == server.array.size
        command = ["nbdinfo", uri(server)]
        assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def make_certificates(directory):
    """As the guide makes them."""

    def certtool(name, template, *arguments):
        (directory / f"{name}.info").write_text(template)
        run("certtool", "--generate-privkey", "--outfile", f"{name}-key.pem", cwd=directory)
        files = ["--load-privkey", f"{name}-key.pem", "--outfile", f"{name}-cert.pem"]
        run("certtool", *arguments, "--template", f"{name}.info", *files, cwd=directory)

    signed = ["--load-ca-certificate", "ca-cert.pem", "--load-ca-privkey", "ca-key.pem"]
    certtool("ca", "cn = raidsim\nca\ncert_signing_key\n", "--generate-self-signed")
    server = "cn = localhost\ndns_name = localhost\ntls_www_server\n"
    certtool("server", server + "signing_key\nencryption_key\n", "--generate-certificate", *signed)
    client = "cn = client\ntls_www_client\nsigning_key\nencryption_key\n"
    certtool("client", client, "--generate-certificate", *signed)
