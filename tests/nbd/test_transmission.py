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


# -- each command, and what is refused ---------------------------------------------------------


def error_of(client, command, offset=0, length=512, payload=b"", flags=0):
    return client.call(command, offset, length, payload, flags).error


def test_read_with_df_comes_in_one_chunk(server):
    with server.client() as client:
        reply = client.call(p.NBD_CMD_READ, 512, 100_000, flags=p.NBD_CMD_FLAG_DF)
        assert (reply.error, len(reply.data)) == (0, 100_000)
        assert reply.chunks == [p.NBD_REPLY_TYPE_OFFSET_DATA]


def test_df_without_structured_replies_is_refused(server):
    with server.client(structured=False) as client:
        assert error_of(client, p.NBD_CMD_READ, flags=p.NBD_CMD_FLAG_DF) == p.NBD_EINVAL


def test_trim_is_a_hint_that_changes_nothing(client):
    client.write(0, b"t" * 4096)
    assert error_of(client, p.NBD_CMD_TRIM, 0, 4096) == 0
    assert client.read(0, 4096) == b"t" * 4096


def test_cache_succeeds(client):
    assert error_of(client, p.NBD_CMD_CACHE, 100, 3_000_000) == 0


def test_fast_zero_is_not_supported_since_it_is_not_fast(client):
    client.write(0, b"z" * 512)
    flags = p.NBD_CMD_FLAG_FAST_ZERO
    assert error_of(client, p.NBD_CMD_WRITE_ZEROES, flags=flags) == p.NBD_ENOTSUP
    assert client.read(0, 512) == b"z" * 512


def test_no_hole_and_fua_are_taken(client):
    flags = p.NBD_CMD_FLAG_NO_HOLE | p.NBD_CMD_FLAG_FUA
    assert error_of(client, p.NBD_CMD_WRITE_ZEROES, flags=flags) == 0


@pytest.mark.parametrize("command", [8, 99, 65535])
def test_unknown_commands_are_invalid(client, command):
    assert error_of(client, command) == p.NBD_EINVAL
    assert client.read(0, 512) == bytes(512)


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        (p.NBD_CMD_READ, p.NBD_CMD_FLAG_NO_HOLE),
        (p.NBD_CMD_TRIM, p.NBD_CMD_FLAG_FAST_ZERO),
        (p.NBD_CMD_CACHE, p.NBD_CMD_FLAG_DF),
        (p.NBD_CMD_WRITE_ZEROES, 1 << 12),
        (p.NBD_CMD_BLOCK_STATUS, p.NBD_CMD_FLAG_NO_HOLE),
    ],
)
def test_flags_that_do_not_belong_are_invalid(client, command, flags):
    assert error_of(client, command, flags=flags) == p.NBD_EINVAL


def test_a_refused_write_takes_its_data_along(client):
    refused = client.request(p.NBD_CMD_WRITE, 0, 1000, bytes(1000), 1 << 9)
    read = client.request(p.NBD_CMD_READ, 0, 512)
    replies = {reply.cookie: reply.error for reply in (client.reply(), client.reply())}
    assert replies == {refused: p.NBD_EINVAL, read: 0}


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (p.NBD_CMD_READ, p.NBD_EINVAL),
        (p.NBD_CMD_CACHE, p.NBD_EINVAL),
        (p.NBD_CMD_BLOCK_STATUS, p.NBD_EINVAL),
        (p.NBD_CMD_TRIM, p.NBD_ENOSPC),
        (p.NBD_CMD_WRITE_ZEROES, p.NBD_ENOSPC),
    ],
)
@pytest.mark.parametrize("beyond", [1, 1 << 40])
def test_nothing_lies_beyond_the_end(server, client, command, error, beyond):
    size = server.array.size
    assert error_of(client, command, size - 512 + beyond) == error


def test_a_write_beyond_the_end_finds_no_space(server, client):
    size = server.array.size
    assert error_of(client, p.NBD_CMD_WRITE, size - 1, 2, b"xx") == p.NBD_ENOSPC
    client.write(size - 2, b"xx")
    assert client.read(size - 3, 3) == b"\0xx"


def test_nothing_is_not_a_length(client):
    for command in (p.NBD_CMD_READ, p.NBD_CMD_WRITE, p.NBD_CMD_TRIM, p.NBD_CMD_CACHE):
        assert error_of(client, command, 0, 0) == p.NBD_EINVAL


def test_a_flush_has_no_range(client):
    assert error_of(client, p.NBD_CMD_FLUSH, 0, 512) == p.NBD_EINVAL


def test_more_than_the_largest_payload_is_refused(tmp_path):
    path = make_array(tmp_path / "large", disks=5, image_bytes=12 << 20)
    with served(path) as server, server.client() as client:
        assert error_of(client, p.NBD_CMD_READ, 0, (32 << 20) + 1) == p.NBD_EINVAL
        cookie = client.request(p.NBD_CMD_WRITE, 0, (32 << 20) + 1)
        for _ in range(33):
            client.send(bytes(1 << 20)[: 1 << 20 if _ < 32 else 1])
        assert client.reply().error == p.NBD_EINVAL
        assert client.cookie == cookie
        assert client.read(0, 32 << 20) == bytes(32 << 20)


