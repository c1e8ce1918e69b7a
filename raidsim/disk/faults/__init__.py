"""Disks that go wrong on demand: faults, each a wrapper of the disk below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raidsim.disk.faults.failing import (
    FailStop,
    ReadFixable,
    ReadPersistent,
    ReadTransient,
    WritePersistent,
    WriteTransient,
)
from raidsim.disk.faults.fault import DiskFault, FaultyDisk
from raidsim.disk.faults.late import Hang, Slow
from raidsim.disk.faults.power import PluggedDisk, PowerCut, PowerSupply
from raidsim.disk.faults.silent import (
    Corrupt,
    IgnoredFlush,
    LostWrite,
    MisdirectedWrite,
    TornWrite,
    Watch,
)
from raidsim.sim import FaultError
from raidsim.tables import from_table, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "DISK_FAULTS",
    "Corrupt",
    "DiskFault",
    "FailStop",
    "FaultyDisk",
    "Hang",
    "IgnoredFlush",
    "LostWrite",
    "MisdirectedWrite",
    "PluggedDisk",
    "PowerCut",
    "PowerSupply",
    "ReadFixable",
    "ReadPersistent",
    "ReadTransient",
    "Slow",
    "TornWrite",
    "Watch",
    "WritePersistent",
    "WriteTransient",
    "disk_fault",
]

DISK_FAULTS: dict[str, type[DiskFault]] = {
    fault.kind: fault
    for fault in (
        FailStop,
        ReadTransient,
        ReadPersistent,
        ReadFixable,
        WriteTransient,
        WritePersistent,
        Corrupt,
        LostWrite,
        MisdirectedWrite,
        TornWrite,
        IgnoredFlush,
        Slow,
        Hang,
        Watch,
    )
}
"""The faults of single disks, by their kinds."""


def disk_fault(table: Mapping[str, Any]) -> DiskFault:
    """Return the fault that a table describes: its ``kind`` and the fields of that.

    Raises:
        TableError: It makes no sense; all that is wrong is said at once.
    """
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in DISK_FAULTS:
        raise FaultError("disk fault", [f"kind = {kind!r}: {suggest(kind, DISK_FAULTS)}"])
    rest = {key: value for key, value in table.items() if key != "kind"}
    return from_table(DISK_FAULTS[kind], rest, f"disk fault {kind!r}")
