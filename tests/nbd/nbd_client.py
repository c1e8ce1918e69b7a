"""A client of its own: it sends what it is told to, right or wrong, and takes replies apart."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field

from raidsim.nbd import protocol as p

GREETING_FLAGS = p.NBD_FLAG_FIXED_NEWSTYLE | p.NBD_FLAG_NO_ZEROES


@dataclass
class Reply:
    """The reply to one request, all chunks of it."""

    cookie: int
    error: int = 0
    data: bytes = b""
    extents: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    chunks: list[int] = field(default_factory=list)


class Client:
    """One connection, from the greeting on."""

    def __init__(self, address, *, flags=GREETING_FLAGS, timeout=20):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(timeout)
        self.structured = False
        self.cookie = 0
        self.lengths: dict[int, tuple[int, int]] = {}
        try:
            self.socket.connect(address)
            greeting = p.GREETING.unpack(self.receive(p.GREETING.size))
        except BaseException:
            self.socket.close()
            raise
        assert greeting[:2] == (p.NBDMAGIC, p.IHAVEOPT)
        self.server_flags = greeting[2]
        self.send(p.CLIENT_FLAGS.pack(flags))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, length):
        parts = []
        while length:
            part = self.socket.recv(min(length, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def closed_by_server(self):
        """Wait for the end; whether nothing came before it."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    # -- handshake --------------------------------------------------------------------------

    def option(self, option, data=b""):
        """Send an option; the replies up to the last one, as (type, data)."""
        self.send(p.OPTION.pack(p.IHAVEOPT, option, len(data)) + data)
        replies = []
        while True:
            magic, of, kind, length = p.OPTION_REPLY.unpack(self.receive(p.OPTION_REPLY.size))
            assert (magic, of) == (p.NBD_REP_MAGIC, option)
            replies.append((kind, self.receive(length)))
            if kind == p.NBD_REP_ACK or kind >> 31:
                return replies

    def structured_replies(self):
        assert self.option(p.NBD_OPT_STRUCTURED_REPLY) == [(p.NBD_REP_ACK, b"")]
        self.structured = True

    def set_contexts(self, *names, export=""):
        data = string(export) + p.U32.pack(len(names)) + b"".join(map(string, names))
        replies = self.option(p.NBD_OPT_SET_META_CONTEXT, data)
        return {
            data[4:].decode(): int.from_bytes(data[:4], "big")
            for kind, data in replies
            if kind == p.NBD_REP_META_CONTEXT
        }

    def go(self, export="", infos=(), option=p.NBD_OPT_GO):
        """Choose an export; what the server tells of it, by the type of information."""
        data = string(export) + struct.pack(f"!H{len(infos)}H", len(infos), *infos)
        replies = self.option(option, data)
        assert replies[-1] == (p.NBD_REP_ACK, b""), replies
        told = {}
        for kind, data in replies[:-1]:
            assert kind == p.NBD_REP_INFO
            told[int.from_bytes(data[:2], "big")] = data[2:]
        return told

    # -- transmission -----------------------------------------------------------------------

    def request(self, command, offset=0, length=0, payload=b"", flags=0):
        """Send a request; its cookie."""
        self.cookie += 1
        header = (p.NBD_REQUEST_MAGIC, flags, command, self.cookie, offset, length)
        self.send(p.REQUEST.pack(*header) + payload)
        self.lengths[self.cookie] = command, length
        return self.cookie

    def reply(self):
        """Receive one reply, to whatever request."""
        reply = None
        while True:
            (magic,) = struct.unpack("!I", self.receive(4))
            if magic == p.NBD_SIMPLE_REPLY_MAGIC:
                assert reply is None
                error, cookie = struct.unpack("!IQ", self.receive(12))
                command, length = self.lengths.pop(cookie)
                reads = command == p.NBD_CMD_READ
                assert not (reads and self.structured)
                return Reply(cookie, error, self.receive(length) if reads and not error else b"")
            assert magic == p.NBD_STRUCTURED_REPLY_MAGIC
            assert self.structured
            flags, kind, cookie, length = struct.unpack("!HHQI", self.receive(16))
            reply = reply or Reply(cookie)
            assert reply.cookie == cookie
            reply.chunks.append(kind)
            body = self.receive(length)
            if kind == p.NBD_REPLY_TYPE_OFFSET_DATA:
                reply.data += body[8:]
            elif kind == p.NBD_REPLY_TYPE_BLOCK_STATUS:
                reply.extents[int.from_bytes(body[:4], "big")] = list(
                    struct.iter_unpack("!II", body[4:])
                )
            elif kind == p.NBD_REPLY_TYPE_ERROR:
                reply.error, message_length = struct.unpack_from("!IH", body)
                assert message_length == len(body) - 6
            else:
                assert kind == p.NBD_REPLY_TYPE_NONE
                assert not body
            if flags & p.NBD_REPLY_FLAG_DONE:
                del self.lengths[cookie]
                return reply

    def call(self, command, offset=0, length=0, payload=b"", flags=0):
        """Send a request and wait for its reply."""
        cookie = self.request(command, offset, length, payload, flags)
        reply = self.reply()
        assert reply.cookie == cookie
        return reply

    def read(self, offset, length):
        reply = self.call(p.NBD_CMD_READ, offset, length)
        assert (reply.error, len(reply.data)) == (0, length)
        return reply.data

    def write(self, offset, data, flags=0):
        reply = self.call(p.NBD_CMD_WRITE, offset, len(data), data, flags)
        assert reply.error == 0

    def disconnect(self):
        self.request(p.NBD_CMD_DISC)


def string(text):
    raw = text if isinstance(text, bytes) else text.encode()
    return p.U32.pack(len(raw)) + raw
