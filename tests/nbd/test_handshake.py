from __future__ import annotations

import struct

import pytest
from nbd_client import Client, string
from nbd_rig import make_array, served

from raidsim.nbd import protocol as p
from raidsim.nbd.server import Limits

ACK = (p.NBD_REP_ACK, b"")
SIZE = 3 * (4 << 20) - 3 * (1 << 20)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("arrays")
    paths = [make_array(scratch / "first"), make_array(scratch / "second", level=6, disks=5)]
    with served(*paths, limits=Limits(connections=4, handshake_seconds=20)) as server:
        yield server


@pytest.fixture
def client(server):
    with Client(server.address) as client:
        yield client


def option_kinds(client, option, data=b""):
    return [kind for kind, _ in client.option(option, data)]


def test_greeting_offers_fixed_newstyle_without_zeroes(client):
    assert client.server_flags == p.NBD_FLAG_FIXED_NEWSTYLE | p.NBD_FLAG_NO_ZEROES


def test_unknown_client_flags_end_the_session(server):
    with Client(server.address, flags=1 << 7) as client:
        assert client.closed_by_server()


def test_an_option_without_its_magic_ends_the_session(client):
    client.send(p.OPTION.pack(1234, p.NBD_OPT_LIST, 0))
    assert client.closed_by_server()


@pytest.mark.parametrize("zeroes", [0, 124])
def test_export_name_goes_straight_to_transmission(server, zeroes):
    flags = p.NBD_FLAG_FIXED_NEWSTYLE | (0 if zeroes else p.NBD_FLAG_NO_ZEROES)
    with Client(server.address, flags=flags) as client:
        client.send(p.OPTION.pack(p.IHAVEOPT, p.NBD_OPT_EXPORT_NAME, 6) + b"second")
        size, _ = p.EXPORT_NAME_REPLY.unpack(client.receive(p.EXPORT_NAME_REPLY.size))
        assert client.receive(zeroes) == bytes(zeroes)
        assert size == server.arrays[1].size
        assert client.read(size - 512, 512) == bytes(512)


def test_export_name_of_no_export_ends_the_session(client):
    client.send(p.OPTION.pack(p.IHAVEOPT, p.NBD_OPT_EXPORT_NAME, 4) + b"none")
    assert client.closed_by_server()


def test_a_client_that_is_not_fixed_may_use_export_name(server):
    with Client(server.address, flags=0) as client:
        client.send(p.OPTION.pack(p.IHAVEOPT, p.NBD_OPT_EXPORT_NAME, 0))
        size, _ = p.EXPORT_NAME_REPLY.unpack(client.receive(p.EXPORT_NAME_REPLY.size))
        assert client.receive(124) == bytes(124)
        assert size == server.array.size


def test_abort_is_acknowledged_and_ends_the_session(client):
    assert client.option(p.NBD_OPT_ABORT) == [ACK]
    assert client.closed_by_server()


def test_list_names_every_export_the_default_first(client):
    names = [(p.NBD_REP_SERVER, string("first")), (p.NBD_REP_SERVER, string("second"))]
    assert client.option(p.NBD_OPT_LIST) == [*names, ACK]


def test_list_with_data_is_invalid(client):
    assert option_kinds(client, p.NBD_OPT_LIST, b"x") == [p.NBD_REP_ERR_INVALID]


@pytest.mark.parametrize("option", [4, 11, 99, 2**32 - 1])
def test_unknown_options_are_unsupported(client, option):
    assert option_kinds(client, option, b"whatever") == [p.NBD_REP_ERR_UNSUP]
    assert client.option(p.NBD_OPT_LIST)[-1] == ACK


def test_an_option_that_is_too_big_is_skipped(client):
    assert option_kinds(client, p.NBD_OPT_LIST, bytes(1_000_000)) == [p.NBD_REP_ERR_TOO_BIG]
    assert client.option(p.NBD_OPT_LIST)[-1] == ACK


