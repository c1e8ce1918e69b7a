"""The requests of one client and the replies to them (NBD protocol, "Transmission phase").

Requests go on at once and are answered in the order in which they end. What a client may have under
way is bounded: it is not listened to while that is too much.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from raidsim.nbd.handshake import CONTEXTS
from raidsim.nbd.protocol import (
    CHUNK,
    DATA_CHUNK,
    ERROR_CHUNK,
    EXTENT,
    MAX_PAYLOAD_BYTES,
    NBD_CMD_BLOCK_STATUS,
    NBD_CMD_CACHE,
    NBD_CMD_DISC,
    NBD_CMD_FLAG_DF,
    NBD_CMD_FLAG_FAST_ZERO,
    NBD_CMD_FLAG_FUA,
    NBD_CMD_FLAG_NO_HOLE,
    NBD_CMD_FLAG_REQ_ONE,
    NBD_CMD_FLUSH,
    NBD_CMD_READ,
    NBD_CMD_TRIM,
    NBD_CMD_WRITE,
    NBD_CMD_WRITE_ZEROES,
    NBD_EINVAL,
    NBD_ENOSPC,
    NBD_ENOTSUP,
    NBD_EPERM,
    NBD_REPLY_FLAG_DONE,
    NBD_REPLY_TYPE_BLOCK_STATUS,
    NBD_REPLY_TYPE_ERROR,
    NBD_REPLY_TYPE_NONE,
    NBD_REPLY_TYPE_OFFSET_DATA,
    NBD_REQUEST_MAGIC,
    NBD_SIMPLE_REPLY_MAGIC,
    NBD_STRUCTURED_REPLY_MAGIC,
    REQUEST,
    SIMPLE_REPLY,
    STATUS_CHUNK,
    ProtocolError,
)
from raidsim.nbd.request import Request
from raidsim.nbd.status import block_status

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.nbd.handshake import Session

# The flags that each command may have. "Valid for all commands" is FUA, whether or not it writes.
_ALLOWED_FLAGS = {
    NBD_CMD_READ: NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_DF,
    NBD_CMD_WRITE: NBD_CMD_FLAG_FUA,
    NBD_CMD_FLUSH: NBD_CMD_FLAG_FUA,
    NBD_CMD_TRIM: NBD_CMD_FLAG_FUA,
    NBD_CMD_CACHE: NBD_CMD_FLAG_FUA,
    NBD_CMD_WRITE_ZEROES: NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO,
    NBD_CMD_BLOCK_STATUS: NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_REQ_ONE,
}
_WRITING = frozenset({NBD_CMD_WRITE, NBD_CMD_TRIM, NBD_CMD_WRITE_ZEROES})

# A client is not listened to while its requests under way hold as much as this.
_MEMORY_BYTES = MAX_PAYLOAD_BYTES
# Replies larger than this are sent as they are, smaller ones are put together first; and payloads
# are received straight where they belong.
_LARGE_BYTES = 1 << 16
# What a request counts for besides its data.
_REQUEST_BYTES = 512


class Transmission:
    """What goes on between one client and its export.

    What counts as under way is data until they are written, or handed to the socket.

    Args:
        session: what was agreed on.
        replied: called when there are replies to send.

    Attributes:
        export: the client's.
        payload: where the bytes that come next belong, if not to a header.
        large_payloads: the last request had a large one, so the next may have, too.
        in_flight: requests that were not answered yet.
        disconnected: the client wants nothing more.
    """

    def __init__(self, session: Session, replied: Callable[[], object]) -> None:
        self._session = session
        self.export = session.export
        self.export.clients += 1
        self._replied = replied
        self._replies: deque[bytes | memoryview] = deque()
        self._writing: Request | None = None
        self._skip_bytes = 0
        self._memory_bytes = 0
        self.payload: memoryview | None = None
        self.large_payloads = False
        self.in_flight = 0
        self.disconnected = False

    def end(self) -> None:
        """The client has gone."""
        self.export.clients -= 1

    @property
    def full(self) -> bool:
        """So much is under way that no more may be begun."""
        return self._memory_bytes >= _MEMORY_BYTES

    @property
    def has_replies(self) -> bool:
        """There is something to send."""
        return bool(self._replies)

    def next_reply(self) -> bytes | memoryview:
        """What is to be sent next: a large piece of data by itself, all that is small together."""
        replies = self._replies
        data = replies.popleft()
        if replies and len(data) < _LARGE_BYTES:
            together = [data]
            while replies and len(replies[0]) < _LARGE_BYTES:
                together.append(replies.popleft())
            data = b"".join(together)
        self._memory_bytes -= len(data)
        return data

    def received_payload(self, length: int) -> None:
        """So many bytes were put where ``payload`` said."""
        assert self.payload is not None
        assert self._writing is not None
        if length < len(self.payload):
            self.payload = self.payload[length:]
            return
        request, self._writing = self._writing, None
        self.payload = None
        self.export.submit(request)

    def take(self, received: memoryview) -> int:
        """Begin the requests that ``received`` holds; return how many bytes that took.

        Raises:
            ProtocolError: that is no request.
        """
        position = 0
        end = len(received)
        while position < end:
            if self.payload is not None:
                part = received[position : position + len(self.payload)]
                self.payload[: len(part)] = part
                self.received_payload(len(part))
                position += len(part)
            elif self._skip_bytes:
                skipped = min(self._skip_bytes, end - position)
                self._skip_bytes -= skipped
                position += skipped
            elif end - position < REQUEST.size or self._memory_bytes >= _MEMORY_BYTES:
                break
            elif self.disconnected:
                return end
            else:
                magic, flags, command, cookie, offset, length = REQUEST.unpack_from(
                    received, position
                )
                if magic != NBD_REQUEST_MAGIC:
                    raise ProtocolError(f"a request begins with {magic:#x}")
                position += REQUEST.size
                self._begin(flags, command, cookie, offset, length)
        return position

    def _begin(self, flags: int, command: int, cookie: int, offset: int, length: int) -> None:
        error = self._refusal(flags, command, offset, length)
        if error:
            if command == NBD_CMD_WRITE:
                self._skip_bytes = length
            self._reply_error(command, cookie, error)
        elif command == NBD_CMD_DISC:
            self.disconnected = True
        elif command == NBD_CMD_TRIM:
            self._reply(SIMPLE_REPLY.pack(NBD_SIMPLE_REPLY_MAGIC, 0, cookie))
        elif command == NBD_CMD_BLOCK_STATUS:
            self._reply_status(cookie, offset, length, one=bool(flags & NBD_CMD_FLAG_REQ_ONE))
        else:
            fua = bool(flags & NBD_CMD_FLAG_FUA)
            request = Request(command, cookie, offset, length, self._end, fua=fua)
            self.in_flight += 1
            if command == NBD_CMD_READ:
                self._memory_bytes += length
                self.large_payloads = False
            elif command == NBD_CMD_WRITE:
                self._memory_bytes += length
                request.buffer = np.empty(request.last - request.first, np.uint8)
                self._writing = request
                self.payload = request.data
                self.large_payloads = length >= _LARGE_BYTES
            self._memory_bytes += _REQUEST_BYTES
            if self._writing is None:
                self.export.submit(request)

    def _refusal(self, flags: int, command: int, offset: int, length: int) -> int:
        """The error with which a request is refused at once, 0 if it is not."""
        if command == NBD_CMD_DISC:
            return 0
        export = self.export
        if command in _WRITING and export.readonly:
            return NBD_EPERM
        if flags and flags & ~_ALLOWED_FLAGS.get(command, 0):
            return NBD_EINVAL
        if command in {NBD_CMD_READ, NBD_CMD_WRITE} and length > MAX_PAYLOAD_BYTES:
            return NBD_EINVAL
        if command == NBD_CMD_FLUSH:
            return NBD_EINVAL if offset or length else 0
        if command not in _ALLOWED_FLAGS or not length:
            return NBD_EINVAL
        if offset + length > export.size:
            return NBD_ENOSPC if command in _WRITING else NBD_EINVAL
        if flags & NBD_CMD_FLAG_FAST_ZERO:
            return NBD_ENOTSUP  # zeros take as long as any data, parity has to be computed
        if flags & NBD_CMD_FLAG_DF and not self._session.structured:
            return NBD_EINVAL
        if command == NBD_CMD_BLOCK_STATUS and not self._session.contexts:
            return NBD_EINVAL
        return 0

    # -- replies --------------------------------------------------------------------------------

    def _end(self, request: Request) -> None:
        self.in_flight -= 1
        self._memory_bytes -= _REQUEST_BYTES
        command = request.command
        if not self._replies:
            self.export.has_replies(self._replied)
        cookie = request.cookie
        if command == NBD_CMD_WRITE:
            self._memory_bytes -= request.length
        if request.error:
            if command == NBD_CMD_READ:
                self._memory_bytes -= request.length
            self._reply_error(command, cookie, request.error)
        elif command != NBD_CMD_READ:
            self._reply(SIMPLE_REPLY.pack(NBD_SIMPLE_REPLY_MAGIC, 0, cookie))
        else:
            if self._session.structured:
                header = DATA_CHUNK.pack(
                    NBD_STRUCTURED_REPLY_MAGIC,
                    NBD_REPLY_FLAG_DONE,
                    NBD_REPLY_TYPE_OFFSET_DATA,
                    cookie,
                    request.length + 8,
                    request.offset,
                )
            else:
                header = SIMPLE_REPLY.pack(NBD_SIMPLE_REPLY_MAGIC, 0, cookie)
            self._reply(header)
            self._replies.append(request.data)  # counts since the request came

    def _reply(self, reply: bytes) -> None:
        self._memory_bytes += len(reply)
        self._replies.append(reply)

    def _reply_error(self, command: int, cookie: int, error: int) -> None:
        if self._session.structured and command in {NBD_CMD_READ, NBD_CMD_BLOCK_STATUS}:
            kind = NBD_REPLY_TYPE_ERROR
            done = NBD_REPLY_FLAG_DONE
            chunk = ERROR_CHUNK.pack(NBD_STRUCTURED_REPLY_MAGIC, done, kind, cookie, 6, error, 0)
            self._reply(chunk)
        else:
            self._reply(SIMPLE_REPLY.pack(NBD_SIMPLE_REPLY_MAGIC, error, cookie))

    def _reply_status(self, cookie: int, offset: int, length: int, *, one: bool) -> None:
        for context in self._session.contexts:
            extents = block_status(self.export.array, context, offset, length, one=one)
            body = b"".join(EXTENT.pack(size, status) for size, status in extents)
            self._reply(
                STATUS_CHUNK.pack(
                    NBD_STRUCTURED_REPLY_MAGIC,
                    0,
                    NBD_REPLY_TYPE_BLOCK_STATUS,
                    cookie,
                    len(body) + 4,
                    CONTEXTS[context],
                )
                + body
            )
        self._reply(
            CHUNK.pack(
                NBD_STRUCTURED_REPLY_MAGIC, NBD_REPLY_FLAG_DONE, NBD_REPLY_TYPE_NONE, cookie, 0
            )
        )
