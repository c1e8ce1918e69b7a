"""The server: its exports, where it listens, and its end."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from raidsim.errors import UsageError
from raidsim.nbd.connection import Connection
from raidsim.nbd.export import Export
from raidsim.nbd.listening import tcp_sockets, unix_socket

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from raidsim.array import Array


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may take; the memory that each may have under way is ``transmission``'s affair.

    Attributes:
        connections: at a time; more are turned away.
        handshake_seconds: until a client has to have chosen an export.
        goodbye_seconds: for clients to take their last replies, at the end.
    """

    connections: int = 64
    handshake_seconds: float = 10
    goodbye_seconds: float = 5


class NbdServer:
    """Serves arrays over NBD within the running event loop, as a context manager.

    The arrays run by themselves from the beginning on. At the end all requests that have come are
    finished and the arrays flushed; closing them, which marks them clean, is left to their owner.

    Args:
        arrays: what to serve; each export is called as its directory is, the first is the default.
        tls: how connections have to be encrypted, None for not at all.
        limits: what clients may take.

    Attributes:
        exports: by name.

    Raises:
        UsageError: two exports have the same name.
    """

    def __init__(
        self,
        arrays: Sequence[Array],
        *,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.exports: dict[str, Export] = {}
        self._arrays = arrays
        self._tls = tls
        self._limits = limits or Limits()
        self._connections: set[Connection] = set()
        self._listeners: list[asyncio.Server] = []
        self._paths: list[Path] = []
        self._nobody_left = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for array in self._arrays:
            name = array.directory.path.absolute().name
            if name in self.exports:
                raise UsageError(f"{name}: two arrays would be exports of this name")
            export = Export(name, array, self._fail)
            if not array.mddev.readonly:
                array.go_live()
            self.exports[name] = export
            export.pump.wake()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for listener in self._listeners:
            listener.close()
        for path in self._paths:
            path.unlink(missing_ok=True)
        if kind is not None or self._failed.done():
            for connection in list(self._connections):
                connection.abort()
            return
        for export in self.exports.values():
            export.pump.finish()
            export.array.flush()
        for connection in list(self._connections):
            connection.close()
        if self._connections:
            self._nobody_left.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nobody_left.wait(), self._limits.goodbye_seconds)
        for connection in list(self._connections):
            connection.abort()

    async def listen_unix(self, path: Path) -> None:
        """Listen on a Unix socket that only its owner may use.

        Raises:
            RaidsimError: the path is too long, or something else is there.
        """
        listener = unix_socket(path)
        self._paths.append(path)
        await self._listen(listener)

    async def listen_tcp(self, host: str, port: int, *, insecure: bool = False) -> list[int]:
        """Listen on TCP; return the ports.

        Args:
            host: a name or an address; all addresses that it has are used.
            port: 0 for any that is free.
            insecure: also where others may listen in, with no encryption.

        Raises:
            UsageError: the host is not this machine alone, and neither TLS nor ``insecure`` is.
            RaidsimError: the host is not known, or the port is taken.
        """
        sockets = tcp_sockets(host, port, anywhere=insecure or self._tls is not None)
        for listener in sockets:
            await self._listen(listener)
        return [listener.getsockname()[1] for listener in sockets]

    async def serve_until(self, stopped: asyncio.Event) -> None:
        """Serve until ``stopped`` is set.

        Raises:
            Exception: whatever ended an array's simulation: the host is full, or a defect.
        """
        self._failed.add_done_callback(lambda _: stopped.set())
        await stopped.wait()
        if self._failed.done():
            self._failed.result()

    async def _listen(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._listeners.append(await loop.create_server(self._connection, sock=listener))

    def _connection(self) -> asyncio.BaseProtocol:
        if len(self._connections) >= self._limits.connections:
            return _TurnedAway()
        handshake_seconds = self._limits.handshake_seconds
        connection = Connection(self.exports, self._tls, handshake_seconds, self._gone)
        self._connections.add(connection)
        return connection

    def _gone(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._nobody_left.set()

    def _fail(self, error: Exception) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)


class _TurnedAway(asyncio.Protocol):
    """A client too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()
