"""A server in a thread of its own, on arrays that a test made."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from nbd_client import Client

from raidsim.array import Array, ArraySpec
from raidsim.array.directory import ArrayDirectory
from raidsim.nbd import NbdServer
from raidsim.nbd.hardware import ServedHardware


def make_array(path, level=5, disks=4, chunk_sectors=32, image_bytes=4 << 20, **spec):
    """An array of zeros in sync, closed again."""
    shape = ArraySpec(level=level, raid_disks=disks, layout=2, chunk_sectors=chunk_sectors, **spec)
    with Array.create(path, shape, image_bytes=image_bytes):
        pass
    return path


class Served:
    """What a test does with a server that runs.

    Attributes:
        address: its Unix socket.
        arrays: the arrays it serves; to be used by way of `call` only.
    """

    def __init__(self, address):
        self.address = address
        self.arrays = []
        self.server = None
        self.loop = None
        self.stopped = None
        self.error = None
        self.ready = threading.Event()

    def client(self, export="", *, structured=True, contexts=(), **options):
        """A client that has chosen an export."""
        client = Client(self.address, **options)
        if structured:
            client.structured_replies()
        if contexts:
            client.set_contexts(*contexts, export=export)
        client.go(export)
        return client

    def call(self, function, *arguments):
        """Call a function in the server's thread, and wake the arrays afterwards."""

        async def run():
            try:
                return function(*arguments)
            finally:
                for export in self.server.exports.values():
                    export.pump.wake()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(20)

    @property
    def array(self):
        return self.arrays[0]


@contextmanager
def served(*paths, realtime=False, disk_model=None, **options):
    """Serve the arrays of these directories."""
    with tempfile.TemporaryDirectory(prefix="nbd-") as scratch:
        served = Served(f"{scratch}/nbd.sock")

        async def serve():
            served.loop = asyncio.get_running_loop()
            served.stopped = asyncio.Event()
            async with NbdServer(served.arrays, **options) as served.server:
                await served.server.listen_unix(Path(served.address))
                served.ready.set()
                await served.server.serve_until(served.stopped)

        def run():
            try:
                with ExitStack() as stack:
                    for path in paths:
                        hardware = ServedHardware(
                            ArrayDirectory.load(path), realtime=realtime, disk_model=disk_model
                        )
                        array = Array.open(path, hardware=hardware)
                        served.arrays.append(stack.enter_context(array))
                    asyncio.run(serve())
            except BaseException as error:  # noqa: BLE001  the test's thread is told
                served.error = error
            finally:
                served.ready.set()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            assert served.ready.wait(20)
            if served.error is None:
                yield served
        finally:
            if served.loop is not None:
                with suppress(RuntimeError):  # the loop has ended already
                    served.loop.call_soon_threadsafe(served.stopped.set)
            thread.join(30)
            assert not thread.is_alive()
        if served.error is not None:
            raise served.error
