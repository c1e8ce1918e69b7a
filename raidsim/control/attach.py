"""An array wherever it runs: here, or in the server that has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.array import Array
from raidsim.array.inspection import inspect_array
from raidsim.control.client import connect
from raidsim.errors import UsageError

if TYPE_CHECKING:
    import os

    from raidsim.control.client import Connection
    from raidsim.control.remote import RemoteArray

    AnyArray = Array | RemoteArray


def open_array(path: str | os.PathLike[str], *, inspect: bool = False) -> AnyArray:
    """Run the array of a directory, or act on the one that a server runs.

    Args:
        path: the array directory.
        inspect: only look at its state.

    Raises:
        RaidsimError: it cannot be run; nothing was changed.
    """
    connection = connect(path)
    return Array.open(path, inspect=inspect) if connection is None else _remote(connection)


def attach(path: str | os.PathLike[str]) -> RemoteArray:
    """Return the array that a server runs.

    Raises:
        RaidsimError: none does.
    """
    connection = connect(path)
    if connection is None:
        inspect_array(path)  # there may be none at all
        raise UsageError(f"{path}: no server has it; `raidsim serve {path}` runs one")
    return _remote(connection)


def _remote(connection: Connection) -> RemoteArray:
    from raidsim.control.remote import RemoteArray  # noqa: PLC0415  most arrays have no server

    try:
        return RemoteArray(connection)
    except BaseException:
        connection.close()
        raise
