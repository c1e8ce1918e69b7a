"""The control socket of an array that a server runs: whoever may write the array may use it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from raidsim.control.protocol import (
    MAX_REQUEST_BYTES,
    SOCKET_NAME,
    VERSION,
    ControlError,
    decode,
    encode,
    socket_path,
)
from raidsim.control.service import ControlService
from raidsim.errors import RaidsimError

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.array import Array
    from raidsim.array.monitor import Monitor

_log = logging.getLogger(__name__)

MAX_CLIENTS = 16
# Requests of one client that are not answered yet.
MAX_REQUESTS = 16
# A client that takes nothing for so long is left.
_PATIENCE_SECONDS = 30.0


class ControlServer:
    """Listens on the control socket of one array, within an ``async with`` statement.

    Args:
        array: the array, which is live.
        monitor: what watches it.
        wake: called when its simulation has something to do.

    Raises:
        ControlError: another server has the array.
    """

    def __init__(self, array: Array, monitor: Monitor, wake: Callable[[], object]) -> None:
        self._path = array.directory.path
        self._service = ControlService(array, monitor, wake)
        self._handle = -1
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._handle = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            listener = self._bind()
        except OSError as error:
            os.close(self._handle)
            if isinstance(error, BlockingIOError):
                raise ControlError(f"{self._path}: another server has this array") from None
            raise ControlError(
                f"{self._path / SOCKET_NAME}: cannot be made: {error.strerror}"
            ) from error
        self._server = await asyncio.start_unix_server(
            self._meet, sock=listener, limit=MAX_REQUEST_BYTES
        )
        return self

    def _bind(self) -> socket.socket:
        """Make the socket, for its owner alone; what a killed server has left makes way."""
        self._unlink()
        listener = socket.socket(socket.AF_UNIX)
        umask = os.umask(0o177)
        try:
            listener.bind(socket_path(self._handle))
        except OSError:
            listener.close()
            raise
        finally:
            os.umask(umask)
        return listener

    async def __aexit__(self, *_: object) -> None:
        # Whoever waits for an answer is left without.
        assert self._server is not None
        self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        self._service.close()
        self._unlink()
        os.close(self._handle)

    def _unlink(self) -> None:
        Path(socket_path(self._handle)).unlink(missing_ok=True)

    def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= MAX_CLIENTS:
            writer.write(encode(_failure(None, ControlError("too many clients; try again later"))))
            writer.close()
            return
        client = asyncio.create_task(_Client(self._service, reader, writer).serve(self._path))
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)


class _Client:
    """One connection: its requests are carried out side by side, and answered as they end."""

    def __init__(
        self, service: ControlService, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._service = service
        self._reader = reader
        self._writer = writer
        self._sending = asyncio.Lock()
        self._requests: set[asyncio.Task[None]] = set()

    async def serve(self, path: Path) -> None:
        """Greet, then take requests until the client goes."""
        try:
            await self._send({"raidsim_control": VERSION, "array": str(path)})
            while line := await self._reader.readline():
                await self._take(line)
            await asyncio.gather(*self._requests)  # it may have closed its own direction only
        except ValueError:  # of a line that has no end
            with contextlib.suppress(OSError, TimeoutError):
                await self._send(_failure(None, ControlError("the line is too long")))
        except (OSError, TimeoutError):
            pass  # it is gone
        finally:
            # A check that it waits for goes on without it, as under md.
            for request in self._requests:
                request.cancel()
            self._writer.close()

    async def _take(self, line: bytes) -> None:
        try:
            message = decode(line)
        except ControlError as error:
            await self._send(_failure(None, error))
            return
        number = message.get("id")
        command, arguments = message.get("command"), message.get("arguments", {})
        if not isinstance(command, str) or not isinstance(arguments, dict):
            await self._send(_failure(number, ControlError("no command, or strange arguments")))
        elif len(self._requests) >= MAX_REQUESTS:
            await self._send(_failure(number, ControlError("too many requests at once")))
        else:
            request = asyncio.create_task(self._answer(number, command, arguments))
            self._requests.add(request)
            request.add_done_callback(self._requests.discard)

    async def _answer(self, number: Any, command: str, arguments: dict[str, Any]) -> None:
        def progress(action: str, done: int, total: int) -> None:
            if self._writer.is_closing():
                raise asyncio.CancelledError  # nobody waits any more
            if not self._writer.transport.get_write_buffer_size():
                told = {"action": action, "done": done, "total": total}
                self._writer.write(encode({"id": number, "progress": told}))

        try:
            result = await self._service.call(command, arguments, progress)
            answer = {"id": number, "result": result}
        except RaidsimError as error:
            answer = _failure(number, error)
        except OSError as error:
            answer = _failure(number, ControlError(f"{error.filename}: {error.strerror}"))
        except Exception as error:  # noqa: BLE001  a defect must not leave the client waiting
            _log.exception("control: %s", command)
            answer = _failure(number, ControlError(f"{command}: internal error: {error!r}"))
        with contextlib.suppress(OSError, TimeoutError):
            await self._send(answer)

    async def _send(self, message: dict[str, Any]) -> None:
        async with self._sending, asyncio.timeout(_PATIENCE_SECONDS):
            self._writer.write(encode(message))
            await self._writer.drain()


def _failure(number: Any, error: RaidsimError) -> dict[str, Any]:
    return {"id": number, "error": {"message": str(error), "exit_status": error.exit_status}}
