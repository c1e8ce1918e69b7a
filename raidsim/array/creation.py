"""Making an array's superblocks as ``mdadm --create`` does (mdadm's Create.c, super1.c)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from raidsim.errors import UsageError
from raidsim.md.layout import check_geometry
from raidsim.md.placement import AUTOMATIC_BITMAP, BitmapWish, place_array
from raidsim.md.superblock import (
    MAX_SECTOR,
    MD_DISK_ROLE_SPARE,
    MD_FEATURE_BITMAP_OFFSET,
    SuperblockV1,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from raidsim.array.hardware import Hardware

# The word that takes the place of a member that is not there.
MISSING = "missing"

# Members of an array at most, spares included.
MAX_DEV = 128
_NAME_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraySpec:
    """What an array is to be.

    Attributes:
        level: 4, 5 or 6.
        raid_disks: members, parity included.
        layout: number of the layout.
        chunk_sectors: the chunk.
        minor_version: 0, 1 or 2 for metadata 1.0, 1.1 or 1.2.
        spare_disks: members beyond ``raid_disks``.
        size_sectors: what to use of each member; None for all there is.
        name: the array's name, without its host.
        in_sync: the members' parity is right as they are.
        bitmap: whether there is to be a write-intent bitmap.
    """

    level: int
    raid_disks: int
    layout: int
    chunk_sectors: int = 1024
    minor_version: int = 2
    spare_disks: int = 0
    size_sectors: int | None = None
    name: str = ""
    in_sync: bool = False
    bitmap: BitmapWish = AUTOMATIC_BITMAP

    def check(self) -> None:
        """Refuse what makes no array.

        Raises:
            UsageError: with the first thing that is wrong.
        """
        check_geometry(self.level, self.layout, self.raid_disks, self.chunk_sectors)
        if self.spare_disks < 0:
            raise UsageError(f"{self.spare_disks} spares: at least 0")
        if self.raid_disks + self.spare_disks > MAX_DEV:
            raise UsageError(f"at most {MAX_DEV} members, spares included, are supported")


def new_superblocks(
    spec: ArraySpec, members: Sequence[str], device_sectors: Mapping[str, int], hardware: Hardware
) -> dict[str, SuperblockV1]:
    """The superblocks of a new array.

    Args:
        spec: what it is to be.
        members: names in the order of slots, ``MISSING`` where there is none, then spares.
        device_sectors: size of each named member.
        hardware: what it is to run on: dates, UUIDs and the host's name come from there.

    Returns:
        Name to superblock, in the order of the members' numbers.

    Raises:
        UsageError: too few or too many members, or one is too small.
    """
    spec.check()
    _check_count(spec, members)
    sizes = {name: device_sectors[name] for name in members if name != MISSING}
    size, placements = place_array(
        spec.minor_version, sizes, spec.chunk_sectors, spec.size_sectors, spec.bitmap
    )
    numbers = _device_numbers(spec, members)
    slots = {name: number for name, number in numbers.items() if number < spec.raid_disks}
    roles = [MD_DISK_ROLE_SPARE] * MAX_DEV
    for slot in slots.values():
        roles[slot] = slot
    complete = len(slots) == spec.raid_disks
    now = int(hardware.now())
    set_uuid = hardware.unique(16)
    set_name = f"{hardware.node_name}:{spec.name}".encode()[:_NAME_BYTES]
    return {
        name: SuperblockV1(
            feature_map=MD_FEATURE_BITMAP_OFFSET if placements[name].bitmap_offset else 0,
            set_uuid=set_uuid,
            set_name=set_name,
            ctime=now,
            level=spec.level,
            layout=spec.layout,
            size=size,
            chunksize=spec.chunk_sectors,
            raid_disks=spec.raid_disks,
            bitmap_offset=placements[name].bitmap_offset,
            data_offset=placements[name].data_offset,
            data_size=placements[name].data_size,
            super_offset=placements[name].super_offset,
            bblog_offset=placements[name].bblog_offset,
            bblog_size=placements[name].bblog_size,
            dev_number=number,
            device_uuid=hardware.unique(16),
            utime=now,
            resync_offset=MAX_SECTOR if spec.in_sync or not complete else 0,
            dev_roles=list(roles),
        )
        for name, number in numbers.items()
    }


def _check_count(spec: ArraySpec, members: Sequence[str]) -> None:
    wanted = spec.raid_disks + spec.spare_disks
    if len(members) != wanted:
        raise UsageError(
            f"{wanted} images are needed ({spec.raid_disks} members, {spec.spare_disks} spares),"
            f" not {len(members)}"
        )
    missing = list(members[: spec.raid_disks]).count(MISSING)
    max_degraded = 2 if spec.level == 6 else 1
    if missing > max_degraded:
        raise UsageError(f"{missing} missing members are more than RAID{spec.level} can bear")
    if MISSING in members[spec.raid_disks :]:
        raise UsageError("a spare can not be missing; ask for fewer spares")


def _device_numbers(spec: ArraySpec, members: Sequence[str]) -> dict[str, int]:
    """Each member's permanent number.

    A new array whose parity has to be made, and could bear to lose one member more, starts with
    its last member as a spare: rebuilding that one reads the others and writes one, which is
    faster than checking all parity. RAID6 with all its members is resynced instead.
    """
    slots = list(members[: spec.raid_disks])
    spares = list(members[spec.raid_disks :])
    missing = slots.count(MISSING)
    rebuild_last = not spec.in_sync and missing == (1 if spec.level == 6 else 0)
    if rebuild_last:
        last = max(slot for slot, name in enumerate(slots) if name != MISSING)
        spares.append(slots[last])
        slots[last] = MISSING
    named = {name: slot for slot, name in enumerate(slots) if name != MISSING}
    return named | {name: spec.raid_disks + i for i, name in enumerate(spares)}
