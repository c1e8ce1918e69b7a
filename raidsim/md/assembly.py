"""Which of the given members make up the array, and in what state (analyze_sbs, md_run).

References: super_1_validate, analyze_sbs and md_run in Linux drivers/md/md.c, raid5_run in
raid5.c, and mdadm's Assemble.c for what ``--force`` does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from raidsim.errors import RaidsimError
from raidsim.md.layout import Geometry
from raidsim.md.superblock import (
    MAX_SECTOR,
    MD_DISK_ROLE_FAULTY,
    MD_DISK_ROLE_MAX,
    MD_DISK_ROLE_SPARE,
    MD_FEATURE_RECOVERY_OFFSET,
    MD_FEATURE_REPLACEMENT,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from raidsim.md.superblock import SuperblockV1

# A member that missed one update of the superblocks is still good.
_EVENTS_MARGIN = 1


class AssemblyError(RaidsimError):
    """The given members do not make an array that can be run."""


class Vintage(NamedTuple):
    """How much a member has seen.

    Attributes:
        events: updates of the superblocks.
        utime: seconds since 1970 of the last of them.
    """

    events: int
    utime: int


@dataclass(slots=True)
class Assembly:
    """What the superblocks say together.

    Attributes:
        freshest: the superblock that speaks for the array.
        geometry: the array's shape.
        slots: member name to slot, for members that take part.
        replacements: names of those that are to replace the slot's other member.
        recovery_offsets: member name to the sector below which it is in sync, ``MAX_SECTOR`` when
            it is wholly so.
        spares, faulty: names of members without a slot: free, or failed.
        stale: names of members that missed too much to take part.
        forced: members that ``force`` brought back, and what they had seen.
        was_dirty: before ``force`` called it right, the parity of some rows may have been wrong.
        rewritten: names of members whose superblock ``force`` changed.
    """

    freshest: SuperblockV1
    geometry: Geometry
    slots: dict[str, int] = field(default_factory=dict)
    replacements: set[str] = field(default_factory=set)
    recovery_offsets: dict[str, int] = field(default_factory=dict)
    spares: list[str] = field(default_factory=list)
    faulty: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    forced: dict[str, Vintage] = field(default_factory=dict)
    was_dirty: bool = False
    rewritten: list[str] = field(default_factory=list)

    @property
    def missing(self) -> int:
        """Slots without a member."""
        return self.geometry.raid_disks - len(set(self.slots.values()))

    @property
    def degraded(self) -> int:
        """Slots without a member that is wholly in sync."""
        in_sync = {slot for name, slot in self.slots.items() if self._in_sync(name)}
        return self.geometry.raid_disks - len(in_sync)

    @property
    def dirty(self) -> bool:
        """Some writes may have reached only part of the members."""
        return self.freshest.resync_offset != MAX_SECTOR

    @property
    def dirty_degraded(self) -> bool:
        """Parity may be wrong and is needed: what is missing cannot be told (write hole)."""
        excused = sum(
            name not in self.replacements
            and not self._in_sync(name)
            and self._holds_only_parity(slot)
            for name, slot in self.slots.items()
        )
        return self.dirty and self.degraded > excused

    def _in_sync(self, name: str) -> bool:
        return self.recovery_offsets[name] == MAX_SECTOR

    def _holds_only_parity(self, slot: int) -> bool:
        return all(row.data_index[slot] < 0 for row in self.geometry.rows)


def analyse_members(superblocks: Mapping[str, SuperblockV1], *, force: bool = False) -> Assembly:
    """Sort the members by what the freshest of them says.

    Args:
        superblocks: the members' names and superblocks, each fit for an array by itself. With
            ``force``, those of members that are brought back are made to agree.
        force: bring stale members back, the freshest first, until the array can run.

    Raises:
        AssemblyError: they belong to different arrays, or one is given twice.
    """
    _refuse_mixed(superblocks)
    freshest = superblocks[_freshest(superblocks, superblocks)]
    geometry = Geometry(freshest.level, freshest.layout, freshest.raid_disks, freshest.chunksize)
    assembly = Assembly(freshest, geometry)
    for name, sb in superblocks.items():
        _place(assembly, name, sb)
    _promote_replacements(assembly)
    if force:
        force_members(assembly, superblocks)
    return assembly


def _freshest(superblocks: Mapping[str, SuperblockV1], names: Iterable[str]) -> str:
    """The member that speaks for the array: of the freshest with a slot, that of the lowest.

    What a spare has seen does not count: md leaves it out of most updates.
    """

    def rank(name: str) -> tuple[bool, int, int, bool]:
        sb = superblocks[name]
        is_own = not sb.feature_map & MD_FEATURE_REPLACEMENT
        return sb.role < MD_DISK_ROLE_MAX, sb.events, -sb.role, is_own

    return max(names, key=rank)


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
    was_active = sb.role < MD_DISK_ROLE_MAX
    if role == MD_DISK_ROLE_FAULTY:
        assembly.faulty.append(name)
    elif was_active and not _is_up_to_date(assembly, sb):
        assembly.stale.append(name)
    elif role >= MD_DISK_ROLE_MAX:
        assembly.spares.append(name)  # it may be far behind: it has nothing to lose
    else:
        _take_slot(assembly, name, sb, role)
        if not was_active:  # it was given the slot in an update that did not reach it
            assembly.recovery_offsets[name] = 0


def _is_up_to_date(assembly: Assembly, sb: SuperblockV1) -> bool:
    return sb.events + _EVENTS_MARGIN >= assembly.freshest.events


def _take_slot(assembly: Assembly, name: str, sb: SuperblockV1, role: int) -> None:
    replacement = bool(sb.feature_map & MD_FEATURE_REPLACEMENT)
    if any(
        slot == role and (other in assembly.replacements) == replacement
        for other, slot in assembly.slots.items()
    ):
        raise AssemblyError(f"{name}: its slot {role} is another member's")
    assembly.slots[name] = role
    if replacement:
        assembly.replacements.add(name)
    recovering = sb.feature_map & MD_FEATURE_RECOVERY_OFFSET
    assembly.recovery_offsets[name] = sb.recovery_offset if recovering else MAX_SECTOR


def _promote_replacements(assembly: Assembly) -> None:
    """A replacement that is all a slot has is its member."""
    old = {slot for name, slot in assembly.slots.items() if name not in assembly.replacements}
    assembly.replacements = {n for n in assembly.replacements if assembly.slots[n] in old}


# -- force ----------------------------------------------------------------------------------------


def force_members(assembly: Assembly, superblocks: Mapping[str, SuperblockV1]) -> None:
    """Bring members back as ``mdadm --assemble --force`` does (force_array, Assemble.c).

    One that was declared faulty in the last update is up to date in all but name. While too many
    are still missing, the freshest of those left out follow, all of one vintage together. One that
    was being rebuilt never does, nor one that takes the freshest for failed.
    """
    candidates = [
        name
        for name in (*assembly.faulty, *assembly.stale)
        if _can_come_back(assembly, superblocks[name])
    ]
    chosen = [name for name in candidates if _is_up_to_date(assembly, superblocks[name])]
    while True:
        for name in chosen:
            candidates.remove(name)
            if superblocks[name].role not in assembly.slots.values():
                _bring_back(assembly, name, superblocks[name])
        if assembly.degraded <= assembly.geometry.max_degraded or not candidates:
            break
        vintage = max(superblocks[name].events for name in candidates)
        chosen = [name for name in candidates if superblocks[name].events == vintage]
    if assembly.degraded <= assembly.geometry.max_degraded:
        _agree(assembly, superblocks)


def _can_come_back(assembly: Assembly, sb: SuperblockV1) -> bool:
    was_in_sync = sb.role < MD_DISK_ROLE_MAX and not sb.feature_map & MD_FEATURE_RECOVERY_OFFSET
    return was_in_sync and assembly.freshest.role in sb.dev_roles


def _bring_back(assembly: Assembly, name: str, sb: SuperblockV1) -> None:
    (assembly.stale if name in assembly.stale else assembly.faulty).remove(name)
    _take_slot(assembly, name, sb, sb.role)
    assembly.forced[name] = Vintage(sb.events, sb.utime)


def _agree(assembly: Assembly, superblocks: Mapping[str, SuperblockV1]) -> None:
    """Give members that were brought back the array's count, and one superblock all their slots.

    Where a member is still missing, who speaks for the array calls its parity right as well, for
    want of anything better.
    """
    if not assembly.forced and not assembly.dirty_degraded:
        return
    rewritten = [n for n in assembly.forced if not _is_up_to_date(assembly, superblocks[n])]
    for name in rewritten:
        superblocks[name].events = assembly.freshest.events
    assembly.was_dirty = assembly.dirty
    speaker = _freshest(superblocks, assembly.slots)
    assembly.freshest = superblocks[speaker]
    if assembly.degraded:
        assembly.freshest.resync_offset = MAX_SECTOR
    for name, slot in assembly.slots.items():
        assembly.freshest.dev_roles[superblocks[name].dev_number] = slot
    for name in assembly.spares:
        assembly.freshest.dev_roles[superblocks[name].dev_number] = MD_DISK_ROLE_SPARE
    assembly.rewritten = sorted({*rewritten, speaker})
