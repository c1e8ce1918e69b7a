"""Plans that once showed a difference, as short as they were shrunk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from operations import (
    Add,
    Assemble,
    Check,
    Fail,
    Idle,
    Plan,
    ReAdd,
    Replace,
    Stop,
    Write,
)

from raidsim.array import ArraySpec
from raidsim.md.placement import NO_BITMAP

if TYPE_CHECKING:
    from operations import Operation


def _plan(
    level: int, raid_disks: int, spares: int, *operations: Operation, used_before: bool = False
) -> Plan:
    spec = ArraySpec(
        level=level,
        raid_disks=raid_disks,
        layout=0,
        chunk_sectors=32,
        spare_disks=spares,
        size_sectors=832,
        in_sync=not used_before,
        bitmap=NO_BITMAP,
    )
    return Plan(
        seed=0,
        spec=spec,
        images=raid_disks + spares + 2,
        missing=(),
        used_before=used_before,
        operations=operations,
    )


REGRESSIONS = {
    # The spare takes the slot in the update that empties it.
    "a spare waits while a member fails": _plan(4, 5, 2, Fail(4), Fail(3)),
    # md's list of members is in the order in which mdadm gave them.
    "spares after an assembly": _plan(
        6, 4, 2, Stop(), Assemble((5, 3, 1, 4, 2)), Add((6,)), Stop()
    ),
    # Stopping a failed array marks it clean and writes what is due, at once.
    "the last straw on a dirty array": _plan(
        5, 4, 0, Write(44544, 36864, 1), Fail(1), Write(70144, 36864, 2), Fail(2), used_before=True
    ),
    # md compares with the events it wrote, not with those it loaded.
    "a spare after an assembly": _plan(
        6, 4, 1, Check(), Stop(), Assemble((0, 1, 2, 3, 4)), Write(0, 4096, 1), Idle()
    ),
    # It is stale by its own role, though the others' tables have no such member any more.
    "a forgotten member": _plan(
        5, 4, 0, Stop(), Assemble((0, 1, 2)), Write(0, 4096, 1), Stop(), Assemble((0, 1, 2, 3))
    ),
    # mdadm tries to re-add first.
    "a former member is added": _plan(6, 5, 0, Stop(), Assemble((0, 1, 2, 3)), Add((4, 5))),
    # No events are asked for as long as it was not removed.
    "a failed member is re-added": _plan(5, 4, 0, Fail(1), Write(0, 65536, 1), ReAdd(1)),
    # A slot given through sysfs is not written down by itself.
    "a given spare": _plan(5, 4, 2, Replace(1, 4)),
    # The member stays marked, and the first spare that comes replaces it.
    "a replacement by no spare": _plan(6, 4, 1, Replace(1, 5)),
}
