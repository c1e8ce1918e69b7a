"""The lines that go over a control socket, see docs/reference/control.md.

A line is a JSON object. The server begins with a greeting; then each request has one answer, a
result or an error, and while it takes its time there may be lines of progress before that.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raidsim.errors import RaidsimError

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = 1
SOCKET_NAME = "control.sock"

# The longest line that a server takes: a piece of data to write, with what base64 adds to it.
MAX_REQUEST_BYTES = 2 << 20
# The longest that a client takes: ten thousand mismatches with long names.
MAX_ANSWER_BYTES = 64 << 20
# So much is read or written at once.
PIECE_BYTES = 1 << 20


class ControlError(RaidsimError):
    """An array's server cannot be talked to, or not understood."""


def encode(message: dict[str, Any]) -> bytes:
    """Return a line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Return what a line says.

    Raises:
        ControlError: it is no JSON object.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise ControlError("not a line of JSON") from None
    if not isinstance(message, dict):
        raise ControlError("not a JSON object")
    return message


@contextmanager
def directory_handle(path: str | os.PathLike[str]) -> Iterator[int]:
    """Hold the directory at ``path`` open; a socket's own path may have 107 bytes at most."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def socket_path(handle: int) -> str:
    """Where the socket of an array is whose directory was opened."""
    return str(Path("/proc/self/fd") / str(handle) / SOCKET_NAME)
