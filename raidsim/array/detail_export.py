"""An array for programs: ``mdadm --detail --export`` and ``--brief`` (mdadm's Detail.c)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from raidsim.md.wording import quoted

if TYPE_CHECKING:
    from raidsim.array.snapshot import ArraySnapshot, MemberSnapshot


def detail_export_lines(snapshot: ArraySnapshot) -> list[str]:
    """Return the KEY=value lines of an array.

    mdadm takes members' names from sysfs, "dev-sda1", and makes them legal as a shell's variables.
    Images may then be named alike; of these each has its number added.
    """
    name = snapshot.set_name.split("\n")[0]
    members = sorted(snapshot.members, key=lambda member: member.number)
    keys = [_key(member) for member in members]
    alike = Counter(keys)
    lines = [
        f"MD_LEVEL=raid{snapshot.level}",
        f"MD_DEVICES={snapshot.raid_disks}",
        f"MD_METADATA={snapshot.metadata}",
        f"MD_UUID={snapshot.uuid}",
        *([f"MD_NAME={name}"] if name else []),
    ]
    for member, key in zip(members, keys, strict=True):
        unique = f"{key}_{member.number}" if alike[key] > 1 else key
        role = "spare" if member.raid_disk is None else member.raid_disk
        lines.append(f"MD_DEVICE_{unique}_ROLE={role}")
        lines.append(f"MD_DEVICE_{unique}_DEV={member.path}")
    return lines


def _key(member: MemberSnapshot) -> str:
    name = Path(member.path).name
    legal = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
    return f"dev_{legal}"


def detail_brief_line(snapshot: ArraySnapshot) -> str:
    """Return an array's line of mdadm.conf."""
    word = "ARRAY" if snapshot.started else "INACTIVE-ARRAY"
    spares = f" spares={snapshot.spare_devices}" if snapshot.spare_devices else ""
    name = f" name={quoted(snapshot.set_name)}" if snapshot.set_name else ""
    return f"{word} {snapshot.path} metadata={snapshot.metadata}{spares}{name} UUID={snapshot.uuid}"
