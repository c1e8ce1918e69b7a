"""Attributes of an opened array, where more belongs to them than what md core sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.array.opening import open_array
from raidsim.md.assembly import analyse_members
from raidsim.md.attributes import show, store
from raidsim.md.mddev import ArrayStateError
from raidsim.md.superblock_update import MD_SB_CHANGE_DEVS
from raidsim.md.sync import start_sync

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
        case "sync_action", "check" | "repair" if array.live:
            array.check_writable()
            start_sync(array.mddev, value)
        case "sync_action", "resync" | "recover" if array.live:
            array.mddev.sync_control.frozen = False
            array.mddev.check_recovery()
        case "sync_action", "check":
            return [array.check(progress)]
        case "sync_action", "repair":
            return [array.repair(progress)]
        case "sync_action", "resync" | "recover":
            array.mddev.sync_control.frozen = False
            return array.rebuild(progress)
        case "array_state", "readonly" | "active" | "clean":
            if (value == "readonly") != array.directory.readonly:
                _set_readonly(array, readonly=value == "readonly")
        case "state", "faulty":
            show(array.mddev, name)  # there is one
            array.fail(disk)
        case "state", "remove":
            show(array.mddev, name)
            array.remove(disk)
        case _:
            store(array.mddev, name, value)
    array.settle()
    return []


def _set_readonly(array: Array, *, readonly: bool) -> None:
    """Stop the array and run it again read-only, or not so (``mdadm --readonly``).

    Raises:
        RaidsimError: it cannot be run that way; it is stopped.
    """
    if array.live:
        raise ArrayStateError(f"{array.directory.path}: is in use; stop what uses it first")
    array.close()
    was_readonly, array.directory.readonly = array.directory.readonly, readonly
    array.directory.save()
    try:
        array.__init__(open_array(array.directory.path, None, inspect=False))  # type: ignore[misc]
    except BaseException:
        array.directory.readonly = was_readonly
        array.directory.save()
        raise
    if was_readonly:
        array.mddev.update_superblocks(MD_SB_CHANGE_DEVS)
        array.settle()
