"""An array that a server runs, in a thread of the test's process."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from raidsim import Machine
from raidsim.array import Array, ArraySpec
from raidsim.array.hardware import Hardware
from raidsim.array.monitor import Monitor
from raidsim.control.server import ControlServer
from raidsim.errors import RaidsimError
from raidsim.nbd.pump import Pump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def _make_array(path: Path, *, level: int = 6, spares: int = 0, image_bytes: int = 3 << 20) -> None:
    """Make an array of 5 members of some MiB with chunks of 64 KiB."""
    spec = ArraySpec(level=level, raid_disks=5, layout=2, chunk_sectors=128, spare_disks=spares)
    with Array.create(path, spec, image_bytes=image_bytes):
        pass


class ServedArray:
    """An array that runs in another thread, where ``call`` may look at it."""

    def __init__(self, path: Path, engines: tuple[str, ...] = ()) -> None:
        self._path = path
        self._engines = engines
        self._started = threading.Event()
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def start(self) -> None:
        self._thread.start()
        self._started.wait()
        if self._problem is not None:
            self._thread.join()
            problem, self._problem = self._problem, None
            raise problem

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
        if self._problem is not None:
            raise self._problem

    def call(self, function: Callable[[Array], object]) -> object:
        """Let ``function`` see the array between two turns of its simulation."""

        async def ask() -> object:
            return function(self._array)

        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result(30)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        try:
            hardware = Hardware(Machine(engines=self._engines, kernel="numpy", timers=True))
            self._array = Array.open(self._path, hardware=hardware)
        except BaseException as error:  # noqa: BLE001  handed to the test
            self._problem = error
            self._started.set()
            return
        with Monitor(self._array) as monitor:
            pump = Pump(self._array.machine.sim, _nothing, lambda: 0, _nothing, self._fail)
            try:
                async with ControlServer(self._array, monitor, pump.wake):
                    self._started.set()
                    self._array.go_live()
                    pump.wake()
                    await self._stopping.wait()
            except RaidsimError as error:
                self._problem = error
            pump.finish()
        self._started.set()
        self._array.close()

    def _fail(self, error: Exception) -> None:
        self._problem = error
        self._stopping.set()


def _nothing() -> None:
    pass


@pytest.fixture
def served() -> Iterator[Callable[..., ServedArray]]:
    """Serve the array at a path, until the test ends."""
    running: list[ServedArray] = []

    def serve(path: Path, engines: tuple[str, ...] = ()) -> ServedArray:
        array = ServedArray(path, engines)
        array.start()
        running.append(array)
        return array

    yield serve
    for array in running:
        array.stop()


@pytest.fixture
def make_array():
    """Make an array at a path."""
    return _make_array
