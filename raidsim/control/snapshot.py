"""What an array looks like wherever it runs: here, in the server that has it, or nowhere."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from raidsim.array.inspection import inspect_array
from raidsim.array.snapshot import ArraySnapshot
from raidsim.control.client import connect
from raidsim.tables import from_table

if TYPE_CHECKING:
    import os

    from raidsim.control.client import Connection


def snapshot_of(path: str | os.PathLike[str]) -> ArraySnapshot:
    """Return what the array of a directory looks like.

    Args:
        path: the array directory.

    Raises:
        RaidsimError: there is no array, or its members make none.
    """
    connection = connect(path)
    if connection is None:
        return inspect_array(path)
    with closing(connection):
        return served_snapshot(connection)


def served_snapshot(connection: Connection) -> ArraySnapshot:
    """Return what the array at the other end looks like now."""
    told = connection.call("snapshot")
    return replace(from_table(ArraySnapshot, told, "snapshot"), path=str(connection.path))
