"""Talking to the server of an array."""

from __future__ import annotations

import errno
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raidsim.control.protocol import (
    MAX_ANSWER_BYTES,
    VERSION,
    ControlError,
    decode,
    directory_handle,
    encode,
    socket_path,
)
from raidsim.errors import RaidsimError, UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

# A server that works answers everything but a wait at once; one that is stopped does not.
_PATIENCE_SECONDS = 60.0
# Nobody listens: there is no socket, or a killed server has left it.
_NOBODY = {errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR}


class Connection:
    """A connection to the server of one array.

    Args:
        path: the array directory.
        connected: the socket.

    Attributes:
        path: as given.
    """

    def __init__(self, path: Path, connected: socket.socket) -> None:
        self.path = path
        self._socket = connected
        self._lines = connected.makefile("rb")
        self._last_number = 0
        greeting = self._receive()
        if greeting.get("raidsim_control") != VERSION:
            raise ControlError(f"{path}: its server is of another version of raidsim")
        # The server's name for the array is not always the caller's.
        served = re.escape(str(greeting.get("array")))
        self._served_path = re.compile(rf"(^|`raidsim \S+ ){served}(?=[:` ])")

    def call(
        self,
        command: str,
        progress: Callable[[str, int, int], object] | None = None,
        *,
        patient: bool = False,
        **arguments: Any,
    ) -> Any:
        """Ask for something and wait for the result.

        Args:
            command: what.
            progress: called with the action, what is done of it and how much it is in all.
            patient: whether it may take as long as it likes.
            arguments: how.

        Raises:
            RaidsimError: the array says no, or its server has gone.
        """
        self._socket.settimeout(None if patient else _PATIENCE_SECONDS)
        number = self.ask(command, **arguments)
        while True:
            answer = self._receive()
            if answer.get("id") not in {number, None}:
                continue  # of a request that nobody waits for
            if "progress" in answer:
                if progress is not None:
                    told = answer["progress"]
                    progress(told["action"], told["done"], told["total"])
            elif "error" in answer:
                raise self._error(answer["error"])
            else:
                return answer["result"]

    def ask(self, command: str, **arguments: Any) -> int:
        """Ask for something without waiting for it; return the request's number."""
        self._last_number += 1
        number = self._last_number
        request = {"id": number, "command": command, "arguments": arguments}
        try:
            self._socket.sendall(encode(request))
        except OSError as error:
            raise self._lost(error) from error
        return number

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._socket.close()

    def _receive(self) -> dict[str, Any]:
        try:
            line = self._lines.readline(MAX_ANSWER_BYTES)
        except OSError as error:
            raise self._lost(error) from error
        if not line.endswith(b"\n"):
            raise ControlError(f"{self.path}: its server has stopped")
        return decode(line)

    def _lost(self, error: OSError) -> ControlError:
        if isinstance(error, TimeoutError):
            return ControlError(f"{self.path}: its server does not answer")
        return ControlError(f"{self.path}: its server has stopped")

    def _error(self, told: dict[str, Any]) -> RaidsimError:
        message = self._served_path.sub(lambda m: f"{m[1]}{self.path}", str(told["message"]))
        kind = UsageError if told["exit_status"] == UsageError.exit_status else RaidsimError
        return kind(message)


def connect(path: str | os.PathLike[str]) -> Connection | None:
    """Return a connection to the server of the array at ``path``; None if it has none.

    Raises:
        ControlError: it has one that can't be talked to.
    """
    try:
        with directory_handle(path) as handle:
            connected = socket.socket(socket.AF_UNIX)
            connected.settimeout(_PATIENCE_SECONDS)
            try:
                connected.connect(socket_path(handle))
            except OSError:
                connected.close()
                raise
    except OSError as error:
        if error.errno in _NOBODY:
            return None
        # Of a socket that refuses there is no file name.
        what = "its server cannot be talked to" if error.filename is None else "cannot be opened"
        raise ControlError(f"{path}: {what}: {error.strerror}") from error
    try:
        return Connection(Path(path), connected)
    except BaseException:
        connected.close()
        raise
