"""What an array looks like, as ``mdadm --detail`` and /proc/mdstat print it.

The words and columns are those of mdadm 4.2 and Linux 6.1. Members have no device numbers here, so
Major and Minor hold a dash.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from raidsim.array.directory import ArrayDirectory
from raidsim.md.assembly import analyse_members
from raidsim.md.examine import human_size
from raidsim.md.layout import layout_name
from raidsim.md.superblock import MAX_SECTOR, format_uuid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raidsim.array.array import Array
    from raidsim.md.mddev import Mddev
    from raidsim.md.rdev import Rdev

# What /proc/mdstat calls a sync action.
_KERNEL_WORDS = {
    "resync": "resync",
    "recover": "recovery",
    "check": "check",
    "repair": "resync",
}
# What mdadm says of a sync under way, by the kernel's word for it.
_STATE_WORDS = {
    "resync": "resyncing",
    "recovery": "recovering",
    "check": "checking",
}
_STATUS_TITLES = {
    "resync": "Resync Status",
    "recovery": "Rebuild Status",
    "check": "Check Status",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSnapshot:
    """One member.

    Attributes:
        path: its image.
        number: its permanent number.
        raid_disk: its slot, or None.
        in_sync: it holds what its slot should hold.
        faulty: it failed.
        recovery_offset_sectors: how far it is rebuilt, when it has a slot and is not in sync.
        data_sectors: the room it has for data.
    """

    path: str
    number: int
    raid_disk: int | None
    in_sync: bool
    faulty: bool
    recovery_offset_sectors: int | None
    data_sectors: int

    @property
    def state(self) -> str:
        """The word in mdadm's table."""
        if self.faulty:
            return "faulty"
        if self.in_sync:
            return "active sync"
        return "spare" if self.raid_disk is None else "spare rebuilding"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncSnapshot:
    """A resync, recovery, check or repair that is under way, or waits.

    Attributes:
        action: "resync", "recovery" or "check"; a repair counts as a resync.
        done_sectors: sectors of each member dealt with; None while it waits to be run.
        total_sectors: where it ends.
    """

    action: str
    done_sectors: int | None
    total_sectors: int

    @property
    def per_mille(self) -> int:
        """How far it has got, rounded as status_resync does (Linux drivers/md/md.c)."""
        return ((self.done_sectors or 0) >> 10) * 1000 // ((self.total_sectors >> 10) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraySnapshot:
    """An array at one moment.

    Attributes:
        path: the array directory, as the user named it.
        set_name: the name in the superblocks, with its host.
        uuid: the array's, as mdadm writes it.
        metadata: "1.0", "1.1" or "1.2".
        level, layout, raid_disks, chunk_sectors, max_degraded: its shape.
        array_sectors, dev_sectors: its size, and the used size of each member.
        creation_time, update_time: seconds since 1970.
        events: the superblocks' count.
        clean: no write is under way.
        readonly: it was assembled so.
        started: it can run; a dirty degraded array cannot unless forced.
        sync: what runs or waits to be run, if anything.
        members: the newest first, as md lists them.
    """

    path: str
    set_name: str
    uuid: str
    metadata: str
    level: int
    layout: int
    raid_disks: int
    chunk_sectors: int
    max_degraded: int
    array_sectors: int
    dev_sectors: int
    creation_time: int
    update_time: int
    events: int
    clean: bool
    readonly: bool
    started: bool
    sync: SyncSnapshot | None
    members: tuple[MemberSnapshot, ...]

    @property
    def active_devices(self) -> int:
        """Members that are wholly in sync."""
        return sum(member.in_sync for member in self.members)

    @property
    def failed_devices(self) -> int:
        """Members that failed and were not removed yet."""
        return sum(member.faulty for member in self.members)

    @property
    def spare_devices(self) -> int:
        """Members that are neither in sync nor failed, those being rebuilt included."""
        return len(self.members) - self.active_devices - self.failed_devices

    @property
    def failed(self) -> bool:
        """Too few members are left to hold the data."""
        slots = {m.raid_disk for m in self.members if m.raid_disk is not None and not m.faulty}
        return self.raid_disks - len(slots) > self.max_degraded

    @property
    def layout_name(self) -> str:
        """The layout as mdadm calls it."""
        return layout_name(self.level, self.layout)

    @property
    def state(self) -> str:
        """The words of mdadm's line on the state, the first after "clean" or "active" first."""
        words = ["clean" if self.clean and self.started else "active"]
        if self.failed:
            words.append("FAILED")
        elif self.active_devices < self.raid_disks:
            words.append("degraded")
        if not self.started:
            words.append("Not Started")
        elif self.sync is not None:
            pending = " (PENDING)" if self.sync.done_sectors is None else ""
            words.append(_STATE_WORDS[self.sync.action] + pending)
        return ", ".join(words)


