"""Attributes of resync, recovery, check and repair (Linux drivers/md/md.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.attributes.attribute import Attribute, AttributeRefusedError, parse_unsigned
from raidsim.md.superblock import MAX_SECTOR
from raidsim.md.sync import start_sync

if TYPE_CHECKING:
    from raidsim.md.mddev import Mddev

_MAX_SPEED = (1 << 31) - 1


def _show_sync_action(mddev: Mddev) -> str:
    if mddev.sync_control.frozen:
        return "frozen"
    return mddev.sync_thread.action if mddev.sync_thread is not None else "idle"


def _store_sync_action(mddev: Mddev, text: str) -> None:
    if text in {"idle", "frozen"}:
        mddev.sync_control.frozen = text == "frozen"
        if mddev.sync_thread is not None:
            mddev.sync_thread.stop()
        mddev.check_recovery()
    elif mddev.sync_thread is not None:
        raise AttributeRefusedError(f"{mddev.sync_thread.action} is under way")
    elif text in {"check", "repair", "resync", "recover"}:
        start_sync(mddev, text)
    else:
        raise ValueError(text)


def _show_sync_completed(mddev: Mddev) -> str:
    thread = mddev.sync_thread
    return "none" if thread is None else f"{thread.completed} / {thread.end_sector}"


def _show_sync_max(mddev: Mddev) -> str:
    resync_max = mddev.sync_control.resync_max
    return "max" if resync_max == MAX_SECTOR else str(resync_max)


def _store_sync_max(mddev: Mddev, text: str) -> None:
    control = mddev.sync_control
    if text.startswith("max"):
        resync_max = MAX_SECTOR
    else:
        resync_max = parse_unsigned(text)
        if resync_max < control.resync_min:
            raise ValueError(text)
        if mddev.sync_thread is not None and resync_max < control.resync_max:
            raise AttributeRefusedError("cannot be lowered while a sync is under way")
        if resync_max % mddev.geometry.chunk_sectors:
            raise ValueError(text)
    control.resync_max = resync_max
    if mddev.sync_thread is not None:
        mddev.sync_thread.wake()


def _store_sync_min(mddev: Mddev, text: str) -> None:
    control = mddev.sync_control
    resync_min = parse_unsigned(text)
    if resync_min > control.resync_max:
        raise ValueError(text)
    if mddev.sync_thread is not None:
        raise AttributeRefusedError("cannot be changed while a sync is under way")
    control.resync_min = resync_min - resync_min % 8


def _show_sync_speed(mddev: Mddev) -> str:
    return "none" if mddev.sync_thread is None else str(mddev.sync_thread.kib_per_second)


def _show_speed_max(mddev: Mddev) -> str:
    control = mddev.sync_control
    return f"{control.speed_max} ({'local' if control.sync_speed_max else 'system'})"


def _show_speed_min(mddev: Mddev) -> str:
    control = mddev.sync_control
    return f"{control.speed_min} ({'local' if control.sync_speed_min else 'system'})"


def _store_speed_max(mddev: Mddev, text: str) -> None:
    mddev.sync_control.sync_speed_max = _parse_speed(text)


def _store_speed_min(mddev: Mddev, text: str) -> None:
    mddev.sync_control.sync_speed_min = _parse_speed(text)


def _parse_speed(text: str) -> int:
    """KiB/s, or 0 for the system's limit."""
    if text.startswith("system"):
        return 0
    speed = parse_unsigned(text, _MAX_SPEED)
    if not speed:
        raise ValueError(text)
    return speed


_A_SPEED = f"KiB/s from 1 to {_MAX_SPEED}, or system"

ATTRIBUTES = (
    Attribute(name="last_sync_action", show=lambda mddev: mddev.sync_control.last_sync_action),
    Attribute(name="mismatch_cnt", show=lambda mddev: str(mddev.resync_mismatches)),
    Attribute(
        name="sync_action",
        show=_show_sync_action,
        store=_store_sync_action,
        takes="idle, frozen, check, repair, resync or recover",
    ),
    Attribute(name="sync_completed", show=_show_sync_completed),
    Attribute(
        name="sync_max",
        show=_show_sync_max,
        store=_store_sync_max,
        takes="a sector of the members from sync_min on, at the end of a chunk, or max",
    ),
    Attribute(
        name="sync_min",
        show=lambda mddev: str(mddev.sync_control.resync_min),
        store=_store_sync_min,
        takes="a sector of the members up to sync_max",
    ),
    Attribute(name="sync_speed", show=_show_sync_speed),
    Attribute(name="sync_speed_max", show=_show_speed_max, store=_store_speed_max, takes=_A_SPEED),
    Attribute(name="sync_speed_min", show=_show_speed_min, store=_store_speed_min, takes=_A_SPEED),
)
