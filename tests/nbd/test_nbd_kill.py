"""kill -9 of a server under load: what was acknowledged and flushed is there afterwards."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from nbd_client import Client
from nbd_rig import make_array

from raidsim.array import Array
from raidsim.array.directory import ArrayDirectory
from raidsim.nbd import NbdServer
from raidsim.nbd import protocol as p
from raidsim.nbd.hardware import ServedHardware

BLOCK = 4096
BLOCKS = 512
DEPTH = 16


class Load:
    """Writes of numbered blocks, some of them followed by a flush, and what is known of each.

    A block holds its own number and that of its write, over and over. `flushed` is the newest write
    of each block that was answered before a flush was begun that was answered, or had FUA;
    `newest` is the newest that was begun: what is on disk lies between the two.
    """

    def __init__(self, client, rng):
        self.client = client
        self.rng = rng
        self.number = 0
        self.flushed = [0] * BLOCKS
        self.answered = [0] * BLOCKS
        self.newest = [0] * BLOCKS
        self.under_way = {}
        self.busy = set()

    def run(self):
        """Go on until the server is gone; how many requests were answered."""
        count = 0
        try:
            while True:
                while len(self.under_way) < DEPTH:
                    self._submit()
                self._answer(self.client.reply())
                count += 1
        except (EOFError, ConnectionError):
            return count

    def _submit(self):
        if self.rng.random() < 0.1:
            cookie = self.client.request(p.NBD_CMD_FLUSH)
            self.under_way[cookie] = list(self.answered)
            return
        first = self.rng.randrange(BLOCKS - 8)
        blocks = range(first, first + self.rng.randrange(1, 9))
        if self.busy.intersection(blocks):
            return  # which of two writes at once stays is not defined
        self.busy.update(blocks)
        self.number += 1
        fua = self.rng.random() < 0.2
        data = b"".join(content(block, self.number) for block in blocks)
        for block in blocks:
            self.newest[block] = self.number
        flags = p.NBD_CMD_FLAG_FUA if fua else 0
        cookie = self.client.request(p.NBD_CMD_WRITE, first * BLOCK, len(data), data, flags)
        self.under_way[cookie] = (self.number, fua, blocks)

    def _answer(self, reply):
        assert reply.error == 0
        entry = self.under_way.pop(reply.cookie)
        if isinstance(entry, list):
            self.flushed = [max(pair) for pair in zip(self.flushed, entry, strict=True)]
            return
        number, fua, blocks = entry
        self.busy.difference_update(blocks)
        for block in blocks:
            self.answered[block] = number
            if fua:
                self.flushed[block] = number


def content(block, number):
    return (block.to_bytes(4, "big") + number.to_bytes(4, "big")) * (BLOCK // 8)


def number_of(block, data):
    """Which write a block holds, whole."""
    number = int.from_bytes(data[4:8], "big")
    assert data in {content(block, number), bytes(BLOCK)}, f"block {block} is torn"
    return number


def serve(path):
    """A server as a process of its own, and its address once it listens."""
    server = subprocess.Popen(
        [sys.executable, "-m", "raidsim", "serve", str(path), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    line = server.stdout.readline()
    return server, int(line.rsplit(":", 1)[1].split("/")[0])


def serve_for_ever(path, address, ready):
    """The same in a fork of this process, which has imported everything already."""

    async def run():
        async with NbdServer([array]) as server:
            await server.listen_unix(Path(address))
            ready.set()
            await server.serve_until(asyncio.Event())

    array = Array.open(path, hardware=ServedHardware(ArrayDirectory.load(path)))
    asyncio.run(run())


def load_until_killed(path, address, load, delay):
    """Let a server be killed after so many seconds of load; how many requests it answered."""
    fork = multiprocessing.get_context("fork")
    ready = fork.Event()
    server = fork.Process(target=serve_for_ever, args=(path, address, ready))
    server.start()
    assert ready.wait(20)
    with Client(address) as load.client:
        load.client.structured_replies()
        load.client.go()
        killer = threading.Timer(delay, server.kill)
        killer.start()
        answered = load.run()
    killer.join()
    server.join(20)
    assert server.exitcode == -signal.SIGKILL
    return answered


@pytest.fixture
def memory():
    """A short path in memory: a kill does not lose what the host's page cache holds."""
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  a directory of its own
    with tempfile.TemporaryDirectory(prefix="nbd-", dir=place) as scratch:
        yield Path(scratch)


@pytest.mark.slow
@pytest.mark.parametrize("level", [5, 6])
def test_acknowledged_and_flushed_writes_survive_kill_9(memory, level):
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    path = make_array(memory / "array", level=level, disks=level, image_bytes=2 << 20)
    before = [0] * BLOCKS
    answered = 0
    for _ in range(25):
        load = Load(None, rng)
        load.number = max(before)
        load.newest, load.flushed, load.answered = list(before), list(before), list(before)
        address = str(memory / "nbd.sock")
        answered += load_until_killed(path, address, load, rng.uniform(0.01, 0.15))
        with Array.open(path) as array:
            data = array.read(0, BLOCKS * BLOCK)
            array.rebuild()
            assert array.check().mismatch_sectors == 0, seed
            assert array.read(0, BLOCKS * BLOCK) == data, seed
        for block in range(BLOCKS):
            number = number_of(block, data[block * BLOCK :][:BLOCK])
            assert load.flushed[block] <= number <= load.newest[block], (seed, block)
            before[block] = number
    assert answered > 1000


def test_sigterm_finishes_what_was_asked_for_and_leaves_the_array_clean(tmp_path):
    path = make_array(tmp_path / "array")
    server, port = serve(path)
    with server, Client(("127.0.0.1", port)) as client:
        client.structured_replies()
        client.go()
        load = Load(client, random.Random(1))
        for _ in range(50):
            while len(load.under_way) < DEPTH:
                load._submit()
            load._answer(client.reply())
        server.send_signal(signal.SIGTERM)
        load.run()
        assert server.wait(20) == 0
    with Array.open(path) as array:
        assert array.mddev.in_sync
        data = array.read(0, BLOCKS * BLOCK)
    for block in range(BLOCKS):
        number = number_of(block, data[block * BLOCK :][:BLOCK])
        assert load.answered[block] <= number <= load.newest[block]


def test_a_second_server_on_the_same_array_is_refused(tmp_path):
    path = make_array(tmp_path / "array")
    server, port = serve(path)
    with server:
        second = subprocess.run(
            [sys.executable, "-m", "raidsim", "serve", str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 1
        assert second.stderr.count("\n") == 1
        assert "in use by another program" in second.stderr
        with Client(("127.0.0.1", port)) as client:
            client.go()
            assert client.read(0, 512) == bytes(512)
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
