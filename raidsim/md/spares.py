"""Members come and go: remove_and_add_spares and spare_active (Linux drivers/md/md.c, raid5.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.events import MemberActive, MemberAssigned, MemberReplaced
from raidsim.md.superblock import (
    MAX_SECTOR,
    MD_FEATURE_RECOVERY_BITMAP,
    MD_FEATURE_RECOVERY_OFFSET,
)
from raidsim.md.superblock_update import MD_SB_CHANGE_DEVS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raidsim.md.mddev import Mddev
    from raidsim.md.rdev import Rdev
    from raidsim.md.superblock import SuperblockV1


def add_spare(mddev: Mddev, rdev: Rdev) -> None:
    """Take a new member on as a spare."""
    mddev.rdevs.insert(0, rdev)
    mddev.recovery_disabled = False
    _change_devices(mddev)


def re_add_refusal(mddev: Mddev, sb: SuperblockV1) -> str:
    """Why a former member can not be taken back for what it holds, "" if it can.

    Without a bitmap it must have seen all; with one, all that the bits do not tell any more
    (super_1_validate).

    Args:
        mddev: the array.
        sb: the former member's superblock.
    """
    events = mddev.events if mddev.bitmap is None else mddev.bitmap.events_cleared
    if sb.role >= mddev.geometry.raid_disks:
        return "it had no slot"
    if sb.events + 1 < events:
        return f"it has seen {sb.events} events, and would have to have seen {events}"
    others = (rdev for rdev in mddev.rdevs if rdev.superblock is not sb)
    if any(rdev.desc_nr == sb.dev_number for rdev in others):
        return f"its number {sb.dev_number} is another member's"
    return ""


def re_add_spare(mddev: Mddev, rdev: Rdev) -> None:
    """Take a former member on as a spare that may have its old slot back."""
    sb = rdev.superblock
    partly = MD_FEATURE_RECOVERY_OFFSET | MD_FEATURE_RECOVERY_BITMAP
    # What a recovery of everything had not finished, the bitmap does not tell; nor what was written
    # since another member has the slot.
    whole = sb.feature_map & partly != MD_FEATURE_RECOVERY_OFFSET
    vacant = all(other.raid_disk != sb.role for other in mddev.rdevs)
    rdev.saved_raid_disk = sb.role if whole and vacant else -1
    add_spare(mddev, rdev)


def slot_is_taken(mddev: Mddev, rdev: Rdev) -> bool:
    """Whether another member has the slot that a failed one had."""
    return any(
        other.raid_disk == rdev.superblock.role for other in mddev.rdevs if other is not rdev
    )


def revive_member(mddev: Mddev, rdev: Rdev) -> None:
    """Take a failed member that was not removed back as such a spare.

    md asks for no events here, unlike after a removal: without a bitmap it is rebuilt in full
    (state_store, md.c).
    """
    rdev.faulty = False
    rdev.raid_disk = -1
    mddev.rdevs.remove(rdev)
    re_add_spare(mddev, rdev)


def remove_member(mddev: Mddev, rdev: Rdev) -> None:
    """Let a failed or spare member go; the others' superblocks forget it."""
    mddev.rdevs.remove(rdev)
    _change_devices(mddev)


def remove_and_add_spares(mddev: Mddev) -> bool:
    """Take the slots of failed members from them, for replacements or spares; tell if any had one.

    While something is synced they keep their slots: it ends first. A member whose recovery had to
    give up becomes a spare again.
    """
    leaving = [
        rdev
        for rdev in mddev.rdevs
        if rdev.raid_disk >= 0 and (rdev.faulty or (mddev.recovery_disabled and rdev.recovering))
    ]
    if not leaving or mddev.sync_thread is not None:
        return False
    for rdev in leaving:
        if not rdev.replacement:
            for other in mddev.rdevs:
                if other.raid_disk == rdev.raid_disk:
                    other.replacement = False
        rdev.raid_disk = -1
        rdev.replacement = rdev.want_replacement = False
    _fill_slots(mddev)
    _change_devices(mddev)
    return True


