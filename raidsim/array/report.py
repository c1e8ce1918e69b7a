"""What an array looks like, as ``mdadm --detail`` and /proc/mdstat print it.

The words and columns are those of mdadm 4.2 and Linux 6.1. Members have no device numbers here, so
Major and Minor hold a dash.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from raidsim.md.wording import human_size, name_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raidsim.array.snapshot import ArraySnapshot, BitmapSnapshot, MemberSnapshot, SyncSnapshot

_STATUS_TITLES = {
    "resync": "Resync Status",
    "recovery": "Rebuild Status",
    "check": "Check Status",
}


def detail_lines(snapshot: ArraySnapshot) -> list[str]:
    """Return the lines that ``mdadm --detail`` prints (mdadm's Detail.c)."""
    array_bytes = snapshot.array_sectors << 9
    dev_bytes = snapshot.dev_sectors << 9
    layout = [] if snapshot.level == 4 else [f"            Layout : {snapshot.layout_name}"]
    return [
        f"{snapshot.path}:",
        f"           Version : {snapshot.metadata}",
        f"     Creation Time : {time.ctime(snapshot.creation_time)}",
        f"        Raid Level : raid{snapshot.level}",
        f"        Array Size : {array_bytes >> 10}{human_size(array_bytes)}",
        f"     Used Dev Size : {dev_bytes >> 10}{human_size(dev_bytes)}",
        f"      Raid Devices : {snapshot.raid_disks}",
        f"     Total Devices : {len(snapshot.members)}",
        "       Persistence : Superblock is persistent",
        "",
        *(["     Intent Bitmap : Internal", ""] if snapshot.bitmap else []),
        f"       Update Time : {time.ctime(snapshot.update_time)}",
        f"             State : {snapshot.state} ",
        f"    Active Devices : {snapshot.active_devices}",
        f"   Working Devices : {len(snapshot.members) - snapshot.failed_devices}",
        f"    Failed Devices : {snapshot.failed_devices}",
        f"     Spare Devices : {snapshot.spare_devices}",
        "",
        *layout,
        f"        Chunk Size : {snapshot.chunk_sectors // 2}K",
        "",
        f"Consistency Policy : {'bitmap' if snapshot.bitmap else 'resync'}",
        "",
        *_status_lines(snapshot.sync),
        f"              Name : {name_text(snapshot.set_name)}",
        f"              UUID : {snapshot.uuid}",
        f"            Events : {snapshot.events}",
        "",
        *_table(snapshot),
    ]


def _status_lines(sync: SyncSnapshot | None) -> list[str]:
    if sync is None:
        return []
    return [f"{_STATUS_TITLES[sync.action]:>18} : {sync.per_mille // 10}% complete", ""]


def _table(snapshot: ArraySnapshot) -> list[str]:
    """The slots in order, then, after an empty line, the members without one."""
    lines = ["    Number   Major   Minor   RaidDevice State"]
    for slot in range(snapshot.raid_disks):
        members = [member for member in snapshot.members if member.raid_disk == slot]
        members.sort(key=lambda member: member.replacement)
        lines += [_row(member, str(slot)) for member in members]
        if not members:
            lines.append(f"       -       0        0 {slot:8}      removed")
    others = sorted((m for m in snapshot.members if m.raid_disk is None), key=lambda m: m.number)
    return [*lines, *([""] if others else []), *(_row(member, "-") for member in others)]


def _row(member: MemberSnapshot, slot: str) -> str:
    return f"{member.number:8}       -        - {slot:>8}      {member.state}   {member.path}"


def mdstat_lines(snapshots: Iterable[ArraySnapshot]) -> list[str]:
    """Return the lines of /proc/mdstat (md_seq_show, Linux drivers/md/md.c)."""
    lines = ["Personalities : [raid6] [raid5] [raid4] "]
    for snapshot in snapshots:
        lines += _mdstat_array(snapshot)
    return [*lines, "unused devices: <none>"]


def _mdstat_array(snapshot: ArraySnapshot) -> list[str]:
    name = Path(snapshot.path).absolute().name
    members = " ".join(_mdstat_member(member) for member in snapshot.members)
    if not snapshot.started:
        room = sum(m.data_sectors for m in snapshot.members if not m.faulty) // 2
        return [
            f"{name} : inactive {members}",
            f"      {room} blocks super {snapshot.metadata}",
            "       ",
        ]
    readonly = "(read-only) " if snapshot.readonly else ""
    in_sync = snapshot.slots_in_sync
    slots = "".join("U" if slot in in_sync else "_" for slot in range(snapshot.raid_disks))
    size = f"{snapshot.array_sectors // 2} blocks super {snapshot.metadata}"
    chunk = f"{snapshot.chunk_sectors // 2}k chunk"
    return [
        f"{name} : active {readonly}raid{snapshot.level} {members}",
        (
            f"      {size} level {snapshot.level}, {chunk}, algorithm {snapshot.layout}"
            f" [{snapshot.raid_disks}/{len(in_sync)}] [{slots}]"
        ),
        *_mdstat_sync(snapshot),
        *_mdstat_bitmap(snapshot.bitmap),
    ]


def _mdstat_bitmap(bitmap: BitmapSnapshot | None) -> list[str]:
    """The last line, to which md_bitmap_status adds (Linux drivers/md/md-bitmap.c)."""
    if bitmap is None:
        return ["      "]
    used = bitmap.pages_in_use
    pages = f"{used}/{bitmap.pages} pages [{used * 4}KB]"
    return [f"      bitmap: {pages}, {bitmap.chunk_bytes // 1024}KB chunk", ""]


def _mdstat_member(member: MemberSnapshot) -> str:
    if member.faulty:
        flag = "(F)"
    elif member.raid_disk is None:
        flag = "(S)"
    else:
        flag = "(R)" if member.replacement else ""
    return f"{Path(member.path).name}[{member.number}]{flag}"


def _mdstat_sync(snapshot: ArraySnapshot) -> list[str]:
    """What runs, or that a resync waits; Linux 6.1 does not tell of a recovery that waits."""
    sync = snapshot.sync
    if sync is None:
        return ["      \tresync=PENDING"] if snapshot.resync_pending else []
    done = sync.per_mille // 50
    bar = f"{'=' * done}>{'.' * (20 - done)}"
    percent = f"{sync.per_mille // 10:3}.{sync.per_mille % 10}%"
    counts = f"{sync.done_sectors // 2}/{sync.total_sectors // 2}"
    return [f"      [{bar}]  {sync.action} ={percent} ({counts}){_mdstat_speed(sync)}"]


def _mdstat_speed(sync: SyncSnapshot) -> str:
    if sync.kib_per_second is None:
        return ""
    remaining_kib = (sync.total_sectors - sync.done_sectors) // 2
    seconds = remaining_kib // max(1, sync.kib_per_second)
    finish = f"{seconds // 60}.{seconds % 60 // 6}min"
    return f" finish={finish} speed={sync.kib_per_second}K/sec"


def detail_json(snapshot: ArraySnapshot) -> dict[str, object]:
    """Return the same facts under stable keys; sizes in bytes, times in seconds since 1970."""
    sync = snapshot.sync
    return {
        "array": snapshot.path,
        "name": snapshot.set_name,
        "uuid": snapshot.uuid,
        "metadata": snapshot.metadata,
        "raid_level": f"raid{snapshot.level}",
        "layout": snapshot.layout_name,
        "chunk_size_bytes": snapshot.chunk_sectors << 9,
        "array_size_bytes": snapshot.array_sectors << 9,
        "used_dev_size_bytes": snapshot.dev_sectors << 9,
        "creation_time": snapshot.creation_time,
        "update_time": snapshot.update_time,
        "events": snapshot.events,
        "state": snapshot.state,
        "degraded": snapshot.degraded,
        "failed": snapshot.failed,
        "readonly": snapshot.readonly,
        "started": snapshot.started,
        "raid_devices": snapshot.raid_disks,
        "total_devices": len(snapshot.members),
        "active_devices": snapshot.active_devices,
        "working_devices": len(snapshot.members) - snapshot.failed_devices,
        "failed_devices": snapshot.failed_devices,
        "spare_devices": snapshot.spare_devices,
        "consistency_policy": "bitmap" if snapshot.bitmap else "resync",
        "sync_action": snapshot.pending if sync is None else sync.action,
        "sync_pending": snapshot.pending is not None,
        "members": [
            {
                "path": member.path,
                "number": member.number,
                "raid_device": member.raid_disk,
                "state": member.state,
                "replacement": member.replacement,
                "recovery_offset_bytes": (
                    None
                    if member.recovery_offset_sectors is None
                    else member.recovery_offset_sectors << 9
                ),
            }
            for member in sorted(snapshot.members, key=lambda m: m.number)
        ],
    }
