"""Binding members to an array: from images to devices that have taken their slots."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from raidsim.disk import ImageDisk, ImageError, ImageMissingError
from raidsim.errors import UsageError
from raidsim.md.assembly import AssemblyError
from raidsim.md.bitmap_superblock import BitmapError, read_bitmap
from raidsim.md.rdev import Rdev
from raidsim.md.superblock import MD_FEATURE_RECOVERY_BITMAP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from raidsim.array.directory import ArrayDirectory
    from raidsim.disk import Disk
    from raidsim.md.assembly import Assembly
    from raidsim.md.superblock import SuperblockV1


def open_members(directory: ArrayDirectory, *, readonly: bool, lock: bool) -> dict[str, ImageDisk]:
    """Open all images of an array directory, or none.

    Raises:
        UsageError: it has none, or one is listed twice.
        ImageError: one cannot be used.
    """
    if not directory.images:
        raise UsageError("no images given; name the members")
    return open_images([str(path) for path in directory.images], readonly=readonly, lock=lock)


def open_images(
    names: Sequence[str], *, readonly: bool = False, lock: bool = True
) -> dict[str, ImageDisk]:
    """Open all images, or none.

    Raises:
        UsageError: one is listed twice.
        ImageError: one cannot be used.
    """
    if len({os.path.realpath(name) for name in names}) < len(names):
        raise UsageError("an image is listed twice")
    disks: dict[str, ImageDisk] = {}
    try:
        for name in names:
            disks[name] = ImageDisk(name, readonly=readonly, lock=lock)
    except ImageError:
        close_images(disks.values())
        raise
    return disks


def close_images(disks: Iterable[ImageDisk]) -> None:
    """Let the images go."""
    for disk in disks:
        disk.close()


@contextmanager
def remembered_images() -> Iterator[None]:
    """Where an image that an array directory remembers is missing, say what can be done."""
    try:
        yield
    except ImageMissingError as error:
        raise ImageMissingError(
            f"{error}; put it back, or `raidsim fail` it to go on without it"
        ) from error


def bind_members(
    directory: ArrayDirectory,
    images: dict[str, ImageDisk],
    superblocks: Mapping[str, SuperblockV1],
    assembly: Assembly,
    disk_of: Callable[[ImageDisk], Disk],
) -> dict[Rdev, ImageDisk]:
    """Make a device of each member, as the assembly has it.

    Args:
        directory: remembers what no superblock can say.
        images: the members' names and images, in the order of their binding.
        superblocks: their superblocks.
        assembly: what these say together.
        disk_of: what md is given of an image.

    Returns:
        The devices, the newest first as md lists them, and their images.
    """
    rdevs = {}
    for name, image in reversed(images.items()):
        rdev = Rdev(disk_of(image), superblocks[name])
        if name in assembly.slots:
            rdev.take_slot(
                assembly.slots[name],
                assembly.recovery_offsets[name],
                replacement=name in assembly.replacements,
            )
            rdev.want_replacement = Path(name) in directory.want_replacement
            if rdev.superblock.feature_map & MD_FEATURE_RECOVERY_BITMAP:
                rdev.saved_raid_disk = rdev.raid_disk
        rdev.faulty = name in assembly.faulty or name in assembly.stale
        if rdev.faulty and _broke(assembly, rdev.superblock):
            rdev.raid_disk = rdev.superblock.role
        rdevs[rdev] = image
    return rdevs


def _broke(assembly: Assembly, sb: SuperblockV1) -> bool:
    """Whether it was this member's failure that broke the array: its slot is not emptied then.

    It has never learnt of its own failure, and knows how many failed before.
    """
    geometry = assembly.geometry
    slots = {role for role in sb.dev_roles if role < geometry.raid_disks}
    no_redundancy = len(slots) == geometry.raid_disks - geometry.max_degraded
    return no_redundancy and assembly.degraded > geometry.max_degraded


def read_array_bitmap(images: Mapping[Rdev, ImageDisk]) -> tuple[int, bytes]:
    """Read the bitmap of the first member that is in sync and has a sound one.

    Returns:
        Where it lies, in sectors from the superblock, and what the member holds there.

    Raises:
        AssemblyError: there is none.
    """
    problem = AssemblyError("no member that is in sync has the bitmap")
    for rdev, image in images.items():
        if rdev.in_sync and not rdev.faulty:
            try:
                return rdev.superblock.bitmap_offset, read_bitmap(image.read, rdev.superblock)
            except BitmapError as error:
                problem = AssemblyError(f"{image.path}: {error}")
    raise problem
