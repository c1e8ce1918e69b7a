"""What an array is at one moment: plain values, for reports and screens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from raidsim.md.assembly import analyse_members
from raidsim.md.layout import layout_name
from raidsim.md.superblock import MAX_SECTOR, format_uuid
from raidsim.md.wording import seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raidsim.array.array import Array
    from raidsim.array.directory import ArrayDirectory
    from raidsim.disk import ImageDisk
    from raidsim.md.layout import Geometry
    from raidsim.md.mddev import Mddev
    from raidsim.md.rdev import Rdev
    from raidsim.md.superblock import SuperblockV1

# What /proc/mdstat calls a sync action.
_KERNEL_WORDS = {
    "resync": "resync",
    "recover": "recovery",
    "check": "check",
    "repair": "resync",
}
# What mdadm says of a sync, by the kernel's word for it.
_STATE_WORDS = {
    "resync": "resyncing",
    "recovery": "recovering",
    "check": "checking",
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
        replacement: it is to take its slot over from the member that is there.
        recovery_offset_sectors: how far it is rebuilt, when it has a slot and is not in sync.
        data_sectors: the room it has for data.
        want_replacement: a spare is to replace it.
    """

    path: str
    number: int
    raid_disk: int | None
    in_sync: bool
    faulty: bool
    recovery_offset_sectors: int | None
    data_sectors: int
    replacement: bool = False
    want_replacement: bool = False

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
    """A resync, recovery, check or repair that is under way.

    Attributes:
        action: "resync", "recovery" or "check"; a repair counts as a resync.
        done_sectors: sectors of each member dealt with.
        total_sectors: where it ends.
        kib_per_second: its speed on each member; None where no time passes.
    """

    action: str
    done_sectors: int
    total_sectors: int
    kib_per_second: int | None = None

    @property
    def per_mille(self) -> int:
        """How far it has got, rounded as status_resync does (Linux drivers/md/md.c)."""
        return (self.done_sectors >> 10) * 1000 // ((self.total_sectors >> 10) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BitmapSnapshot:
    """A write-intent bitmap.

    Attributes:
        pages_in_use, pages: pages of counters, as md keeps them in memory.
        chunk_bytes: what one bit stands for.
    """

    pages_in_use: int
    pages: int
    chunk_bytes: int


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
        sync: what runs, if anything.
        resync_pending: parity still has to be made right, and nothing runs.
        members: the newest first, as md lists them.
        bitmap: the write-intent bitmap, or None.
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
    resync_pending: bool
    members: tuple[MemberSnapshot, ...]
    bitmap: BitmapSnapshot | None = None

    @property
    def slots_in_sync(self) -> set[int | None]:
        """Slots whose own member, not a replacement of it, is wholly in sync."""
        return {m.raid_disk for m in self.members if m.in_sync and not m.replacement}

    @property
    def degraded(self) -> int:
        """Slots without a member that is wholly in sync."""
        return self.raid_disks - len(self.slots_in_sync)

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
        """Too few members are in sync to hold the data (enough, mdadm's util.c)."""
        return self.degraded > self.max_degraded

    @property
    def layout_name(self) -> str:
        """The layout as mdadm calls it."""
        return layout_name(self.level, self.layout)

    @property
    def pending(self) -> str | None:
        """What a rebuild would run first: "recovery", "resync", or None."""
        if self.sync is not None or self.failed or not self.started:
            return None
        wanted = any(m.replacement or m.want_replacement for m in self.members)
        if self.spare_devices and (self.degraded or wanted):
            return "recovery"
        return "resync" if self.resync_pending else None

    @property
    def state(self) -> str:
        """The words of mdadm's line on the state."""
        words = ["clean" if self.clean and self.started else "active"]
        if self.failed:
            words.append("FAILED")
        elif self.degraded:
            words.append("degraded")
        if not self.started:
            words.append("Not Started")
        elif self.sync is not None:
            words.append(_STATE_WORDS[self.sync.action])
        elif self.resync_pending:
            words.append("resyncing (PENDING)")
        return ", ".join(words)


