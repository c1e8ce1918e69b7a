"""Members come and go: remove_and_add_spares and spare_active (Linux drivers/md/md.c, raid5.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.superblock import MAX_SECTOR
from raidsim.md.superblock_update import MD_SB_CHANGE_DEVS

if TYPE_CHECKING:
    from raidsim.md.mddev import Mddev
    from raidsim.md.rdev import Rdev


def add_spare(mddev: Mddev, rdev: Rdev) -> None:
    """Take a new member on as a spare."""
    mddev.rdevs.insert(0, rdev)
    mddev.recovery_disabled = False
    _change_devices(mddev)


def remove_member(mddev: Mddev, rdev: Rdev) -> None:
    """Let a failed or spare member go; the others' superblocks forget it."""
    mddev.rdevs.remove(rdev)
    _change_devices(mddev)


def remove_and_add_spares(mddev: Mddev) -> bool:
    """Take the slots of failed members from them, for spares that wait; tell if any had one.

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
        rdev.raid_disk = -1
    _fill_slots(mddev)
    _change_devices(mddev)
    return True


def activate_spares(mddev: Mddev) -> bool:
    """Give spares the slots that have no member; tell if any did."""
    filled = _fill_slots(mddev)
    if filled:
        _change_devices(mddev)
    return filled


def _fill_slots(mddev: Mddev) -> bool:
    if mddev.recovery_disabled:
        return False
    taken = {rdev.raid_disk for rdev in mddev.rdevs}
    free = [slot for slot in range(mddev.geometry.raid_disks) if slot not in taken]
    spares = [rdev for rdev in mddev.rdevs if rdev.raid_disk < 0 and not rdev.faulty]
    for rdev, slot in zip(spares, free, strict=False):
        rdev.take_slot(slot, 0)
    return bool(spares and free)


def spare_active(mddev: Mddev) -> None:
    """Members that were rebuilt to their end are in sync now."""
    for rdev in mddev.rdevs:
        if rdev.recovering and rdev.recovery_offset == MAX_SECTOR:
            rdev.in_sync = True
    _change_devices(mddev)


def _change_devices(mddev: Mddev) -> None:
    mddev.personality.conf.refresh_members()
    mddev.update_superblocks(MD_SB_CHANGE_DEVS)
