"""An array that a server runs, with the methods of one that runs here."""

from __future__ import annotations

import base64
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from raidsim.array.activity import Activity
from raidsim.array.injection import FaultSnapshot
from raidsim.array.transfer import check_range, read_bytes, write_bytes
from raidsim.control.plain import report_from_plain
from raidsim.control.protocol import PIECE_BYTES
from raidsim.control.snapshot import served_snapshot
from raidsim.md.bio import READ
from raidsim.tables import from_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from raidsim.array import SyncReport
    from raidsim.array.snapshot import ArraySnapshot
    from raidsim.array.syncing import Progress
    from raidsim.control.client import Connection

    StrPath = str | os.PathLike[str]


class RemoteArray:
    """An array that a server runs; see ``raidsim.array.Array`` for what its methods do.

    Calls act on the running array and return; what they make pending begins by itself there.

    Args:
        connection: to its server; closed with the array.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._scrubs = False
        self.size = self.snapshot().array_sectors << 9

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; the array runs on."""
        self._connection.close()

    def snapshot(self) -> ArraySnapshot:
        """What it looks like now."""
        return served_snapshot(self._connection)

    def activity(self) -> Activity:
        """What it is doing now."""
        activity = from_table(Activity, self._connection.call("activity"), "activity")
        here = replace(activity.array, path=str(self._connection.path))
        return replace(activity, array=here)

    # -- bytes ----------------------------------------------------------------------------------

    def read_into(self, offset: int, buffer: NDArray[np.uint8]) -> None:
        """Fill ``buffer`` with the array's bytes from byte ``offset`` on."""
        check_range(self.size, offset, len(buffer))
        read_bytes(self._transfer, offset, buffer)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write ``data`` to the array at byte ``offset``."""
        check_range(self.size, offset, len(data))
        write_bytes(self._transfer, offset, np.frombuffer(data, np.uint8))

    def _transfer(self, operation: int, offset: int, buffer: NDArray[np.uint8]) -> None:
        for start in range(0, len(buffer), PIECE_BYTES):
            piece = buffer[start : start + PIECE_BYTES]
            if operation == READ:
                data = self._call("read", offset=offset + start, length=len(piece))
                piece[:] = np.frombuffer(base64.b64decode(data), np.uint8)
            else:
                data = base64.b64encode(piece.data).decode()
                self._call("write", offset=offset + start, data=data)

    # -- members --------------------------------------------------------------------------------

    def fail(self, disk: str) -> None:
        """Fail a member."""
        self._call("fail", disk=_from_anywhere(disk))

    def remove(self, disk: str) -> None:
        """Let a failed or spare member go."""
        self._call("remove", disk=_from_anywhere(disk))

    def add(self, image: StrPath) -> bool:
        """Take a new member on as a spare; tell if it was re-added."""
        return bool(self._call("add", image=str(Path(image).absolute())))

    def re_add(self, disk: StrPath) -> None:
        """Take a former member back in its old slot."""
        members = self.snapshot().members
        known = {str(m.raid_disk) for m in members} | {Path(m.path).name for m in members}
        self._call("re-add", disk=str(disk if disk in known else Path(disk).absolute()))

    def replace(self, disks: Sequence[str], replacements: Sequence[str] = ()) -> list[str]:
        """Have members replaced while they still work; return those that wait for a spare."""
        names = [_from_anywhere(disk) for disk in disks]
        spares = [_from_anywhere(disk) for disk in replacements]
        waiting = self._call("replace", disks=names, replacements=spares)
        return [disk for disk, name in zip(disks, names, strict=True) if name in waiting]

    # -- sync -----------------------------------------------------------------------------------

    def rebuild(self, progress: Progress | None = None) -> list[SyncReport]:
        """Wait until recovery and resync have come to their end."""
        reports = self._connection.call("rebuild", progress, patient=True)
        return [report_from_plain(report) for report in reports]

    def check(self, progress: Progress | None = None) -> SyncReport:
        """Compare parity with data."""
        return self._run_scrub("check", progress)

    def repair(self, progress: Progress | None = None, *, locate: bool = False) -> SyncReport:
        """Make parity right."""
        return self._run_scrub("repair", progress, locate=locate)

    def _run_scrub(self, action: str, progress: Progress | None, **arguments: Any) -> SyncReport:
        self._scrubs = True
        try:
            report = self._connection.call(action, progress, patient=True, **arguments)
        finally:
            self._scrubs = False
        return report_from_plain(report)

    def interrupt(self) -> bool:
        """End the check or repair that is waited for; tell if there is one."""
        if self._scrubs:
            self._connection.ask("interrupt")
        return self._scrubs

    # -- attributes -----------------------------------------------------------------------------

    def attributes(self) -> list[str]:
        """The names of its attributes."""
        return [str(name) for name in self._call("attributes")]

    def get(self, name: str) -> str:
        """An attribute's value."""
        return str(self._call("get", name=name))

    def set(self, name: str, value: str, progress: Progress | None = None) -> list[SyncReport]:  # noqa: ARG002  as of an array that runs here
        """Write an attribute; an action begins, and is not waited for."""
        self._call("set", name=name, value=value)
        return []

    # -- faults ---------------------------------------------------------------------------------

    def faults(self) -> list[FaultSnapshot]:
        """The faults injected into it."""
        return [from_table(FaultSnapshot, told, "fault") for told in self._call("faults")]

    def inject(self, target: str, table: dict[str, Any]) -> int:
        """Let a fault strike a member's disk or a channel; return its number."""
        return int(self._call("inject", target=_from_anywhere(target), table=table))

    def switch_fault(self, number: int, *, on: bool) -> None:
        """Switch a fault on or off."""
        self._call("switch-fault", fault=number, on=on)

    def remove_fault(self, number: int) -> None:
        """Take a fault away."""
        self._call("remove-fault", fault=number)

    def _call(self, command: str, **arguments: Any) -> Any:
        return self._connection.call(command, **arguments)


def _from_anywhere(disk: str) -> str:
    """A disk's name as the server, which may be in another directory, understands it."""
    return str(Path(disk).absolute()) if os.sep in disk else disk
