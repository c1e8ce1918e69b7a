"""Making, assembling and opening an array: from images to a running ``Mddev``."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from raidsim.array.binding import (
    bind_members,
    close_images,
    open_images,
    open_members,
    read_array_bitmap,
    remembered_images,
)
from raidsim.array.creation import MISSING, ArraySpec, new_superblocks
from raidsim.array.directory import ArrayDirectory
from raidsim.array.force import dirty_degraded_error, force_risks
from raidsim.array.hardware import Hardware
from raidsim.array.member import create_image, find_disk, load_member, refuse_member
from raidsim.array.metadata import write_metadata, write_superblock
from raidsim.disk import ImageDisk, ImageError
from raidsim.errors import UsageError
from raidsim.machine import Machine
from raidsim.md.assembly import Assembly, AssemblyError, analyse_members
from raidsim.md.bitmap_superblock import BitmapSuperblock
from raidsim.md.mddev import Mddev
from raidsim.md.superblock import MD_FEATURE_BITMAP_OFFSET

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from raidsim.md.rdev import Rdev
    from raidsim.md.superblock import SuperblockV1


@dataclass(frozen=True, slots=True)
class RunningArray:
    """What ``Array`` is made of.

    Attributes:
        directory: the array directory.
        hardware: what the array runs on.
        mddev: the array.
        images: the open image of each member, in use or not.
        risks: where it runs only since it was told to, what may be wrong with it.
    """

    directory: ArrayDirectory
    hardware: Hardware
    mddev: Mddev
    images: dict[Rdev, ImageDisk]
    risks: list[str]


def create_array(
    path: str | os.PathLike[str],
    spec: ArraySpec,
    images: Sequence[str | os.PathLike[str]],
    image_bytes: int,
    engines: Sequence[str],
    hardware: Hardware | None,
) -> RunningArray:
    """Make an array; see ``Array.create``."""
    directory = ArrayDirectory.claim(path)
    directory.engines = _absolute(engines)
    was_there = directory.path.exists()
    spec = replace(spec, name=spec.name or directory.path.absolute().name)
    spec.check()
    if hardware is None:
        hardware = Hardware(Machine(engines=engines))
    made: list[Path] = []
    try:
        if images:
            names = [MISSING if str(i) == MISSING else str(Path(i).absolute()) for i in images]
        else:
            for number in range(spec.raid_disks + spec.spare_disks):
                image = directory.path.absolute() / f"disk{number}.img"
                create_image(image, image_bytes)
                made.append(image)
            names = [str(image) for image in made]
            spec = replace(spec, in_sync=True)  # zeros have zeros for parity
        return _create_on(directory, spec, names, hardware)
    except BaseException:
        with suppress(OSError):  # what went wrong first is what counts
            for image in made:
                image.unlink()
            if not was_there:
                directory.path.rmdir()
        raise


def _create_on(
    directory: ArrayDirectory, spec: ArraySpec, names: Sequence[str], hardware: Hardware
) -> RunningArray:
    disks = open_images([name for name in names if name != MISSING])
    try:
        for name, disk in disks.items():
            refuse_member(disk, name)
        sectors = {name: disk.sectors for name, disk in disks.items()}
        superblocks = new_superblocks(spec, names, sectors, hardware)
        for name, sb in superblocks.items():
            chunk = spec.bitmap.chunk(sb.size)
            bitmap = BitmapSuperblock(uuid=sb.set_uuid, sync_size=sb.size, chunksize=chunk)
            write_metadata(disks[name], sb, bitmap if chunk else None)
        disks = {name: disks[name] for name in superblocks}
        directory.images = [Path(name) for name in disks]
        running = _start(directory, hardware, disks, analyse_members(superblocks), superblocks)
        directory.save()
    except BaseException:
        close_images(disks.values())
        raise
    return running


def assemble_array(
    path: str | os.PathLike[str],
    images: Sequence[str | os.PathLike[str]],
    engines: Sequence[str],
    hardware: Hardware | None,
    *,
    force: bool,
    readonly: bool,
) -> RunningArray:
    """Take existing members and run their array; see ``Array.assemble``."""
    directory = ArrayDirectory(
        Path(path),
        [Path(image).absolute() for image in images],
        _absolute(engines),
        readonly,
    )
    running = _assemble(directory, hardware, force=force, strict=True)
    try:
        directory.save()
    except BaseException:
        close_images(running.images.values())
        raise
    return running


def open_array(
    path: str | os.PathLike[str], hardware: Hardware | None, *, inspect: bool
) -> RunningArray:
    """Run the array of a directory; see ``Array.open``."""
    directory = ArrayDirectory.load(path)
    with remembered_images():
        return _assemble(directory, hardware, inspect=inspect)


def forget_image(path: str | os.PathLike[str], disk: str) -> None:
    """Strike an image that cannot be used from an array directory.

    The other members learn of the loss when their superblocks are next written.

    Args:
        path: the array directory.
        disk: the image's file name or path.

    Raises:
        UsageError: the array has no such image, or nothing is wrong with it.
    """
    directory = ArrayDirectory.load(path)
    image = find_disk(directory.images, disk)
    try:
        member = ImageDisk(image, readonly=True, lock=False)
        try:
            load_member(member, str(image))
        finally:
            member.close()
    except ImageError:
        directory.images.remove(image)
        directory.save()
        return
    raise UsageError(f"{disk}: can be used; open the array to fail it")


def _assemble(
    directory: ArrayDirectory,
    hardware: Hardware | None,
    *,
    force: bool = False,
    strict: bool = False,
    inspect: bool = False,
) -> RunningArray:
    if hardware is None:
        # What is only looked at computes nothing: no need to find and test a faster kernel.
        kernel = "numpy" if inspect else None
        hardware = Hardware(Machine(engines=directory.engines, kernel=kernel))
    readonly = directory.readonly or inspect
    disks = open_members(directory, readonly=readonly, lock=not inspect)
    try:
        superblocks = {name: load_member(disk, name) for name, disk in disks.items()}
        assembly = analyse_members(superblocks, force=force)
        if not inspect:
            _refuse_unfit(directory.path, assembly, superblocks, force=force, strict=strict)
            _refuse_forced_readonly(assembly, readonly=readonly)
        for name in assembly.rewritten:
            write_superblock(disks[name], superblocks[name])
        if force:
            for name in (*assembly.stale, *assembly.faulty):  # not needed, so left out
                disks.pop(name).close()
                directory.images.remove(Path(name))
        if strict:  # else the array is known, and goes on as it was left
            disks = {name: disks[name] for name in _binding_order(assembly, superblocks, disks)}
            directory.images = [Path(name) for name in disks]
        return _start(directory, hardware, disks, assembly, superblocks, readonly=readonly)
    except BaseException:
        close_images(disks.values())
        raise


def _binding_order(
    assembly: Assembly, superblocks: Mapping[str, SuperblockV1], names: Iterable[str]
) -> list[str]:
    """The order in which mdadm gives the members to md (start_array, Assemble.c).

    Slot by slot, then what has none; the first that is up to date, which speaks for the array,
    comes last.
    """
    no_slot = assembly.geometry.raid_disks
    order = sorted(names, key=lambda name: assembly.slots.get(name, no_slot))
    events = assembly.freshest.events
    speaker = next(name for name in order if superblocks[name].events == events)
    order.remove(speaker)
    return [*order, speaker]


def _start(
    directory: ArrayDirectory,
    hardware: Hardware,
    disks: dict[str, ImageDisk],
    assembly: Assembly,
    superblocks: Mapping[str, SuperblockV1],
    *,
    readonly: bool = False,
) -> RunningArray:
    images = bind_members(directory, disks, superblocks, assembly, hardware.disk)
    mddev = Mddev(
        hardware.machine,
        assembly.geometry,
        assembly.freshest,
        list(images),
        readonly=readonly,
        now=hardware.now,
    )
    mddev.personality.conf.fullsync = any(r.recovering and r.saved_raid_disk < 0 for r in images)
    if assembly.freshest.feature_map & MD_FEATURE_BITMAP_OFFSET:
        mddev.load_bitmap(*read_array_bitmap(images))
    return RunningArray(directory, hardware, mddev, images, force_risks(assembly))


def _refuse_unfit(
    path: Path,
    assembly: Assembly,
    superblocks: Mapping[str, SuperblockV1],
    *,
    force: bool,
    strict: bool,
) -> None:
    """Refuse what md, or mdadm for it, would not run; an array already known may have failed."""
    geometry = assembly.geometry
    enough = assembly.degraded <= geometry.max_degraded
    if strict and not force:
        remedy = "leave it out, or bring" if enough else "too few are left without it: bring"
        for name in (*assembly.faulty, *assembly.stale):
            raise AssemblyError(
                f"{name}: is stale: it has seen {superblocks[name].events} events, the array"
                f" {assembly.freshest.events}; {remedy} it back with --force"
            )
    if strict and not enough:
        raise AssemblyError(
            f"{path}: {geometry.raid_disks - assembly.degraded} members in sync are not enough to"
            f" start the array: it has {geometry.raid_disks} and can bear to lose"
            f" {geometry.max_degraded}"
        )
    if assembly.dirty_degraded and not force and enough:
        raise dirty_degraded_error(path)


def _refuse_forced_readonly(assembly: Assembly, *, readonly: bool) -> None:
    if assembly.rewritten and readonly:
        raise UsageError("--force has to change superblocks here: leave --readonly out")


def _absolute(engines: Sequence[str]) -> list[str]:
    """Engines' profiles by names that mean the same in any working directory."""
    if not engines:
        return []
    from raidsim.dmaengine.drivers import absolute_profile_name  # noqa: PLC0415  loads all drivers

    return [absolute_profile_name(engine) for engine in engines]
