"""Attributes of an opened array, where more belongs to them than what md core sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.assembly import analyse_members
from raidsim.md.attributes import show, store

if TYPE_CHECKING:
    from raidsim.array.array import Array
    from raidsim.array.syncing import Progress, SyncReport


def get_attribute(array: Array, name: str) -> str:
    """An attribute's value; see ``Array.get``."""
    mddev = array.mddev
    inspected = mddev.readonly and not array.directory.readonly
    if name != "array_state" or not inspected:
        return show(mddev, name)
    # Whoever only looks on sees what the array would be if it ran.
    superblocks = {str(number): rdev.superblock for number, rdev in enumerate(mddev.rdevs)}
    if analyse_members(superblocks).dirty_degraded:
        return "inactive"
    return "broken" if mddev.broken else "clean"


def set_attribute(
    array: Array, name: str, value: str, progress: Progress | None
) -> list[SyncReport]:
    """Write an attribute; see ``Array.set``."""
    directory, _, leaf = name.partition("/")
    disk = directory.removeprefix("dev-")
    match leaf or name, value:
        case "sync_action", "check":
            return [array.check(progress)]
        case "sync_action", "repair":
            return [array.repair(progress)]
        case "sync_action", "resync" | "recover":
            array.mddev.sync_control.frozen = False
            return array.rebuild(progress)
        case "array_state", "readonly" | "active" | "clean":
            if (value == "readonly") != array.directory.readonly:
                array.set_readonly(value == "readonly")
        case "state", "faulty":
            show(array.mddev, name)  # there is one
            array.fail(disk)
        case "state", "remove":
            show(array.mddev, name)
            array.remove(disk)
        case _:
            store(array.mddev, name, value)
    array.machine.sim.run()
    return []