def test_starttls_without_certificates_is_unsupported(client):
    assert option_kinds(client, p.NBD_OPT_STARTTLS) == [p.NBD_REP_ERR_UNSUP]


def test_info_tells_and_lets_negotiation_go_on(server, client):
    told = client.go("second", option=p.NBD_OPT_INFO)
    _, size, flags = p.INFO_EXPORT.unpack(struct.pack("!H", 0) + told[p.NBD_INFO_EXPORT])
    assert size == server.arrays[1].size
    assert flags & p.NBD_FLAG_HAS_FLAGS
    assert client.option(p.NBD_OPT_LIST)[-1] == ACK


@pytest.mark.parametrize(
    ("export", "preferred"), [("first", 16384), ("second", 16384)], ids=["3 chunks", "3 of 5"]
)
def test_go_tells_name_description_and_block_sizes_if_asked(client, export, preferred):
    wanted = [p.NBD_INFO_NAME, p.NBD_INFO_DESCRIPTION, p.NBD_INFO_BLOCK_SIZE, 77]
    told = client.go(export, wanted)
    assert told[p.NBD_INFO_NAME] == export.encode()
    assert b"RAID" in told[p.NBD_INFO_DESCRIPTION]
    sizes = struct.unpack("!III", told[p.NBD_INFO_BLOCK_SIZE])
    assert sizes == (512, preferred, 32 << 20)
    assert 77 not in told


def test_go_without_a_name_means_the_first_array(server, client):
    told = client.go("")
    assert int.from_bytes(told[p.NBD_INFO_EXPORT][:8], "big") == server.array.size
    assert p.NBD_INFO_BLOCK_SIZE not in told


@pytest.mark.parametrize("option", [p.NBD_OPT_GO, p.NBD_OPT_INFO])
def test_go_and_info_know_no_other_exports(client, option):
    request = string("nowhere") + p.U16.pack(0)
    assert option_kinds(client, option, request) == [p.NBD_REP_ERR_UNKNOWN]
    assert client.option(p.NBD_OPT_LIST)[-1] == ACK


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xff\xff\xff",
        string("first"),
        string("first") + p.U16.pack(2) + p.U16.pack(0),
        string("first") + p.U16.pack(0) + b"more",
        string("x" * 5000) + p.U16.pack(0),
    ],
    ids=["nothing", "length", "no list", "short list", "more", "long name"],
)
def test_go_that_makes_no_sense_is_invalid(client, data):
    assert option_kinds(client, p.NBD_OPT_GO, data) == [p.NBD_REP_ERR_INVALID]
    assert client.option(p.NBD_OPT_LIST)[-1] == ACK


def test_structured_reply_is_agreed_on(client):
    assert client.option(p.NBD_OPT_STRUCTURED_REPLY) == [ACK]
    flags = int.from_bytes(client.go()[p.NBD_INFO_EXPORT][8:], "big")
    assert flags & p.NBD_FLAG_SEND_DF


def test_structured_reply_with_data_is_invalid(client):
    assert option_kinds(client, p.NBD_OPT_STRUCTURED_REPLY, b"x") == [p.NBD_REP_ERR_INVALID]


def test_no_df_without_structured_replies(client):
    flags = int.from_bytes(client.go()[p.NBD_INFO_EXPORT][8:], "big")
    assert not flags & p.NBD_FLAG_SEND_DF


def test_transmission_flags_promise_what_there_is(client):
    flags = int.from_bytes(client.go()[p.NBD_INFO_EXPORT][8:], "big")
    assert flags == (
        p.NBD_FLAG_HAS_FLAGS
        | p.NBD_FLAG_SEND_FLUSH
        | p.NBD_FLAG_SEND_FUA
        | p.NBD_FLAG_SEND_TRIM
        | p.NBD_FLAG_SEND_WRITE_ZEROES
        | p.NBD_FLAG_SEND_FAST_ZERO
        | p.NBD_FLAG_SEND_CACHE
        | p.NBD_FLAG_CAN_MULTI_CONN
    )


