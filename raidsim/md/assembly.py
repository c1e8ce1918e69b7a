"""Which of the given members make up the array, and in what state (analyze_sbs, md_run).

References: super_1_validate, analyze_sbs and md_run in Linux drivers/md/md.c, raid5_run in
raid5.c, and mdadm's Assemble.c for what ``--force`` does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from raidsim.errors import RaidsimError
from raidsim.md.layout import Geometry
from raidsim.md.superblock import (
    MAX_SECTOR,
    MD_DISK_ROLE_FAULTY,
    MD_DISK_ROLE_MAX,
    MD_FEATURE_RECOVERY_OFFSET,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raidsim.md.superblock import SuperblockV1

# A member that missed one update of the superblocks is still good.
_EVENTS_MARGIN = 1


class AssemblyError(RaidsimError):
    """The given members do not make an array that can be run."""


@dataclass(slots=True)
class Assembly:
    """What the superblocks say together.

    Attributes:
        freshest: the superblock that speaks for the array.
        geometry: the array's shape.
        slots: member name to slot, for members that take part.
        recovery_offsets: member name to the sector below which it is in sync, ``MAX_SECTOR`` when
            it is wholly so.
        spares, faulty: names of members without a slot: free, or failed.
        stale: names of members that missed too much to take part.
        forced: names of stale members that ``force`` brought back.
    """

    freshest: SuperblockV1
    geometry: Geometry
    slots: dict[str, int] = field(default_factory=dict)
    recovery_offsets: dict[str, int] = field(default_factory=dict)
    spares: list[str] = field(default_factory=list)
    faulty: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    forced: list[str] = field(default_factory=list)

    @property
    def missing(self) -> int:
        """Slots without a member."""
        return self.geometry.raid_disks - len(self.slots)

    @property
    def degraded(self) -> int:
        """Slots without a member that is wholly in sync."""
        in_sync = sum(offset == MAX_SECTOR for offset in self.recovery_offsets.values())
        return self.geometry.raid_disks - in_sync

    @property
    def dirty(self) -> bool:
        """Some writes may have reached only part of the members."""
        return self.freshest.resync_offset != MAX_SECTOR

    @property
    def dirty_degraded(self) -> bool:
        """Parity may be wrong and is needed: what is missing cannot be told (write hole)."""
        excused = sum(
            offset != MAX_SECTOR and self._holds_only_parity(self.slots[name])
            for name, offset in self.recovery_offsets.items()
        )
        return self.dirty and self.degraded > excused

    def _holds_only_parity(self, slot: int) -> bool:
        return all(row.data_index[slot] < 0 for row in self.geometry.rows)


def analyse_members(superblocks: Mapping[str, SuperblockV1], *, force: bool = False) -> Assembly:
    """Sort the members by what the freshest of them says.

    Args:
        superblocks: the members' names and superblocks, each fit for an array by itself.
        force: bring stale members back, the freshest first, until the array can run.

    Raises:
        AssemblyError: they belong to different arrays, or one is given twice.
    """
    _refuse_mixed(superblocks)
    freshest = max(superblocks.values(), key=lambda sb: sb.events)
    geometry = Geometry(freshest.level, freshest.layout, freshest.raid_disks, freshest.chunksize)
    assembly = Assembly(freshest, geometry)
    for name, sb in superblocks.items():
        _place(assembly, name, sb)
    if force:
        _bring_back(assembly, superblocks)
    return assembly


def _refuse_mixed(superblocks: Mapping[str, SuperblockV1]) -> None:
    seen: dict[bytes, str] = {}
    first_name, first = next(iter(superblocks.items()))
    for name, sb in superblocks.items():
        if sb.set_uuid != first.set_uuid:
            raise AssemblyError(f"{name}: belongs to another array than {first_name}")
        if sb.device_uuid in seen:
            raise AssemblyError(f"{name}: is the same member as {seen[sb.device_uuid]}")
        seen[sb.device_uuid] = name
        shape = (sb.level, sb.layout, sb.raid_disks, sb.chunksize, sb.size)
        if shape != (first.level, first.layout, first.raid_disks, first.chunksize, first.size):
            raise AssemblyError(f"{name}: describes another array than {first_name}")


def _place(assembly: Assembly, name: str, sb: SuperblockV1) -> None:
    freshest = assembly.freshest
    roles = freshest.dev_roles
    role = roles[sb.dev_number] if sb.dev_number < len(roles) else MD_DISK_ROLE_FAULTY
    if role == MD_DISK_ROLE_FAULTY:
        assembly.faulty.append(name)
    elif sb.events + _EVENTS_MARGIN < freshest.events:
        # A spare has nothing to lose: it is written in full when it is needed.
        (assembly.stale if sb.role < MD_DISK_ROLE_MAX else assembly.spares).append(name)
    elif role >= MD_DISK_ROLE_MAX:
        assembly.spares.append(name)
    elif role in assembly.slots.values():
        raise AssemblyError(f"{name}: its slot {role} is another member's")
    else:
        assembly.slots[name] = role
        recovering = sb.feature_map & MD_FEATURE_RECOVERY_OFFSET
        assembly.recovery_offsets[name] = sb.recovery_offset if recovering else MAX_SECTOR


def _bring_back(assembly: Assembly, superblocks: Mapping[str, SuperblockV1]) -> None:
    """Take stale and failed members back, the freshest first, while too many are missing."""
    candidates = sorted(
        (name for name in (*assembly.stale, *assembly.faulty) if _was_in_sync(superblocks[name])),
        key=lambda name: -superblocks[name].events,
    )
    for name in candidates:
        if assembly.degraded <= assembly.geometry.max_degraded:
            return
        slot = superblocks[name].role
        if slot in assembly.slots.values():
            continue
        assembly.slots[name] = slot
        assembly.recovery_offsets[name] = MAX_SECTOR
        (assembly.stale if name in assembly.stale else assembly.faulty).remove(name)
        assembly.forced.append(name)


def _was_in_sync(sb: SuperblockV1) -> bool:
    return sb.role < MD_DISK_ROLE_MAX and not sb.feature_map & MD_FEATURE_RECOVERY_OFFSET
