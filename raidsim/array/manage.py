"""mdadm's manage mode: members of an opened array fail, go and come (mdadm's Manage.c)."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from raidsim.array.member import (
    NotAMemberError,
    create_image,
    find_disk,
    joining_superblock,
    load_member,
    refuse_member,
)
from raidsim.array.metadata import write_metadata
from raidsim.disk import ImageDisk
from raidsim.errors import UsageError
from raidsim.md import spares
from raidsim.md.mddev import ArrayStateError
from raidsim.md.rdev import Rdev

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from raidsim.array.array import Array
    from raidsim.md.superblock import SuperblockV1


def fail_member(array: Array, disk: str) -> None:
    """Fail a member; see ``Array.fail``."""
    rdev = find_rdev(array, disk)
    if rdev.faulty:
        raise ArrayStateError(f"{rdev.name}: has failed already")
    array.check_not_readonly()
    array.mddev.error(rdev)
    array.settle()


def remove_member(array: Array, disk: str) -> None:
    """Let a failed or spare member go; see ``Array.remove``."""
    rdev = find_rdev(array, disk)
    if rdev.raid_disk >= 0 and not rdev.faulty:
        raise ArrayStateError(f"{rdev.name}: is in use; `raidsim fail` it first")
    array.check_not_readonly()
    spares.remove_member(array.mddev, rdev)
    array.settle()
    gone = array.images.pop(rdev)
    gone.close()
    array.directory.images.remove(gone.path)
    array.directory.save()


def add_member(array: Array, image: str | os.PathLike[str]) -> bool:
    """Take a new member on as a spare; see ``Array.add``."""
    array.check_writable()
    mddev = array.mddev
    path = Path(image).absolute()
    made = not path.exists()
    if made:
        create_image(path, next(iter(array.images.values())).sectors << 9)
    try:
        disk = ImageDisk(path)
        try:
            sb = _former_superblock(array, disk)
            re_added = sb is not None and not spares.re_add_refusal(mddev, sb)
            if sb is None or not re_added:
                sb = joining_superblock(disk, mddev, array.hardware.unique(16))
                write_metadata(disk, sb, mddev.bitmap.superblock if mddev.bitmap else None)
        except BaseException:
            disk.close()
            raise
    except BaseException:
        if made:
            path.unlink()
        raise
    _take_on(array, disk, sb, re_add=re_added)
    return re_added


def re_add_member(array: Array, disk: str | os.PathLike[str]) -> None:
    """Take a former member back; see ``Array.re_add``."""
    array.check_writable()
    try:
        rdev = find_rdev(array, str(disk))
    except UsageError:
        pass
    else:
        if not rdev.faulty:
            raise ArrayStateError(f"{rdev.name}: is a member already")
        if spares.slot_is_taken(array.mddev, rdev):
            raise ArrayStateError(
                f"{rdev.name}: its slot is another member's; `raidsim remove` it, then add it"
            )
        spares.revive_member(array.mddev, rdev)
        _give_slot_back(array)
        array.settle()
        return
    image = ImageDisk(Path(disk).absolute())
    try:
        refuse_member(image, str(disk), but_of=array.mddev.superblock.set_uuid)
        sb = load_member(image, str(disk))
        _refuse_re_add(array, sb, str(disk))
    except BaseException:
        image.close()
        raise
    _take_on(array, image, sb, re_add=True)


def _refuse_re_add(array: Array, sb: SuperblockV1, name: str) -> None:
    refusal = spares.re_add_refusal(array.mddev, sb)
    if refusal:
        raise ArrayStateError(
            f"{name}: --re-add to {array.directory.path} is not possible: {refusal};"
            " `raidsim add` rebuilds it in full"
        )


def _former_superblock(array: Array, disk: ImageDisk) -> SuperblockV1 | None:
    """The superblock of an image that was a member of this array, if it is sound."""
    try:
        sb = load_member(disk, str(disk.path))
    except NotAMemberError:
        return None
    return sb if sb.set_uuid == array.mddev.superblock.set_uuid else None


def _take_on(array: Array, disk: ImageDisk, sb: SuperblockV1, *, re_add: bool) -> None:
    array.directory.images.append(disk.path)
    array.directory.save()
    rdev = Rdev(array.hardware.disk(disk), sb)
    array.images[rdev] = disk
    if re_add:
        spares.re_add_spare(array.mddev, rdev)
        _give_slot_back(array)
    else:
        spares.add_spare(array.mddev, rdev)
    array.settle()


def replace_members(array: Array, disks: Sequence[str], replacements: Sequence[str]) -> list[str]:
    """Have members replaced by spares; see ``Array.replace``."""
    if len(replacements) > len(disks):
        raise UsageError("more replacements are named than members to be replaced")
    wanted: dict[Rdev, Rdev | None] = {}
    for disk, replacement in zip_longest(disks, replacements):
        spare = None if replacement is None else _spare(array, replacement)
        wanted[_active(array, disk)] = spare
    spares_named = [spare for spare in wanted.values() if spare is not None]
    if len(wanted) < len(disks) or len(set(spares_named)) < len(spares_named):
        raise UsageError("a disk is named twice")
    array.check_writable()
    sync_thread = array.mddev.sync_thread
    if spares_named and sync_thread is not None:
        raise ArrayStateError(
            f"a {sync_thread.action} is under way, and no spare is given a slot before it ends;"
            " name none, and one is used then"
        )
    spares.replace_members(array.mddev, wanted)
    array.settle()
    found = {rdev.raid_disk for rdev in array.mddev.rdevs if rdev.replacement}
    return [disk for disk, rdev in zip(disks, wanted, strict=True) if rdev.raid_disk not in found]


def remember_wishes(array: Array) -> None:
    """Write down which members wait for a spare to replace them."""
    wanting = [image.path for rdev, image in array.images.items() if rdev.want_replacement]
    if wanting != array.directory.want_replacement:
        array.directory.want_replacement = wanting
        array.directory.save()


def _active(array: Array, disk: str) -> Rdev:
    rdev = find_rdev(array, disk)
    if rdev.raid_disk < 0 or not rdev.in_sync:
        raise ArrayStateError(f"{rdev.name}: is not active and so cannot be replaced")
    return rdev


def _spare(array: Array, disk: str) -> Rdev:
    rdev = find_rdev(array, disk)
    if rdev.raid_disk >= 0 or rdev.faulty:
        kind = "has failed" if rdev.faulty else "is active"
        raise ArrayStateError(f"{rdev.name}: {kind} and cannot be a replacement; name a spare")
    return rdev


def _give_slot_back(array: Array) -> None:
    """Begin the recovery, as md does at once: a spare without a slot is soon like any other."""
    if not array.mddev.sync_control.frozen:
        spares.activate_spares(array.mddev)


def find_rdev(array: Array, disk: str) -> Rdev:
    """The member that ``disk``, a slot number, a file name or a path, means.

    Raises:
        UsageError: none.
    """
    by_slot = {
        str(r.raid_disk): r for r in array.mddev.rdevs if r.raid_disk >= 0 and not r.replacement
    }
    if disk in by_slot:
        return by_slot[disk]
    path = find_disk(array.directory.images, disk)
    for rdev, image in array.images.items():
        if image.path == path:
            return rdev
    raise UsageError(f"{disk}: is not a member of the array")