def take_snapshot(array: Array) -> ArraySnapshot:
    """Return what ``array`` looks like now."""
    mddev = array.mddev
    # Only what is looked at, or is read-only, may be an array that could not run.
    superblocks = {str(number): rdev.superblock for number, rdev in enumerate(mddev.rdevs)}
    at_rest = snapshot_at_rest(
        array.directory,
        mddev.superblock,
        mddev.geometry,
        {rdev: array.images[rdev] for rdev in mddev.rdevs},
        array_sectors=mddev.array_sectors,
        started=not (mddev.readonly and analyse_members(superblocks).dirty_degraded),
        bitmap=_bitmap(mddev),
    )
    return replace(
        at_rest,
        update_time=seconds(mddev.utime),
        events=mddev.events,
        clean=mddev.in_sync,
        sync=_sync(mddev),
        resync_pending=mddev.sync_thread is None and mddev.recovery_cp < MAX_SECTOR,
    )


def snapshot_at_rest(
    directory: ArrayDirectory,
    sb: SuperblockV1,
    geometry: Geometry,
    images: Mapping[Rdev, ImageDisk],
    *,
    array_sectors: int,
    started: bool,
    bitmap: BitmapSnapshot | None,
) -> ArraySnapshot:
    """Return what an array looks like on which nothing is done.

    Args:
        directory: the array directory.
        sb: the superblock that speaks for the array.
        geometry: its shape.
        images: the members, the newest first, and their images.
        array_sectors: its size.
        started: it can run.
        bitmap: its write-intent bitmap.
    """
    return ArraySnapshot(
        path=str(directory.path),
        set_name=sb.name,
        uuid=format_uuid(sb.set_uuid),
        metadata=f"1.{sb.minor_version}",
        level=sb.level,
        layout=sb.layout,
        raid_disks=geometry.raid_disks,
        chunk_sectors=geometry.chunk_sectors,
        max_degraded=geometry.max_degraded,
        array_sectors=array_sectors,
        dev_sectors=sb.size,
        creation_time=seconds(sb.ctime),
        update_time=seconds(sb.utime),
        events=sb.events,
        clean=True,
        # An array that is only inspected is read-only whatever it was assembled as.
        readonly=directory.readonly,
        started=started,
        sync=None,
        resync_pending=sb.resync_offset < MAX_SECTOR,
        bitmap=bitmap,
        members=tuple(_member(rdev, image) for rdev, image in images.items()),
    )


def _member(rdev: Rdev, image: ImageDisk) -> MemberSnapshot:
    return MemberSnapshot(
        path=str(image.path),
        number=rdev.desc_nr,
        raid_disk=rdev.raid_disk if rdev.raid_disk >= 0 else None,
        in_sync=rdev.in_sync and not rdev.faulty,
        faulty=rdev.faulty,
        replacement=rdev.replacement,
        want_replacement=rdev.want_replacement,
        recovery_offset_sectors=rdev.recovery_offset if rdev.recovering else None,
        data_sectors=rdev.superblock.data_size,
    )


def _bitmap(mddev: Mddev) -> BitmapSnapshot | None:
    bitmap = mddev.bitmap
    if bitmap is None:
        return None
    in_use, pages = bitmap.pages
    return BitmapSnapshot(pages_in_use=in_use, pages=pages, chunk_bytes=bitmap.superblock.chunksize)


def _sync(mddev: Mddev) -> SyncSnapshot | None:
    thread = mddev.sync_thread
    if thread is None:
        return None
    return SyncSnapshot(
        action=_KERNEL_WORDS[thread.action],
        done_sectors=thread.sectors_done,
        total_sectors=thread.end_sector,
        kib_per_second=thread.kib_per_second if mddev.machine.sim.timers else None,
    )