def take_snapshot(array: Array) -> ArraySnapshot:
    """Return what ``array`` looks like now."""
    mddev = array.mddev
    sb = mddev.superblock
    geometry = mddev.geometry
    # Only what is looked at, or is read-only, may be an array that could not run.
    superblocks = {str(number): rdev.superblock for number, rdev in enumerate(mddev.rdevs)}
    started = not (mddev.readonly and analyse_members(superblocks).dirty_degraded)
    return ArraySnapshot(
        path=str(array.directory.path),
        set_name=sb.name,
        uuid=format_uuid(sb.set_uuid),
        metadata=f"1.{sb.minor_version}",
        level=sb.level,
        layout=sb.layout,
        raid_disks=geometry.raid_disks,
        chunk_sectors=geometry.chunk_sectors,
        max_degraded=geometry.max_degraded,
        array_sectors=mddev.array_sectors,
        dev_sectors=mddev.dev_sectors,
        creation_time=sb.ctime & 0xFFFFFFFFFF,
        update_time=mddev.utime & 0xFFFFFFFFFF,
        events=mddev.events,
        clean=mddev.in_sync,
        # An array that is only inspected is read-only whatever it was assembled as.
        readonly=ArrayDirectory.load(array.directory.path).readonly,
        started=started,
        sync=_sync(mddev),
        members=tuple(_member(rdev) for rdev in mddev.rdevs),
    )


def _member(rdev: Rdev) -> MemberSnapshot:
    rebuilding = rdev.raid_disk >= 0 and not rdev.in_sync and not rdev.faulty
    return MemberSnapshot(
        path=str(getattr(rdev.disk, "path", rdev.name)),
        number=rdev.desc_nr,
        raid_disk=rdev.raid_disk if rdev.raid_disk >= 0 else None,
        in_sync=rdev.in_sync and not rdev.faulty,
        faulty=rdev.faulty,
        recovery_offset_sectors=rdev.recovery_offset if rebuilding else None,
        data_sectors=rdev.superblock.data_size,
    )


def _sync(mddev: Mddev) -> SyncSnapshot | None:
    """The sync that runs, or the one that status_resync calls pending (Linux drivers/md/md.c)."""
    thread = mddev.sync_thread
    if thread is not None:
        return SyncSnapshot(
            action=_KERNEL_WORDS[thread.action],
            done_sectors=thread.sectors_done,
            total_sectors=thread.end_sector,
        )
    if any(
        rdev.raid_disk >= 0 and not rdev.faulty and not rdev.in_sync and rdev.recovery_offset
        for rdev in mddev.rdevs
    ):
        return SyncSnapshot(action="recovery", done_sectors=None, total_sectors=mddev.dev_sectors)
    if mddev.recovery_cp < MAX_SECTOR:
        return SyncSnapshot(action="resync", done_sectors=None, total_sectors=mddev.dev_sectors)
    return None


