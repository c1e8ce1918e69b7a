"""One array, opened.

Everything here runs its machine until it is done, so a caller sees plain calls that return, or
raise. Between two of them nothing runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from raidsim.array import manage, syncing
from raidsim.array.attributes import get_attribute, set_attribute
from raidsim.array.live import come_to_rest, go_live, settle
from raidsim.array.opening import assemble_array, create_array, open_array
from raidsim.array.settings import Settings
from raidsim.array.snapshot import take_snapshot
from raidsim.array.transfer import check_range, read_into, run_bio, write
from raidsim.md import attributes
from raidsim.md.bio import FLUSH, Bio
from raidsim.md.mddev import ArrayStateError
from raidsim.md.raid5.mismatch import MismatchLog

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from raidsim.array.creation import ArraySpec
    from raidsim.array.hardware import Hardware
    from raidsim.array.opening import RunningArray
    from raidsim.array.snapshot import ArraySnapshot
    from raidsim.array.syncing import Progress, SyncReport

    StrPath = str | os.PathLike[str]


class Array:
    """A running array, and the directory that remembers it.

    Use ``create``, ``assemble`` or ``open`` to get one, and a ``with`` statement to stop it.

    Attributes:
        directory: the array directory.
        hardware: what it runs on.
        machine: the machine of it.
        mddev: md's view of it.
        images: each member's image.
        settings: what was set on it, and is kept.
        risks: what may be wrong with it where ``force`` had to bring it together, line by line.
    """

    def __init__(self, running: RunningArray) -> None:
        self.directory = running.directory
        self.hardware = running.hardware
        self.machine = running.hardware.machine
        self.mddev = running.mddev
        self.images = running.images
        self.risks = running.risks
        try:
            self.settings = Settings(self.directory, self.mddev)
        except BaseException:
            self.abandon()
            raise

    # -- getting one ----------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        path: StrPath,
        spec: ArraySpec,
        images: Sequence[StrPath] = (),
        *,
        image_bytes: int = 64 << 20,
        engines: Sequence[str] = (),
        hardware: Hardware | None = None,
    ) -> Self:
        """Make an array.

        Args:
            path: the array directory; it must not hold an array yet.
            spec: what it is to be.
            images: existing images in the order of slots, ``MISSING`` where a member is to be
                absent, then spares. None: images of zeros are made in the directory, which are in
                sync as they are.
            image_bytes: size of the images that are made.
            engines: profiles of the machine's offload engines.
            hardware: what it runs on; by default an untimed machine with these engines.

        Raises:
            RaidsimError: nothing was made; given images may have been written to.
        """
        return cls(create_array(path, spec, images, image_bytes, engines, hardware))

    @classmethod
    def assemble(
        cls,
        path: StrPath,
        images: Sequence[StrPath],
        *,
        force: bool = False,
        readonly: bool = False,
        engines: Sequence[str] = (),
        hardware: Hardware | None = None,
    ) -> Self:
        """Take existing members and run their array.

        Args:
            path: the array directory to make, or one that is to be assembled anew.
            images: the members.
            force: bring stale members back and run a dirty degraded array, as mdadm does.
            readonly: change nothing on the members.
            engines: profiles of the machine's offload engines.
            hardware: what it runs on; by default an untimed machine with these engines.

        Raises:
            RaidsimError: nothing was changed. A stale member is named with both event counts.
        """
        return cls(assemble_array(path, images, engines, hardware, force=force, readonly=readonly))

    @classmethod
    def open(
        cls, path: StrPath, *, inspect: bool = False, hardware: Hardware | None = None
    ) -> Self:
        """Run the array of a directory.

        Args:
            path: the array directory.
            inspect: only look at its state: read-only, whatever that state is, and even while
                another program runs the array.
            hardware: what it runs on; by default an untimed machine with its engines.

        Raises:
            RaidsimError: it cannot be run; nothing was changed.
        """
        return cls(open_array(path, hardware, inspect=inspect))

    # -- running by itself ----------------------------------------------------------------------

    @property
    def live(self) -> bool:
        """Whether it runs by itself."""
        return self.mddev.begin_sync is not None

    def go_live(self) -> None:
        """Run by itself from now on, as in a kernel; whoever calls this runs the simulation.

        What is pending begins; a call that changes something returns once that is written down.
        """
        go_live(self.mddev)

    def settle(self) -> None:
        """Let what was begun take effect: come to rest, or be written down if it is live."""
        settle(self.mddev)

    # -- letting go -----------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def close(self) -> None:
        """Stop the array, marked clean, and its machine, and let the images go.

        Raises:
            RaidsimError: descriptors leaked, or the sanitizer has reports; see ``Machine.stop``.
        """
        try:
            come_to_rest(self.mddev)
            self.settings.save()
            self.mddev.stop_writes()
            self.machine.sim.run()
            manage.remember_wishes(self)
            self.machine.stop()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let the images go as they are, as a crash would: what was dirty stays so."""
        for image in self.images.values():
            image.close()
        self.machine.raid6.forget()

    def snapshot(self) -> ArraySnapshot:
        """What it looks like now."""
        return take_snapshot(self)

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
        check_range(self.size, offset, length)
        buffer = np.empty(length, np.uint8)
        self.read_into(offset, buffer)
        return buffer.tobytes()

    def read_into(self, offset: int, buffer: NDArray[np.uint8]) -> None:
        """Fill ``buffer`` with the array's bytes from byte ``offset`` on; raises as ``read``."""
        read_into(self, offset, buffer)

    def write(self, offset: int, data: bytes | bytearray | memoryview | NDArray[np.uint8]) -> None:
        """Write ``data`` to the array at byte ``offset``.

        Sectors that are covered in part are read first.

        Raises:
            RaidsimError: beyond the end or suspended, the array is read-only or has failed, or a
                member's host file system is full.
        """
        write(self, offset, data if isinstance(data, np.ndarray) else np.frombuffer(data, np.uint8))

    def flush(self) -> None:
        """Put everything written on stable storage."""
        run_bio(self, Bio(FLUSH, 0, np.empty(0, np.uint8)))

    def check_not_readonly(self) -> None:
        """Refuse what changes a member of a read-only array.

        Raises:
            ArrayStateError: it is read-only.
        """
        if self.mddev.readonly:
            raise ArrayStateError(
                f"{self.directory.path}: the array is read-only; assemble it without --readonly"
            )

    def check_writable(self) -> None:
        """Refuse what changes the contents of an array that is read-only or has failed.

        Raises:
            ArrayStateError: it is.
        """
        self.check_not_readonly()
        if self.mddev.broken:
            raise ArrayStateError(
                f"{self.directory.path}: the array has failed: too many members are gone"
            )

    # -- members --------------------------------------------------------------------------------

    def fail(self, disk: str) -> None:
        """Fail a member, as ``mdadm --fail``.

        Raises:
            RaidsimError: there is no such disk, or it failed before.
        """
        manage.fail_member(self, disk)

    def remove(self, disk: str) -> None:
        """Let a failed or spare member go, as ``mdadm --remove``.

        Raises:
            RaidsimError: it is in use.
        """
        manage.remove_member(self, disk)

    def add(self, image: StrPath) -> bool:
        """Take a new member on as a spare, as ``mdadm --add``; ``rebuild`` puts it to use.

        An image that does not exist is made, as large as the array's first. A former member is
        re-added if it can be; tell if it was.

        Raises:
            RaidsimError: it is too small, or part of this or another array.
        """
        return manage.add_member(self, image)

    def replace(self, disks: Sequence[str], replacements: Sequence[str] = ()) -> list[str]:
        """Have members replaced while they still work, as ``mdadm --replace --with``.

        ``rebuild`` fills each spare from the member it replaces, which then counts as failed.

        Args:
            disks: the members to be replaced.
            replacements: spares, the first for the first member; any do where none is named.

        Returns:
            The ``disks`` that wait for a spare.

        Raises:
            RaidsimError: a member is not active or a replacement not a spare; nothing was changed.
        """
        return manage.replace_members(self, disks, replacements)

    def re_add(self, disk: StrPath) -> None:
        """Take a former member back in its old slot, as ``mdadm --re-add``; see ``rebuild``.

        Raises:
            RaidsimError: it is none, or has missed what no bitmap tells any more.
        """
        manage.re_add_member(self, disk)

    # -- sync -----------------------------------------------------------------------------------

    def rebuild(self, progress: Progress | None = None) -> list[SyncReport]:
        """Run pending recovery and resync to the end, in md's order.

        Args:
            progress: called with the action, sectors done and sectors in all.

        Returns:
            What was run; empty when nothing was pending.

        Raises:
            ArrayStateError: syncs are frozen, or the array is read-only or has failed.
        """
        self.check_writable()
        syncing.refuse_frozen(self)
        reports = syncing.run_pending(self.mddev, progress)
        self.settings.save()
        return reports

    def check(self, progress: Progress | None = None) -> SyncReport:
        """Compare parity with data from ``sync_min`` to ``sync_max``; nothing is changed.

        Returns:
            What differs, with the member that is wrong where two parities tell.

        Raises:
            ArrayStateError: the array is read-only, or a member has to be rebuilt first.
        """
        self.check_not_readonly()
        report = syncing.run_requested(self.mddev, "check", progress, MismatchLog())
        self.settings.save()
        return report

    def repair(self, progress: Progress | None = None, *, locate: bool = False) -> SyncReport:
        """Make parity right from ``sync_min`` to ``sync_max``; data are taken as they are.

        Args:
            progress: called with the action, sectors done and sectors in all.
            locate: instead, rewrite what is wrong, data or parity, in each unit of 4 KiB where P
                and Q agree on one member, and leave the others as they are.

        Raises:
            UsageError: ``locate``, and the level has no Q.
            ArrayStateError: it has failed or is read-only, or a member has to be rebuilt first;
                or ``locate``, and parity is not to be relied on.
        """
        self.check_writable()
        if locate:
            syncing.require_two_right_parities(self.mddev)
        mismatches = MismatchLog() if locate else None
        report = syncing.run_requested(self.mddev, "repair", progress, mismatches)
        self.settings.save()
        return report

    def interrupt(self) -> bool:
        """End the sync under way where it is, to be gone on with later; tell if there is one.

        A progress callback or a signal handler may call this.
        """
        thread = self.mddev.sync_thread
        if thread is not None:
            thread.stop()
        return thread is not None

    # -- attributes -----------------------------------------------------------------------------

    def attributes(self) -> list[str]:
        """The names of its attributes: md's, in alphabetical order."""
        return attributes.names(self.mddev)

    def get(self, name: str) -> str:
        """An attribute's value, as the kernel prints it.

        Raises:
            RaidsimError: md has no such attribute, or it means nothing here.
        """
        return get_attribute(self, name)

    def set(self, name: str, value: str, progress: Progress | None = None) -> list[SyncReport]:
        """Write an attribute; what was written is kept with the array.

        Returns:
            What was run, when ``sync_action`` was written; ``progress`` is as for ``rebuild``.

        Raises:
            RaidsimError: there is no such attribute, or it does not take that value, or not now.
        """
        reports = set_attribute(self, name, value, progress)
        self.settings.save()
        return reports