def test_block_status_without_contexts_is_refused(client):
    assert error_of(client, p.NBD_CMD_BLOCK_STATUS) == p.NBD_EINVAL


def test_disconnect_ends_the_session_once_all_is_answered(server):
    with server.client() as client:
        cookies = {client.request(p.NBD_CMD_READ, i * 512, 512) for i in range(50)}
        client.disconnect()
        assert {client.reply().cookie for _ in cookies} == cookies
        assert client.closed_by_server()


def test_a_request_without_its_magic_ends_the_session(server):
    with server.client() as client:
        client.send(bytes(28))
        assert client.closed_by_server()
    with server.client() as client:
        assert client.read(0, 1) == b"\0"


def test_what_was_asked_before_nonsense_is_done(server):
    with server.client() as client:
        header = (p.NBD_REQUEST_MAGIC, 0, p.NBD_CMD_WRITE, 1, 0, 4096)
        client.send(p.REQUEST.pack(*header) + b"w" * 4096 + bytes(p.REQUEST.size))
        assert client.closed_by_server()
    assert server.call(server.array.read, 0, 4096) == b"w" * 4096


def test_a_read_only_array_is_a_read_only_export(tmp_path):
    path = make_array(tmp_path / "array")
    images = [path / f"disk{i}.img" for i in range(4)]
    with Array.assemble(path, images, readonly=True):
        pass
    with served(path) as server, server.client() as client:
        for command in (p.NBD_CMD_TRIM, p.NBD_CMD_WRITE_ZEROES):
            assert error_of(client, command) == p.NBD_EPERM
        assert error_of(client, p.NBD_CMD_WRITE, 0, 512, bytes(512)) == p.NBD_EPERM
        assert client.read(0, 512) == bytes(512)
        assert server.server.exports["array"].flags & p.NBD_FLAG_READ_ONLY


def test_replies_come_in_the_order_in_which_requests_end(server):
    """A write that waits, for its range is suspended, holds nothing else up."""
    mddev = server.array.mddev
    with server.client() as client:
        server.call(mddev.suspend, 0, 8)
        waits = client.request(p.NBD_CMD_WRITE, 0, 512, b"w" * 512)
        others = {client.request(p.NBD_CMD_READ, 8192, 512) for _ in range(5)}
        assert {client.reply().cookie for _ in others} == others
        server.call(mddev.suspend, 0, 0)
        assert client.reply().cookie == waits
        assert client.read(0, 512) == b"w" * 512


def test_a_client_that_does_not_read_is_not_listened_to(server):
    """It asks for more than it may have under way; another is served meanwhile."""
    with server.client() as greedy, server.client() as other:
        length = 1 << 20
        greedy.socket.settimeout(0.2)

        def ask_for_ever():
            while True:
                greedy.request(p.NBD_CMD_READ, 0, length)

        with pytest.raises(TimeoutError):
            ask_for_ever()
        assert greedy.cookie > 30
        assert other.read(0, 512) == bytes(512)

        def held():
            (transmission,) = (
                connection.transmission
                for connection in server.server._connections
                if connection._writing_is_paused
            )
            return transmission._memory_bytes

        assert server.call(held) <= 64 << 20


def test_a_lost_sector_is_an_error_for_its_reader_alone(server):
    """Two neighbours go down as one bio; only one of them asks for what is lost."""
    array = server.array
    with server.client() as client:
        client.write(0, b"n" * 65536)

        def lose(slots):
            for rdev in array.mddev.rdevs:
                if rdev.raid_disk in slots:
                    rdev.bad_blocks.set(rdev.data_offset, 8)
            array.mddev.personality.conf.refresh_members()

        server.call(lose, {0, 1})
        cookies = [client.request(p.NBD_CMD_READ, i * 4096, 4096) for i in range(3)]
        replies = {reply.cookie: reply for reply in (client.reply() for _ in cookies)}
        assert [replies[cookie].error for cookie in cookies] == [p.NBD_EIO, 0, 0]
        assert replies[cookies[1]].data == b"n" * 4096


def test_large_payloads_are_not_copied(server):
    """But for what comes with the header, they are received where the bio has them."""
    with server.client() as client:
        client.write(0, bytes(1 << 20))
        (connection,) = server.server._connections
        received, direct = [], connection.transmission.received_payload

        def count(length):
            received.append(length)
            direct(length)

        connection.transmission.received_payload = count
        client.write(0, b"l" * (1 << 20))
        assert sum(received) == 1 << 20
        assert received[0] <= 4096
        assert client.read(0, 1 << 20) == b"l" * (1 << 20)
