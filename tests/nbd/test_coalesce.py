from __future__ import annotations

import random
import threading
from contextlib import ExitStack

import numpy as np
import pytest
from nbd_rig import make_array, served

from raidsim.disk import FLUSH, READ, WRITE
from raidsim.disk.wrapper import DiskWrapper
from raidsim.nbd import protocol as p
from raidsim.nbd.coalesce import neighbours, shared_read_buffer, shared_write_buffer
from raidsim.nbd.request import Request

BORDER = 65536
CHUNK = 16384


def requests(*places, fua=()):
    made = [Request(p.NBD_CMD_WRITE, 0, start, size, print) for start, size in places]
    for index in fua:
        made[index].fua = True
    return made


def grouped(made):
    return [[request.offset for request in group] for group in neighbours(made, BORDER)]


def test_neighbours_are_found_in_whatever_order_they_come():
    made = requests((8192, 4096), (0, 4096), (20480, 512), (4096, 4096))
    assert grouped(made) == [[0, 4096, 8192], [20480]]


def test_no_group_goes_on_where_stripe_heads_end():
    made = requests((BORDER - 4096, 4096), (BORDER, 4096), (BORDER + 4096, 4096))
    assert grouped(made) == [[BORDER - 4096], [BORDER, BORDER + 4096]]


def test_two_of_the_same_place_are_no_neighbours():
    assert grouped(requests((0, 4096), (0, 4096))) == [[0], [0]]


def test_fua_is_nobody_elses():
    assert grouped(requests((0, 512), (512, 512), (1024, 512), fua=[1])) == [[0], [512], [1024]]


def test_part_of_a_sector_is_nobodys_neighbour():
    assert grouped(requests((0, 512), (512, 8), (520, 504), (1024, 512))) == [
        [0],
        [512],
        [520],
        [1024],
    ]


def test_data_of_neighbours_lie_in_one_buffer():
    made = requests((512, 512), (1024, 1024))
    for request in made:
        request.buffer = np.full(request.length, request.offset // 512, np.uint8)
    assert shared_write_buffer(made).tobytes() == b"\1" * 512 + b"\2" * 1024
    buffer = shared_read_buffer(made)
    buffer[:] = np.arange(1536) // 512
    assert [bytes(request.data) for request in made] == [bytes(512), b"\1" * 512 + b"\2" * 512]


# -- what comes of it ----------------------------------------------------------------------------


class Recorder(DiskWrapper):
    """Notes what a member is asked for."""

    def __init__(self, disk, log):
        super().__init__(disk)
        self._log = log

    def submit(self, request):
        self._log.append((self.name, request.operation, request.fua))
        super().submit(request)


@pytest.fixture
def server(tmp_path):
    path = make_array(tmp_path / "array", level=6, disks=6, chunk_sectors=CHUNK // 512)
    with served(path) as server:
        yield server


@pytest.fixture
def log(server):
    """What the members are asked for from now on."""
    log = []

    def record():
        server.array.write(0, bytes(512))  # the superblocks say dirty from here on
        for rdev in server.array.mddev.rdevs:
            rdev.disk = Recorder(rdev.disk, log)

    server.call(record)
    return log


def write_at_once(server, clients, size, pieces):
    """Let the server hear of all pieces at the same moment, in any order; what they hold."""
    rng = random.Random(4)
    data = [rng.randbytes(size) for _ in range(pieces)]
    messages = [b""] * len(clients)
    for index in rng.sample(range(pieces), pieces):
        number = index % len(clients)
        client = clients[number]
        client.cookie += 1
        client.lengths[client.cookie] = p.NBD_CMD_WRITE, size
        header = (p.NBD_REQUEST_MAGIC, 0, p.NBD_CMD_WRITE, client.cookie, index * size, size)
        messages[number] += p.REQUEST.pack(*header) + data[index]
    busy, sent = threading.Event(), threading.Event()
    server.loop.call_soon_threadsafe(lambda: (busy.set(), sent.wait(20)))
    busy.wait(20)
    for client, message in zip(clients, messages, strict=True):
        client.send(message)
    sent.set()
    for client in clients:
        assert not any(client.reply().error for _ in range(len(client.lengths)))
    return b"".join(data)


def test_a_flush_on_one_connection_reaches_every_member_for_all(server, log):
    with server.client() as one, server.client() as other:
        one.write(4096, b"w" * 4096)
        log.clear()
        assert other.call(p.NBD_CMD_FLUSH).error == 0
        assert sorted(log) == [(f"disk{i}.img", FLUSH, False) for i in range(6)]


def test_fua_goes_down_to_the_members(server, log):
    with server.client() as client:
        client.write(4096, b"w" * 4096, flags=p.NBD_CMD_FLAG_FUA)
        assert {fua for _, operation, fua in log if operation == WRITE} == {True}
        log.clear()
        client.write(8192, b"w" * 4096)
        assert {fua for _, operation, fua in log if operation == WRITE} == {False}


@pytest.mark.parametrize("number", [1, 2])
def test_small_writes_of_a_whole_row_need_nothing_read(server, log, number):
    row = 4 * CHUNK
    with ExitStack() as stack:
        clients = [stack.enter_context(server.client()) for _ in range(number)]
        log.clear()
        data = write_at_once(server, clients, 4096, row // 4096)
        assert sorted(log) == [(f"disk{i}.img", WRITE, False) for i in range(6)]
        log.clear()
        assert clients[0].read(0, row) == data
        assert [operation for _, operation, _ in log] == [READ] * 4