def activate_spares(mddev: Mddev) -> bool:
    """Give spares the slots that have no member, then those that want a replacement.

    Of several spares the newest comes first, and takes the lowest slot. While something is synced
    none gets one: that sync would have passed what the spare lacks (md_check_recovery).

    Returns:
        Whether any got one.
    """
    filled = mddev.sync_thread is None and _fill_slots(mddev)
    if filled:
        _change_devices(mddev)
    return filled


def _fill_slots(mddev: Mddev) -> bool:
    if mddev.recovery_disabled:
        return False
    spares = [rdev for rdev in mddev.rdevs if rdev.raid_disk < 0 and not rdev.faulty]
    filled = [spare for spare in spares if _take_slot(mddev, spare)]
    return bool(filled)


def _take_slot(mddev: Mddev, spare: Rdev) -> bool:
    """Give ``spare`` a slot, if one wants it (raid5_add_disk)."""
    taken = {rdev.raid_disk for rdev in mddev.rdevs}
    free = [slot for slot in range(mddev.geometry.raid_disks) if slot not in taken]
    if free:
        slot = spare.saved_raid_disk if spare.saved_raid_disk in free else free[0]
        if slot != spare.saved_raid_disk:
            mddev.personality.conf.fullsync = True
        spare.take_slot(slot, 0)
        _tell_assigned(mddev, spare)
        _forget_old_holders(mddev, slot, spare)
        return True
    replaced = {rdev.raid_disk for rdev in mddev.rdevs if rdev.replacement}
    wanting = {rdev.raid_disk for rdev in mddev.rdevs if rdev.want_replacement} - replaced
    if wanting:
        _replace(mddev, min(wanting), spare)
    return bool(wanting)


def _forget_old_holders(mddev: Mddev, slot: int, holder: Rdev) -> None:
    """From now on bits are cleared that tell what former members of the slot lack."""
    for rdev in mddev.rdevs:
        if rdev.saved_raid_disk == slot and rdev is not holder:
            rdev.saved_raid_disk = -1


def _replace(mddev: Mddev, slot: int, spare: Rdev) -> None:
    spare.take_slot(slot, 0, replacement=True)
    _tell_assigned(mddev, spare)
    mddev.personality.conf.fullsync = True  # it never held what the bitmap knows of


def _tell_assigned(mddev: Mddev, spare: Rdev) -> None:
    mddev.machine.sim.hook.tell(MemberAssigned(spare.name, spare.raid_disk, spare.replacement))


def replace_members(mddev: Mddev, wanted: Mapping[Rdev, Rdev | None]) -> None:
    """Let members be replaced, by the given spare or by any; those without one wait for it.

    Args:
        mddev: the array.
        wanted: members to be replaced, each with the spare to do it, or None.
    """
    for rdev, spare in wanted.items():
        rdev.want_replacement = True
        if spare is not None:
            _replace(mddev, rdev.raid_disk, spare)
    if not activate_spares(mddev):
        # A given spare is not written down before the recovery gets somewhere (slot_store).
        mddev.personality.conf.refresh_members()
        mddev.check_recovery()


def spare_active(mddev: Mddev) -> None:
    """Members that were rebuilt to their end are in sync now.

    A member that has been replaced has not failed, but must go and never be taken for up to date.
    """
    hook = mddev.machine.sim.hook
    for rdev in mddev.rdevs:
        if rdev.recovering and rdev.recovery_offset == MAX_SECTOR:
            rdev.in_sync = True
            hook.tell(MemberActive(rdev.name, rdev.raid_disk))
            if rdev.replacement:
                _retire(mddev, rdev.raid_disk)
    _change_devices(mddev)


def _retire(mddev: Mddev, slot: int) -> None:
    for rdev in mddev.rdevs:
        if rdev.raid_disk == slot and not rdev.replacement:
            rdev.faulty = True
            rdev.in_sync = False
            mddev.machine.sim.hook.tell(MemberReplaced(rdev.name, slot))


def _change_devices(mddev: Mddev) -> None:
    mddev.personality.conf.refresh_members()
    mddev.update_superblocks(MD_SB_CHANGE_DEVS)
