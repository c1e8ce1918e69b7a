"""Attributes of members: dev-X/* and the links rdN (Linux drivers/md/md.c)."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from raidsim.md.attributes.attribute import (
    U32_MAX,
    AttributeRefusedError,
    MemberAttribute,
    parse_unsigned,
)
from raidsim.md.superblock import MAX_SECTOR
from raidsim.md.superblock_update import MD_SB_CHANGE_CLEAN

if TYPE_CHECKING:
    from raidsim.md.mddev import Mddev
    from raidsim.md.rdev import Rdev


def member_directories(mddev: Mddev) -> dict[str, Rdev]:
    """Each member by its directory's name: dev- and its own, with its number if others share it."""
    shared = Counter(rdev.name for rdev in mddev.rdevs)
    return {
        f"dev-{rdev.name}" if shared[rdev.name] == 1 else f"dev-{rdev.name}#{rdev.desc_nr}": rdev
        for rdev in mddev.rdevs
    }


def slot_links(mddev: Mddev) -> dict[str, str]:
    """The link rdN of each slot that has a member, and the directory it leads to."""
    return {
        f"rd{rdev.raid_disk}": directory
        for directory, rdev in member_directories(mddev).items()
        if rdev.raid_disk >= 0 and not rdev.replacement
    }


def _store_errors(_mddev: Mddev, rdev: Rdev, text: str) -> None:
    rdev.corrected_errors = parse_unsigned(text, U32_MAX)


def _show_recovery_start(_mddev: Mddev, rdev: Rdev) -> str:
    if rdev.faulty:
        return "0"
    done = rdev.in_sync or rdev.recovery_offset == MAX_SECTOR
    return "none" if done else str(rdev.recovery_offset)


def _show_slot(_mddev: Mddev, rdev: Rdev) -> str:
    return str(rdev.raid_disk) if rdev.raid_disk >= 0 else "none"


def _show_bad_blocks(_mddev: Mddev, rdev: Rdev) -> str:
    return "\n".join(f"{start} {end - start}" for start, end in rdev.bad_blocks)


def _store_bad_blocks(mddev: Mddev, rdev: Rdev, text: str) -> None:
    match = re.fullmatch(r"([0-9]+) +([0-9]+)", text, re.ASCII)
    if match is None or not int(match[2]):
        raise ValueError(text)
    if not rdev.bad_blocks.set(int(match[1]), int(match[2])):
        raise AttributeRefusedError("there is no room for it in the member's log")
    mddev.update_superblocks(MD_SB_CHANGE_CLEAN)


def _show_state(_mddev: Mddev, rdev: Rdev) -> str:
    words = ["faulty" if rdev.faulty else "in_sync" if rdev.in_sync else "spare"]
    words += ["write_error"] if rdev.write_error_seen else []
    words += ["want_replacement"] if rdev.want_replacement else []
    words += ["replacement"] if rdev.replacement else []
    return ",".join(words)


def _store_state(mddev: Mddev, rdev: Rdev, text: str) -> None:
    if text == "faulty":
        mddev.error(rdev)
    elif text in _OTHER_STATES:
        raise AttributeRefusedError(f"{text} cannot be written here: {_OTHER_STATES[text]}")
    else:
        raise ValueError(text)


# What the kernel takes as well.
_OTHER_STATES = {
    **dict.fromkeys(("writemostly", "-writemostly"), "only RAID1 reads other members first"),
    **dict.fromkeys(("failfast", "-failfast"), "RAID4, 5 and 6 do not use it"),
    **dict.fromkeys(("blocked", "-blocked"), "there is no external metadata handler"),
    **dict.fromkeys(("insync", "-insync"), "whether a member is in sync is for a rebuild to say"),
    **dict.fromkeys(("write_error", "-write_error"), "write errors are noted when they happen"),
    "re-add": "use `raidsim re-add`",
    **dict.fromkeys(
        ("want_replacement", "-want_replacement", "replacement", "-replacement"),
        "use `raidsim replace`",
    ),
}

ATTRIBUTES = (
    MemberAttribute(
        name="bad_blocks",
        show=_show_bad_blocks,
        store=_store_bad_blocks,
        takes="a sector of the device and a number of sectors",
    ),
    MemberAttribute(
        name="errors",
        show=lambda _, rdev: str(rdev.corrected_errors),
        store=_store_errors,
        takes=f"a number up to {U32_MAX}",
    ),
    MemberAttribute(name="offset", show=lambda _, rdev: str(rdev.data_offset)),
    MemberAttribute(name="recovery_start", show=_show_recovery_start),
    MemberAttribute(name="size", show=lambda _, rdev: str(rdev.superblock.data_size // 2)),
    MemberAttribute(name="slot", show=_show_slot),
    MemberAttribute(name="state", show=_show_state, store=_store_state, takes="faulty, or remove"),
    # Nothing is relied on before the log that lists it is written.
    MemberAttribute(name="unacknowledged_bad_blocks", show=lambda _mddev, _rdev: ""),
)
