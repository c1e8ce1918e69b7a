"""Agreeing with a client: fixed newstyle negotiation (NBD protocol, "Handshake phase").

No sockets here: ``Handshake.run`` asks for the bytes it needs by yielding their number, and what it
has to say goes to ``send``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from raidsim.nbd import protocol
from raidsim.nbd.protocol import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from raidsim.nbd.export import Export

# Yielded in place of a number of bytes: go on once the connection is encrypted.
UPGRADE = -1

# The metadata contexts there are, each with its number.
CONTEXTS = {protocol.BASE_ALLOCATION: 1, protocol.RAIDSIM_HEALTH: 2}


class InvalidOptionError(ProtocolError):
    """What an option carries makes no sense; the client is told so."""


@dataclass(frozen=True, slots=True)
class Session:
    """What was agreed on.

    Attributes:
        export: what the client uses.
        structured: reads are answered with structured replies.
        contexts: the names of the metadata contexts it asked for.
    """

    export: Export
    structured: bool
    contexts: tuple[str, ...]


class Handshake:
    """The negotiation with one client.

    Args:
        exports: by name, the default one first.
        send: takes what goes to the client.
        tls: nothing is told to who has not encrypted the connection (the protocol's FORCEDTLS).
    """

    def __init__(
        self, exports: Mapping[str, Export], send: Callable[[bytes], object], *, tls: bool
    ) -> None:
        self._exports = exports
        self._send = send
        self._tls = tls
        self._encrypted = False
        self._structured = False
        # The export for which metadata contexts were asked for, and which.
        self._contexts: tuple[Export | None, tuple[str, ...]] = (None, ())

    def run(self) -> Generator[int, bytes, Session | None]:
        """Negotiate.

        Yields:
            How many bytes are wanted, or ``UPGRADE``.

        Returns:
            What was agreed on, None if the client goes away.

        Raises:
            ProtocolError: there is no going on with this client.
        """
        flags = protocol.NBD_FLAG_FIXED_NEWSTYLE | protocol.NBD_FLAG_NO_ZEROES
        self._send(protocol.GREETING.pack(protocol.NBDMAGIC, protocol.IHAVEOPT, flags))
        (client_flags,) = protocol.CLIENT_FLAGS.unpack((yield protocol.CLIENT_FLAGS.size))
        if client_flags & ~flags:
            raise ProtocolError(f"unknown client flags {client_flags:#x}")
        while True:
            magic, option, length = protocol.OPTION.unpack((yield protocol.OPTION.size))
            if magic != protocol.IHAVEOPT:
                raise ProtocolError(f"an option begins with {magic:#x}")
            if length > protocol.MAX_OPTION_BYTES:
                yield from _skip(length)
                self._reply(option, protocol.NBD_REP_ERR_TOO_BIG)
                continue
            data = (yield length) if length else b""
            if option == protocol.NBD_OPT_EXPORT_NAME:
                return self._export_name(
                    data, zeroes=not client_flags & protocol.NBD_FLAG_NO_ZEROES
                )
            if option == protocol.NBD_OPT_ABORT:
                self._reply(option, protocol.NBD_REP_ACK)
                return None
            if option == protocol.NBD_OPT_STARTTLS:
                if self._may_start_tls(data):
                    yield UPGRADE
                    self._encrypted = True
            elif self._tls and not self._encrypted:
                self._reply(option, protocol.NBD_REP_ERR_TLS_REQD)
            elif session := self._option(option, data):
                return session

    def _option(self, option: int, data: bytes) -> Session | None:
        """Answer an option; return what was agreed on if it is the last."""
        try:
            match option:
                case protocol.NBD_OPT_LIST:
                    self._list(data)
                case protocol.NBD_OPT_STRUCTURED_REPLY:
                    self._structured_reply(data)
                case protocol.NBD_OPT_INFO | protocol.NBD_OPT_GO:
                    return self._info(option, data)
                case protocol.NBD_OPT_LIST_META_CONTEXT | protocol.NBD_OPT_SET_META_CONTEXT:
                    self._meta_context(option, data)
                case _:
                    self._reply(option, protocol.NBD_REP_ERR_UNSUP)
        except InvalidOptionError as error:
            self._reply(option, protocol.NBD_REP_ERR_INVALID, str(error).encode())
        return None

    def _reply(self, option: int, kind: int, data: bytes = b"") -> None:
        self._send(
            protocol.OPTION_REPLY.pack(protocol.NBD_REP_MAGIC, option, kind, len(data)) + data
        )

    def _flags(self, export: Export) -> int:
        return export.flags | (protocol.NBD_FLAG_SEND_DF if self._structured else 0)

    def _session(self, export: Export) -> Session:
        of, contexts = self._contexts
        return Session(export, self._structured, contexts if of is export else ())

    def _find(self, name: bytes) -> Export | None:
        """The export called ``name``, the default one if that is empty."""
        if not name:
            return next(iter(self._exports.values()))
        return self._exports.get(name.decode(errors="replace"))

    # -- the options ----------------------------------------------------------------------------

    def _export_name(self, name: bytes, *, zeroes: bool) -> Session:
        export = self._find(name)
        if export is None or (self._tls and not self._encrypted):
            raise ProtocolError("an export that is not there, or not without TLS")
        padding = bytes(124 if zeroes else 0)
        self._send(protocol.EXPORT_NAME_REPLY.pack(export.size, self._flags(export)) + padding)
        return self._session(export)

    def _may_start_tls(self, data: bytes) -> bool:
        if not self._tls:
            self._reply(protocol.NBD_OPT_STARTTLS, protocol.NBD_REP_ERR_UNSUP)
        elif data or self._encrypted:
            self._reply(protocol.NBD_OPT_STARTTLS, protocol.NBD_REP_ERR_INVALID)
        else:
            self._reply(protocol.NBD_OPT_STARTTLS, protocol.NBD_REP_ACK)
            return True
        return False

    def _list(self, data: bytes) -> None:
        if data:
            raise InvalidOptionError("NBD_OPT_LIST carries nothing")
        for name in self._exports:
            raw = name.encode()
            self._reply(
                protocol.NBD_OPT_LIST, protocol.NBD_REP_SERVER, protocol.U32.pack(len(raw)) + raw
            )
        self._reply(protocol.NBD_OPT_LIST, protocol.NBD_REP_ACK)

    def _structured_reply(self, data: bytes) -> None:
        if data:
            raise InvalidOptionError("NBD_OPT_STRUCTURED_REPLY carries nothing")
        self._structured = True
        self._reply(protocol.NBD_OPT_STRUCTURED_REPLY, protocol.NBD_REP_ACK)

    def _info(self, option: int, data: bytes) -> Session | None:
        fields = _Fields(data)
        name = fields.string()
        wanted = [fields.u16() for _ in range(fields.u16())]
        fields.end()
        export = self._find(name)
        if export is None:
            self._reply(option, protocol.NBD_REP_ERR_UNKNOWN, b"there is no such export")
            return None
        infos = [
            protocol.INFO_EXPORT.pack(protocol.NBD_INFO_EXPORT, export.size, self._flags(export))
        ]
        if protocol.NBD_INFO_NAME in wanted:
            infos.append(protocol.U16.pack(protocol.NBD_INFO_NAME) + export.name.encode())
        if protocol.NBD_INFO_DESCRIPTION in wanted:
            infos.append(
                protocol.U16.pack(protocol.NBD_INFO_DESCRIPTION) + export.description.encode()
            )
        if protocol.NBD_INFO_BLOCK_SIZE in wanted:
            sizes = (
                export.block_bytes_minimum,
                export.block_bytes_preferred,
                protocol.MAX_PAYLOAD_BYTES,
            )
            infos.append(protocol.INFO_BLOCK_SIZE.pack(protocol.NBD_INFO_BLOCK_SIZE, *sizes))
        for info in infos:
            self._reply(option, protocol.NBD_REP_INFO, info)
        self._reply(option, protocol.NBD_REP_ACK)
        return self._session(export) if option == protocol.NBD_OPT_GO else None

    def _meta_context(self, option: int, data: bytes) -> None:
        if not self._structured:
            raise InvalidOptionError("structured replies come first")
        fields = _Fields(data)
        name = fields.string()
        queries = [fields.string().decode(errors="replace") for _ in range(fields.u32())]
        fields.end()
        export = self._find(name)
        setting = option == protocol.NBD_OPT_SET_META_CONTEXT
        if setting:
            self._contexts = None, ()
        if export is None:
            self._reply(option, protocol.NBD_REP_ERR_UNKNOWN, b"there is no such export")
            return
        if not (queries or setting):
            found = tuple(CONTEXTS)
        else:
            found = tuple(c for c in CONTEXTS if _is_asked_for(c, queries, whole=setting))
        if setting:
            self._contexts = export, found
        for context in found:
            number = CONTEXTS[context] if setting else 0
            self._reply(
                option, protocol.NBD_REP_META_CONTEXT, protocol.U32.pack(number) + context.encode()
            )
        self._reply(option, protocol.NBD_REP_ACK)


class _Fields:
    """What an option carries, field by field."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def take(self, length: int) -> bytes:
        """The next ``length`` bytes."""
        if length > len(self._data):
            raise InvalidOptionError("the option ends too early")
        taken, self._data = self._data[:length], self._data[length:]
        return taken

    def u16(self) -> int:
        """The next number of 16 bits."""
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        """The next number of 32 bits."""
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        """The next string, which has its length before it."""
        length = self.u32()
        if length > protocol.MAX_NAME_BYTES:
            raise InvalidOptionError("a string is too long")
        return self.take(length)

    def end(self) -> None:
        """Nothing more may come."""
        if self._data:
            raise InvalidOptionError("the option goes on after its end")


def _is_asked_for(context: str, queries: list[str], *, whole: bool) -> bool:
    """Whether one of the queries means ``context``; a namespace alone does where one only lists."""
    namespace = context[: context.index(":") + 1]
    return context in queries or (not whole and namespace in queries)


def _skip(length: int) -> Generator[int, bytes, None]:
    while length:
        step = min(length, protocol.MAX_OPTION_BYTES)
        yield step
        length -= step
