"""Attributes that say how the array is (Linux drivers/md/md.c)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from raidsim.md.attributes.attribute import (
    U32_MAX,
    Attribute,
    AttributeRefusedError,
    parse_unsigned,
)
from raidsim.md.safe_mode import MAX_DELAY_MS
from raidsim.md.superblock import MAX_SECTOR
from raidsim.md.superblock_update import MD_SB_CHANGE_CLEAN

if TYPE_CHECKING:
    from raidsim.md.mddev import Mddev

_BOOLEANS = {"1": True, "y": True, "Y": True, "on": True, "0": False, "n": False, "off": False}


def _show_array_state(mddev: Mddev) -> str:
    if mddev.readonly:
        return "readonly"
    if mddev.sb_change_pending:
        return "write-pending"
    if not mddev.in_sync:
        return "active"
    return "broken" if mddev.broken else "clean"


def _store_array_state(mddev: Mddev, text: str) -> None:
    if text == "clean":
        mddev.idle()
    elif text != "active":
        raise ValueError(text)


def _store_fail_last_dev(mddev: Mddev, text: str) -> None:
    if text not in _BOOLEANS:
        raise ValueError(text)
    mddev.fail_last_dev = _BOOLEANS[text]


def _store_max_read_errors(mddev: Mddev, text: str) -> None:
    mddev.max_read_errors = parse_unsigned(text, U32_MAX)


def _show_resync_start(mddev: Mddev) -> str:
    return "none" if mddev.recovery_cp == MAX_SECTOR else str(mddev.recovery_cp)


def _store_resync_start(mddev: Mddev, text: str) -> None:
    sector = MAX_SECTOR if text == "none" else parse_unsigned(text)
    if not mddev.sync_control.frozen:
        raise AttributeRefusedError("can only be written while sync_action is frozen")
    mddev.recovery_cp = sector
    mddev.update_superblocks(MD_SB_CHANGE_CLEAN)


def _store_safe_mode_delay(mddev: Mddev, text: str) -> None:
    match = re.fullmatch(r"([0-9]*)\.?([0-9]*)", text, re.ASCII)
    if match is None:
        raise ValueError(text)
    delay_ms = int(match[1] or "0") * 1000 + int(match[2][:3].ljust(3, "0"))
    if delay_ms > MAX_DELAY_MS:
        raise ValueError(text)
    mddev.safe_mode.delay_ms = delay_ms


def _store_suspend_lo(mddev: Mddev, text: str) -> None:
    mddev.suspend(parse_unsigned(text), mddev.suspend_hi)


def _store_suspend_hi(mddev: Mddev, text: str) -> None:
    mddev.suspend(mddev.suspend_lo, parse_unsigned(text))


_A_SECTOR = "a sector of the array"

ATTRIBUTES = (
    Attribute(
        name="array_state",
        show=_show_array_state,
        store=_store_array_state,
        takes="clean, active or readonly",
    ),
    Attribute(
        name="consistency_policy",
        show=lambda mddev: "resync" if mddev.bitmap is None else "bitmap",
    ),
    Attribute(name="degraded", show=lambda mddev: str(mddev.degraded)),
    Attribute(
        name="fail_last_dev",
        show=lambda mddev: str(int(mddev.fail_last_dev)),
        store=_store_fail_last_dev,
        takes="0 or 1",
    ),
    Attribute(
        name="max_read_errors",
        show=lambda mddev: str(mddev.max_read_errors),
        store=_store_max_read_errors,
        takes=f"a number up to {U32_MAX}",
    ),
    Attribute(
        name="resync_start",
        show=_show_resync_start,
        store=_store_resync_start,
        takes="a sector of the members, or none",
    ),
    Attribute(
        name="safe_mode_delay",
        show=lambda mddev: f"{mddev.safe_mode.delay_ms / 1000:.3f}",
        store=_store_safe_mode_delay,
        takes=f"seconds, from 0 to {MAX_DELAY_MS / 1000:.3f}",
    ),
    Attribute(
        name="suspend_hi",
        show=lambda mddev: str(mddev.suspend_hi),
        store=_store_suspend_hi,
        takes=_A_SECTOR,
    ),
    Attribute(
        name="suspend_lo",
        show=lambda mddev: str(mddev.suspend_lo),
        store=_store_suspend_lo,
        takes=_A_SECTOR,
    ),
)
