from __future__ import annotations

import random

import pytest
from nbd_rig import make_array, served

from raidsim.array import Array
from raidsim.nbd import protocol as p


@pytest.fixture
def server(tmp_path):
    with served(make_array(tmp_path / "array")) as server:
        yield server


@pytest.fixture(params=[True, False], ids=["structured", "simple"])
def client(request, server):
    with server.client(structured=request.param) as client:
        yield client


def test_what_is_written_is_read_again(client):
    data = random.Random(1).randbytes(300_000)
    client.write(4096, data)

    assert client.read(4096, len(data)) == data
    assert client.read(0, 4096) == bytes(4096)


@pytest.mark.parametrize(
    ("offset", "length"), [(1, 1), (511, 2), (100, 300), (513, 511), (1000, 5000), (0, 1)]
)
def test_bytes_beside_an_unaligned_write_stay(client, offset, length):
    before = random.Random(2).randbytes(16384)
    client.write(0, before)
    client.write(offset, b"x" * length)

    assert client.read(0, 16384) == before[:offset] + b"x" * length + before[offset + length :]
    assert client.read(offset, length) == b"x" * length


def test_unaligned_writes_of_one_sector_at_once_all_stay(client):
    cookies = {client.request(p.NBD_CMD_WRITE, i * 8, 8, bytes([i]) * 8) for i in range(64)}
    cookies.add(client.request(p.NBD_CMD_WRITE, 512, 512, bytes(512)))
    replies = [client.reply() for _ in cookies]

    assert {reply.cookie for reply in replies} == cookies
    assert not any(reply.error for reply in replies)
    assert client.read(0, 512) == b"".join(bytes([i]) * 8 for i in range(64))


def test_flush_and_fua_succeed(client):
    client.write(0, b"f" * 512, flags=p.NBD_CMD_FLAG_FUA)

    assert client.call(p.NBD_CMD_FLUSH).error == 0


@pytest.mark.parametrize(("offset", "length"), [(0, 65536), (3, 100), (300, 3000), (512, 4 << 20)])
def test_write_zeroes_writes_zeros_and_nothing_else(client, offset, length):
    size = offset + length + 1000
    before = b"\xaa" * size
    client.write(0, before)

    assert client.call(p.NBD_CMD_WRITE_ZEROES, offset, length).error == 0
    assert client.read(0, size) == before[:offset] + bytes(length) + before[offset + length :]


def test_after_all_this_parity_is_right(tmp_path):
    path = make_array(tmp_path / "array", level=6, disks=5)
    rng = random.Random(3)
    with served(path) as server, server.client() as client:
        model = bytearray(1 << 20)
        for _ in range(100):
            offset, length = rng.randrange(1 << 19), rng.randrange(1, 1 << rng.randrange(1, 19))
            if rng.random() < 0.2:
                client.call(p.NBD_CMD_WRITE_ZEROES, offset, length)
                model[offset : offset + length] = bytes(length)
            else:
                data = rng.randbytes(length)
                client.write(offset, data)
                model[offset : offset + length] = data
        assert client.read(0, len(model)) == model
    with Array.open(path) as array:
        assert array.mddev.in_sync
        assert array.check().mismatch_sectors == 0
        assert array.read(0, len(model)) == model