def detail_lines(snapshot: ArraySnapshot) -> list[str]:
    """Return the lines that ``mdadm --detail`` prints (mdadm's Detail.c)."""
    array_bytes = snapshot.array_sectors << 9
    dev_bytes = snapshot.dev_sectors << 9
    host = os.uname().nodename
    local = f"  (local to host {host})" if snapshot.set_name.startswith(f"{host}:") else ""
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
        "Consistency Policy : resync",
        "",
        *_status_lines(snapshot.sync),
        f"              Name : {snapshot.set_name}{local}",
        f"              UUID : {snapshot.uuid}",
        f"            Events : {snapshot.events}",
        "",
        *_table(snapshot),
    ]


def _status_lines(sync: SyncSnapshot | None) -> list[str]:
    if sync is None or sync.done_sectors is None:
        return []
    return [f"{_STATUS_TITLES[sync.action]:>18} : {sync.per_mille // 10}% complete", ""]


def _table(snapshot: ArraySnapshot) -> list[str]:
    """The slots in order, then, after an empty line, the members without one."""
    in_slot = {m.raid_disk: m for m in snapshot.members if m.raid_disk is not None}
    lines = ["    Number   Major   Minor   RaidDevice State"]
    for slot in range(snapshot.raid_disks):
        member = in_slot.get(slot)
        if member is None:
            lines.append(f"       -       0        0 {slot:8}      removed")
        else:
            lines.append(_row(member, str(slot)))
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
    in_sync = {m.raid_disk for m in snapshot.members if m.in_sync}
    slots = "".join("U" if slot in in_sync else "_" for slot in range(snapshot.raid_disks))
    size = f"{snapshot.array_sectors // 2} blocks super {snapshot.metadata}"
    chunk = f"{snapshot.chunk_sectors // 2}k chunk"
    return [
        f"{name} : active {readonly}raid{snapshot.level} {members}",
        (
            f"      {size} level {snapshot.level}, {chunk}, algorithm {snapshot.layout}"
            f" [{snapshot.raid_disks}/{len(in_sync)}] [{slots}]"
        ),
        *_mdstat_sync(snapshot.sync),
        "      ",
    ]


def _mdstat_member(member: MemberSnapshot) -> str:
    flag = "(F)" if member.faulty else "(S)" if member.raid_disk is None else ""
    return f"{Path(member.path).name}[{member.number}]{flag}"


def _mdstat_sync(sync: SyncSnapshot | None) -> list[str]:
    if sync is None:
        return []
    if sync.done_sectors is None:
        return [f"      \t{sync.action}=PENDING"]
    done = sync.per_mille // 50
    bar = f"{'=' * done}>{'.' * (20 - done)}"
    percent = f"{sync.per_mille // 10:3}.{sync.per_mille % 10}%"
    counts = f"{sync.done_sectors // 2}/{sync.total_sectors // 2}"
    return [f"      [{bar}]  {sync.action} ={percent} ({counts})"]


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
        "degraded": snapshot.raid_disks - snapshot.active_devices,
        "failed": snapshot.failed,
        "readonly": snapshot.readonly,
        "started": snapshot.started,
        "raid_devices": snapshot.raid_disks,
        "total_devices": len(snapshot.members),
        "active_devices": snapshot.active_devices,
        "working_devices": len(snapshot.members) - snapshot.failed_devices,
        "failed_devices": snapshot.failed_devices,
        "spare_devices": snapshot.spare_devices,
        "sync_action": None if sync is None else sync.action,
        "sync_pending": sync is not None and sync.done_sectors is None,
        "members": [
            {
                "path": member.path,
                "number": member.number,
                "raid_device": member.raid_disk,
                "state": member.state,
                "recovery_offset_bytes": (
                    None
                    if member.recovery_offset_sectors is None
                    else member.recovery_offset_sectors << 9
                ),
            }
            for member in sorted(snapshot.members, key=lambda m: m.number)
        ],
    }
