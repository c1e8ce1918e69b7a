"""One client's connection: bytes in and out, first for the handshake, then for its requests."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from raidsim.nbd.handshake import UPGRADE, Handshake
from raidsim.nbd.protocol import ProtocolError
from raidsim.nbd.transmission import Transmission

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from raidsim.nbd.export import Export

# Room for the headers that a client has sent ahead, and for the small payloads between them.
_BUFFER_BYTES = 1 << 18
# Room for a header, where a large payload comes behind it that should not be copied.
_HEADER_BYTES = 1 << 12
# What the socket is to take at once, if the host lets it.
_SEND_BUFFER_BYTES = 1 << 20


class Connection(asyncio.BufferedProtocol):
    """A client, from connecting until it is gone.

    Args:
        exports: by name, the default one first.
        tls: how connections are encrypted, None for not at all.
        handshake_seconds: how long it may take until the client has chosen an export.
        gone: called with this when it is over.

    Attributes:
        transmission: what goes on after the handshake.
    """

    def __init__(
        self,
        exports: Mapping[str, Export],
        tls: ssl.SSLContext | None,
        handshake_seconds: float,
        gone: Callable[[Connection], object],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._tls = tls
        self._handshake_seconds = handshake_seconds
        self._gone = gone
        self._view = memoryview(bytearray(_BUFFER_BYTES))
        self._filled = 0
        self._handshake = Handshake(exports, self._send, tls=tls is not None).run()
        self._wanted = 0
        self._upgrade: asyncio.Task[None] | None = None
        self._writing_is_paused = False
        self._reading_is_paused = False
        self._closing = False
        self.transmission: Transmission | None = None

    # -- asyncio calls these --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with the handshake."""
        assert isinstance(transport, asyncio.Transport)
        self._use(transport)
        connected = transport.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self._timeout = self._loop.call_later(self._handshake_seconds, self.abort)
        self._wanted = next(self._handshake)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  asyncio's signature
        """Where to put what comes next: a large payload straight where it belongs."""
        if not self._filled and self.transmission is not None:
            payload = self.transmission.payload
            if payload is not None:
                return payload
            if self.transmission.large_payloads:
                return self._view[:_HEADER_BYTES]
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes have come."""
        transmission = self.transmission
        if not self._filled and transmission is not None and transmission.payload is not None:
            transmission.received_payload(nbytes)
            transmission.export.begin()
            return
        self._filled += nbytes
        self._consume()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        """It is over."""
        self._closing = True
        self._timeout.cancel()
        if self._upgrade is not None:
            self._upgrade.cancel()
        if self.transmission is not None:
            self.transmission.end()
        self._gone(self)

    def pause_writing(self) -> None:
        """The socket takes no more for now."""
        self._writing_is_paused = True

    def resume_writing(self) -> None:
        """It does."""
        self._writing_is_paused = False
        if self.transmission is not None:
            self._deliver()
        else:
            self._consume()

    # -- what comes -----------------------------------------------------------------------------

    def close(self) -> None:
        """Hear no more, and let the client go once it has got all replies there are."""
        self._closing = True
        if self.transmission is None or not self.transmission.has_replies:
            self._transport.close()
        else:
            self._transport.pause_reading()

    def abort(self) -> None:
        """Let the client go now."""
        self._closing = True
        self._transport.abort()
        if self._wanted == UPGRADE:
            self.connection_lost(None)  # meanwhile asyncio tells nobody

    def _consume(self) -> None:
        """Go on with what has come, and listen for more unless too much is under way."""
        if self._closing:
            return
        consumed = 0
        try:
            if self.transmission is None:
                consumed = self._negotiate()
            if self.transmission is not None:
                consumed += self.transmission.take(self._view[consumed : self._filled])
        except ProtocolError:
            self.abort()
        else:
            left = self._filled - consumed
            if left and consumed:
                self._view[:left] = self._view[consumed : self._filled]
            self._filled = left
            if self.transmission is not None:
                self._send_replies()
            self._listen_or_not()
        if self.transmission is not None:
            self.transmission.export.begin()

    def _negotiate(self) -> int:
        """Give the handshake what it wants; return how many bytes that took."""
        consumed = 0
        while (
            self.transmission is None
            and not self._writing_is_paused
            and 0 <= self._wanted <= self._filled - consumed
        ):
            data = bytes(self._view[consumed : consumed + self._wanted])
            consumed += self._wanted
            self._step(data)
        if self._wanted == UPGRADE and self._upgrade is None:
            if consumed < self._filled:
                raise ProtocolError("something was sent behind NBD_OPT_STARTTLS, in the clear")
            self._transport.pause_reading()
            self._upgrade = self._loop.create_task(self._start_tls())
        return consumed

    def _step(self, data: bytes) -> None:
        try:
            self._wanted = self._handshake.send(data)
        except StopIteration as end:
            self._timeout.cancel()
            if end.value is None:
                self.close()
                raise ProtocolError("the client goes away") from None
            self.transmission = Transmission(end.value, self._deliver)

    async def _start_tls(self) -> None:
        assert self._tls is not None
        try:
            transport = await self._loop.start_tls(
                self._transport,
                self,
                self._tls,
                server_side=True,
                ssl_handshake_timeout=self._handshake_seconds,
            )
        except OSError:
            self.abort()
            return
        assert transport is not None
        self._use(transport)
        self._step(b"")
        self._consume()

    def _listen_or_not(self) -> None:
        if self._transport.is_closing() or self._wanted == UPGRADE:
            return
        transmission = self.transmission
        if transmission is None:
            pause = self._writing_is_paused
        elif transmission.disconnected:
            if not transmission.in_flight:
                self.close()
            return
        else:
            pause = transmission.full
        if pause != self._reading_is_paused:
            self._reading_is_paused = pause
            if pause:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    # -- what goes ------------------------------------------------------------------------------

    def _use(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        # Replies wait where they are, uncopied, until the socket takes them. (With 0 the TLS
        # transport would pause before anything was written.)
        transport.set_write_buffer_limits(high=1)

    def _send(self, data: bytes) -> None:
        self._transport.write(data)

    def _deliver(self) -> None:
        """Requests have ended: answer them, and go on where too much was under way."""
        self._send_replies()
        transmission = self.transmission
        assert transmission is not None
        if self._closing:
            self.close()
        elif self._reading_is_paused or transmission.disconnected:
            self._consume()

    def _send_replies(self) -> None:
        transmission = self.transmission
        assert transmission is not None
        while transmission.has_replies and not self._writing_is_paused:
            data = transmission.next_reply()
            if not self._transport.is_closing():
                self._transport.write(data)
