"""One array, opened.

Everything here runs its machine until it is done, so a caller sees plain calls that return, or
raise. Between two of them nothing runs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from raidsim.array.creation import MISSING, ArraySpec, new_superblocks
from raidsim.array.directory import ArrayDirectory
from raidsim.array.member import (
    create_image,
    find_disk,
    joining_superblock,
    load_member,
    refuse_member,
    write_metadata,
)
from raidsim.disk import ImageDisk, ImageError
from raidsim.errors import UsageError
from raidsim.machine import Machine
from raidsim.md.assembly import Assembly, AssemblyError, analyse_members
from raidsim.md.bio import FLUSH, READ, WRITE, Bio
from raidsim.md.mddev import ArrayStateError, Mddev
from raidsim.md.rdev import Rdev
from raidsim.md.superblock import MAX_SECTOR
from raidsim.md.sync import SyncThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from raidsim.md.superblock import SuperblockV1

    Progress = Callable[[str, int, int], object]

# One bio covers about this much of the array, in whole rows: enough for tall stripe heads, little
# enough that its data are still in the CPU's cache when they are written.
_BIO_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SyncReport:
    """How a resync, recovery, check or repair ended.

    Attributes:
        action: "resync", "recover", "check" or "repair".
        mismatch_sectors: sectors found inconsistent, as md counts them.
        interrupted: a member failed, so that it ended early.
    """

    action: str
    mismatch_sectors: int
    interrupted: bool


class Array:
    """A running array, and the directory that remembers it.

    Use ``create``, ``assemble`` or ``open`` to get one, and a ``with`` statement to stop it.

    Attributes:
        directory: the array directory.
        machine: what it runs on.
        mddev: md's view of it.
    """

    def __init__(
        self, directory: ArrayDirectory, machine: Machine, mddev: Mddev, disks: list[ImageDisk]
    ) -> None:
        self.directory = directory
        self.machine = machine
        self.mddev = mddev
        self._disks = disks

    # -- getting one ----------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        spec: ArraySpec,
        images: Sequence[str | os.PathLike[str]] = (),
        *,
        image_bytes: int = 64 << 20,
        engines: Sequence[str] = (),
    ) -> Array:
        """Make an array.

        Args:
            path: the array directory; it must not hold an array yet.
            spec: what it is to be.
            images: existing images in the order of slots, ``MISSING`` where a member is to be
                absent, then spares. None: images of zeros are made in the directory, which are in
                sync as they are.
            image_bytes: size of the images that are made.
            engines: profiles of the machine's offload engines.

        Raises:
            RaidsimError: nothing was changed.
        """
        directory = ArrayDirectory.claim(path)
        directory.engines = list(engines)
        spec.check()
        machine = Machine(engines=engines)
        if images:
            names = [MISSING if str(i) == MISSING else str(Path(i).absolute()) for i in images]
            return cls._create_on(directory, spec, names, machine)
        names = []
        made: list[Path] = []
        try:
            for number in range(spec.raid_disks + spec.spare_disks):
                image = directory.path.absolute() / f"disk{number}.img"
                create_image(image, image_bytes)
                made.append(image)
                names.append(str(image))
            return cls._create_on(directory, spec, names, machine, in_sync=True)
        except BaseException:
            for image in made:
                image.unlink()
            raise

    @classmethod
    def _create_on(
        cls,
        directory: ArrayDirectory,
        spec: ArraySpec,
        names: list[str],
        machine: Machine,
        *,
        in_sync: bool = False,
    ) -> Array:
        present = [name for name in names if name != MISSING]
        if len({os.path.realpath(name) for name in present}) < len(present):
            raise UsageError("an image is listed twice")
        spec = replace(
            spec, in_sync=in_sync or spec.in_sync, name=spec.name or directory.path.absolute().name
        )
        disks = {name: disk for name, disk in zip(present, _open_all(present), strict=True)}
        try:
            for name, disk in disks.items():
                refuse_member(disk, name)
            superblocks = new_superblocks(
                spec, names, {name: disk.sectors for name, disk in disks.items()}
            )
            for name, sb in superblocks.items():
                write_metadata(disks[name], sb)
            directory.images = [Path(name) for name in present]
            directory.save()
            return cls._start(directory, machine, disks, analyse_members(superblocks), superblocks)
        except BaseException:
            _close_all(disks.values())
            raise

    @classmethod
    def assemble(
        cls,
        path: str | os.PathLike[str],
        images: Sequence[str | os.PathLike[str]],
        *,
        force: bool = False,
        readonly: bool = False,
        engines: Sequence[str] = (),
    ) -> Array:
        """Take existing members and run their array.

        Args:
            path: the array directory to make, or one that is to be assembled anew.
            images: the members.
            force: bring stale members back and run a dirty degraded array, as mdadm does.
            readonly: change nothing on the members.
            engines: profiles of the machine's offload engines.

        Raises:
            RaidsimError: nothing was changed. A stale member is named with both event counts.
        """
        directory = ArrayDirectory(Path(path))
        directory.images = [Path(image).absolute() for image in images]
        directory.engines = list(engines)
        directory.readonly = readonly
        array = cls._assemble(directory, force=force, strict=True)
        try:
            directory.save()
        except BaseException:
            array.abandon()
            raise
        return array

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], *, without: str | None = None, inspect: bool = False
    ) -> Array:
        """Run the array of a directory.

        Args:
            path: the array directory.
            without: an image to do without, when it is not there or cannot be read.
            inspect: only look at its state: read-only, whatever that state is, and even while
                another program runs the array.

        Raises:
            RaidsimError: it cannot be run; nothing was changed.
        """
        directory = ArrayDirectory.load(path)
        if without is not None:
            gone = find_disk(directory.images, without)
            directory.images = [image for image in directory.images if image != gone]
        directory.readonly |= inspect
        return cls._assemble(directory, inspect=inspect)

    @classmethod
    def _assemble(
        cls,
        directory: ArrayDirectory,
        *,
        force: bool = False,
        strict: bool = False,
        inspect: bool = False,
    ) -> Array:
        names = [str(image) for image in directory.images]
        if len({os.path.realpath(name) for name in names}) < len(names):
            raise UsageError("an image is listed twice")
        if not names:
            raise UsageError("no images given; name the members")
        machine = Machine(engines=directory.engines)
        opened = _open_all(names, readonly=directory.readonly, lock=not inspect)
        disks = dict(zip(names, opened, strict=True))
        try:
            superblocks = {name: load_member(disk, name) for name, disk in disks.items()}
            assembly = analyse_members(superblocks, force=force)
            if not inspect:
                _refuse_unfit(assembly, superblocks, force=force, strict=strict)
            if force and assembly.dirty_degraded:
                # mdadm's --force declares the parity right, for want of anything better.
                assembly.freshest.resync_offset = MAX_SECTOR
            return cls._start(directory, machine, disks, assembly, superblocks)
        except BaseException:
            _close_all(disks.values())
            raise

    @classmethod
    def _start(
        cls,
        directory: ArrayDirectory,
        machine: Machine,
        disks: dict[str, ImageDisk],
        assembly: Assembly,
        superblocks: dict[str, SuperblockV1],
    ) -> Array:
        rdevs = []
        for name, disk in disks.items():
            rdev = Rdev(disk, superblocks[name])
            if name in assembly.slots:
                rdev.take_slot(assembly.slots[name], assembly.recovery_offsets[name])
            rdev.faulty = name in assembly.faulty or name in assembly.stale
            rdevs.append(rdev)
        rdevs.sort(key=lambda rdev: -rdev.desc_nr)
        mddev = Mddev(
            machine,
            assembly.geometry,
            assembly.freshest,
            rdevs,
            readonly=directory.readonly,
        )
        return cls(directory, machine, mddev, list(disks.values()))

    # -- letting go -----------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def close(self) -> None:
        """Mark the array clean, and let its images go."""
        try:
            self.machine.sim.run()
            self.mddev.idle()
            self.machine.sim.run()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let the images go as they are, as a crash would: what was dirty stays so."""
        _close_all(self._disks)
        self.machine.raid6.forget()

    # -- bytes ----------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Size of the array in bytes."""
        return self.mddev.array_sectors << 9

    def read(self, offset: int, length: int) -> bytes:
        """``length`` bytes of the array from byte ``offset`` on.

        Raises:
            RaidsimError: beyond the end, or the data are lost.
        """
        buffer = np.empty(length, np.uint8)
        self.read_into(offset, buffer)
        return buffer.tobytes()

    def read_into(self, offset: int, buffer: NDArray[np.uint8]) -> None:
        """Fill ``buffer`` with the array's bytes from byte ``offset`` on.

        Raises:
            RaidsimError: beyond the end, or the data are lost.
        """
        self._check_range(offset, len(buffer))
        if not len(buffer):
            return
        first, last = offset & ~511, -(-(offset + len(buffer)) // 512) * 512
        if (first, last) == (offset, offset + len(buffer)):
            self._transfer(READ, offset, buffer)
            return
        whole = np.empty(last - first, np.uint8)
        self._transfer(READ, first, whole)
        buffer[:] = whole[offset - first : offset - first + len(buffer)]

    def write(self, offset: int, data: bytes | bytearray | memoryview | NDArray[np.uint8]) -> None:
        """Write ``data`` to the array at byte ``offset``.

        Sectors that are covered in part are read first.

        Raises:
            RaidsimError: beyond the end, the array is read-only or has failed, or a member's host
                file system is full.
        """
        source = data if isinstance(data, np.ndarray) else np.frombuffer(data, np.uint8)
        self._check_range(offset, len(source))
        self._check_writable()
        if not len(source):
            return
        end = offset + len(source)
        first, last = offset & ~511, -(-end // 512) * 512
        if (first, last) != (offset, end):
            whole = np.empty(last - first, np.uint8)
            self._transfer(READ, first, whole[:512])
            if last - first > 512:
                self._transfer(READ, last - 512, whole[-512:])
            whole[offset - first : end - first] = source
            source = whole
        self._transfer(WRITE, first, source)

    def flush(self) -> None:
        """Put everything written on stable storage."""
        self._run_bio(Bio(FLUSH, 0, np.empty(0, np.uint8)))

    def _transfer(self, operation: int, offset: int, buffer: NDArray[np.uint8]) -> None:
        """Read or write whole sectors, in bios that end at the array's row borders."""
        row_bytes = self.mddev.geometry.chunk_sectors * 512 * self.mddev.geometry.data_disks
        step = max(row_bytes, _BIO_BYTES // row_bytes * row_bytes)
        start, end = offset, offset + len(buffer)
        while start < end:
            stop = min(end, start - start % row_bytes + step)
            bio = Bio(operation, start >> 9, buffer[start - offset : stop - offset])
            self._run_bio(bio)
            if bio.status:
                self._explain_failure(operation, start, stop)
            start = stop

    def _run_bio(self, bio: Bio) -> None:
        self.mddev.submit_bio(bio)
        if not bio.done:
            self.machine.sim.run_until(lambda: bio.done, "a bio")

    def _check_range(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise UsageError(
                f"{length} bytes at {offset} lie beyond the end of the array, which has"
                f" {self.size} bytes"
            )

    def _check_writable(self) -> None:
        if self.mddev.readonly:
            raise ArrayStateError(
                f"{self.directory.path}: the array is read-only; assemble it without --readonly"
            )
        if self.mddev.broken:
            raise ArrayStateError(
                f"{self.directory.path}: the array has failed: too many members are gone"
            )

    def _explain_failure(self, operation: int, start: int, stop: int) -> None:
        verb = "read" if operation == READ else "written"
        raise ArrayStateError(
            f"{self.directory.path}: input/output error: bytes {start} to {stop} can not all be"
            f" {verb}; too many members are gone"
        )

    # -- members --------------------------------------------------------------------------------

    def fail(self, disk: str) -> None:
        """Fail a member, as ``mdadm --fail``.

        Raises:
            RaidsimError: there is no such disk, or it failed before.
        """
        rdev = self._rdev(disk)
        if rdev.faulty:
            raise ArrayStateError(f"{rdev.name}: has failed already")
        self._check_not_readonly()
        self.mddev.error(rdev)
        self.machine.sim.run()

    def remove(self, disk: str) -> None:
        """Let a failed or spare member go, as ``mdadm --remove``.

        Raises:
            RaidsimError: it is in use.
        """
        rdev = self._rdev(disk)
        if rdev.raid_disk >= 0 and not rdev.faulty:
            raise ArrayStateError(f"{rdev.name}: is in use; `raidsim fail` it first")
        self._check_not_readonly()
        self.mddev.remove(rdev)
        assert isinstance(rdev.disk, ImageDisk)
        path = rdev.disk.path
        rdev.disk.close()
        self._disks.remove(rdev.disk)
        self.directory.images = [image for image in self.directory.images if image != path]
        self.directory.save()

    def add(self, image: str | os.PathLike[str]) -> None:
        """Take a new member on as a spare, as ``mdadm --add``; ``rebuild`` puts it to use.

        An image that does not exist is made, as large as the array's first.

        Raises:
            RaidsimError: it is too small, or part of this or another array.
        """
        self._check_writable()
        path = Path(image).absolute()
        made = not path.exists()
        if made:
            create_image(path, self._disks[0].sectors << 9 if self._disks else 0)
        try:
            disk = ImageDisk(path)
            try:
                sb = joining_superblock(disk, self.mddev)
                write_metadata(disk, sb)
                self._disks.append(disk)
            except BaseException:
                disk.close()
                raise
        except BaseException:
            if made:
                path.unlink()
            raise
        self.directory.images.append(path)
        self.directory.save()
        self.mddev.add_spare(Rdev(disk, sb))
        self.machine.sim.run()

    def _rdev(self, disk: str) -> Rdev:
        by_slot = {str(r.raid_disk): r for r in self.mddev.rdevs if r.raid_disk >= 0}
        if disk in by_slot:
            return by_slot[disk]
        path = find_disk(self.directory.images, disk)
        for rdev in self.mddev.rdevs:
            if isinstance(rdev.disk, ImageDisk) and rdev.disk.path == path:
                return rdev
        raise UsageError(f"{disk}: is not a member of the array")

    def _check_not_readonly(self) -> None:
        if self.mddev.readonly:
            raise ArrayStateError(
                f"{self.directory.path}: the array is read-only; assemble it without --readonly"
            )

    # -- sync -----------------------------------------------------------------------------------

    def rebuild(self, progress: Progress | None = None) -> list[SyncReport]:
        """Run pending recovery and resync to the end, in md's order.

        Args:
            progress: called with the action, sectors done and sectors in all.

        Returns:
            What was run; empty when nothing was pending.
        """
        self._check_writable()
        reports = []
        mddev = self.mddev
        while not mddev.broken:
            if mddev.activate_spares() or any(
                rdev.raid_disk >= 0 and not rdev.in_sync and not rdev.faulty for rdev in mddev.rdevs
            ):
                action = "recover"
            elif mddev.recovery_cp < mddev.dev_sectors:
                action = "resync"
            else:
                break
            report = self._sync(action, progress)
            reports.append(report)
            if report.interrupted and mddev.broken:
                break
        return reports

    def check(self, progress: Progress | None = None) -> SyncReport:
        """Compare parity with data everywhere; nothing is changed."""
        self._check_not_readonly()
        return self._sync("check", progress)

    def repair(self, progress: Progress | None = None) -> SyncReport:
        """Make parity right everywhere; data are taken as they are."""
        self._check_writable()
        return self._sync("repair", progress)

    def _sync(self, action: str, progress: Progress | None) -> SyncReport:
        thread = SyncThread(self.mddev, action)
        thread.start()
        sim = self.machine.sim
        if progress is None:
            sim.run_until(lambda: thread.finished, action)
        else:
            shown = -1
            while not thread.finished:
                target = thread.sectors_done + max(1, thread.end_sector // 200)
                sim.run_until(lambda: thread.finished or thread.sectors_done >= target, action)  # noqa: B023  used at once
                if thread.sectors_done != shown:
                    shown = thread.sectors_done
                    progress(action, shown, thread.end_sector)
        sim.run()
        return SyncReport(action, self.mddev.resync_mismatches, thread.interrupted)


def _refuse_unfit(
    assembly: Assembly, superblocks: dict[str, SuperblockV1], *, force: bool, strict: bool
) -> None:
    """Refuse what md, or mdadm for it, would not run; an array already known may have failed."""
    freshest = assembly.freshest
    if strict and not force:
        for name in (*assembly.stale, *assembly.faulty):
            raise AssemblyError(
                f"{name}: is stale: it has seen {superblocks[name].events} events, the array"
                f" {freshest.events}; leave it out, or bring it back with --force"
            )
    if strict and assembly.missing > assembly.geometry.max_degraded:
        present = len(assembly.slots)
        raise AssemblyError(
            f"{present} members are not enough to start the array: it has"
            f" {assembly.geometry.raid_disks} and can bear to lose {assembly.geometry.max_degraded}"
        )
    if assembly.dirty_degraded and not force and assembly.missing <= assembly.geometry.max_degraded:
        raise AssemblyError(
            "cannot start a dirty degraded array: its parity may be wrong where a write was cut"
            " short; `raidsim assemble --force` takes it as it is"
        )


def _open_all(
    names: Iterable[str], *, readonly: bool = False, lock: bool = True
) -> list[ImageDisk]:
    disks: list[ImageDisk] = []
    try:
        disks.extend(ImageDisk(name, readonly=readonly, lock=lock) for name in names)
    except ImageError:
        _close_all(disks)
        raise
    return disks


def _close_all(disks: Iterable[ImageDisk]) -> None:
    for disk in disks:
        disk.close()