def contexts(client, option, *queries):
    data = string("first") + p.U32.pack(len(queries)) + b"".join(map(string, queries))
    replies = client.option(option, data)
    assert replies[-1] == ACK
    return [(int.from_bytes(data[:4], "big"), data[4:].decode()) for _, data in replies[:-1]]


@pytest.mark.parametrize(
    ("queries", "found"),
    [
        ([], ["base:allocation", "raidsim:health"]),
        (["base:"], ["base:allocation"]),
        (["raidsim:", "base:allocation"], ["base:allocation", "raidsim:health"]),
        (["raidsim:health"], ["raidsim:health"]),
        (["qemu:dirty-bitmap:x"], []),
    ],
)
def test_list_meta_context_answers_queries(client, queries, found):
    client.structured_replies()
    listed = contexts(client, p.NBD_OPT_LIST_META_CONTEXT, *queries)
    assert listed == [(0, name) for name in found]


@pytest.mark.parametrize(
    ("queries", "found"),
    [
        ([], []),
        (["base:"], []),
        (["raidsim:health", "base:allocation"], ["base:allocation", "raidsim:health"]),
        (["raidsim:health", "raidsim:more"], ["raidsim:health"]),
    ],
)
def test_set_meta_context_selects_what_is_named_in_full(client, queries, found):
    client.structured_replies()
    selected = contexts(client, p.NBD_OPT_SET_META_CONTEXT, *queries)
    assert [name for _, name in selected] == found
    assert len({number for number, _ in selected}) == len(found)


def test_contexts_hold_for_the_export_they_were_set_for(client):
    client.structured_replies()
    contexts(client, p.NBD_OPT_SET_META_CONTEXT, "base:allocation")
    client.go("second")
    assert client.call(p.NBD_CMD_BLOCK_STATUS, 0, 512).error == p.NBD_EINVAL


@pytest.mark.parametrize("option", [p.NBD_OPT_LIST_META_CONTEXT, p.NBD_OPT_SET_META_CONTEXT])
def test_contexts_want_structured_replies_and_an_export(client, option):
    data = string("first") + p.U32.pack(0)
    assert option_kinds(client, option, data) == [p.NBD_REP_ERR_INVALID]
    client.structured_replies()
    nowhere = string("nowhere") + p.U32.pack(0)
    assert option_kinds(client, option, nowhere) == [p.NBD_REP_ERR_UNKNOWN]
    assert option_kinds(client, option, data + b"x") == [p.NBD_REP_ERR_INVALID]
    assert option_kinds(client, option, string("first") + p.U32.pack(2**32 - 1)) == [
        p.NBD_REP_ERR_INVALID
    ]


def test_options_may_come_all_at_once_or_byte_by_byte(client):
    listing = p.OPTION.pack(p.IHAVEOPT, p.NBD_OPT_LIST, 0)
    for byte in listing:
        client.send(bytes([byte]))
    client.send(listing)
    for _ in range(2):
        for _ in range(3):
            *_, length = p.OPTION_REPLY.unpack(client.receive(p.OPTION_REPLY.size))
            client.receive(length)


def test_a_client_too_many_is_turned_away(server):
    clients = [Client(server.address) for _ in range(4)]
    try:
        with pytest.raises((EOFError, ConnectionResetError)):
            Client(server.address)
    finally:
        for client in clients:
            client.socket.close()


def test_a_client_that_never_chooses_is_let_go(tmp_path):
    path = make_array(tmp_path / "array")
    with served(path, limits=Limits(handshake_seconds=0.05)) as server:
        with Client(server.address) as idle:
            assert idle.closed_by_server()
        with server.client() as client:
            assert client.read(0, 512) == bytes(512)
