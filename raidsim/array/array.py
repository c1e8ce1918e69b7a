"""One array, opened.

Everything here runs its machine until it is done, so a caller sees plain calls that return, or
raise. Between two of them nothing runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from raidsim.array.manage import add_member, fail_member, remove_member
from raidsim.array.opening import assemble_array, create_array, open_array
from raidsim.array.syncing import (
    SyncReport,
    require_two_right_parities,
    run_pending,
    run_requested,
)
from raidsim.errors import UsageError
from raidsim.md.bio import FLUSH, READ, WRITE, Bio
from raidsim.md.mddev import ArrayStateError
from raidsim.md.raid5.mismatch import MismatchLog

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from raidsim.array.creation import ArraySpec
    from raidsim.array.opening import RunningArray
    from raidsim.array.syncing import Progress

# One bio covers about this much of the array, in whole rows: enough for tall stripe heads, little
# enough that its data are still in the CPU's cache when they are written.
_BIO_BYTES = 1 << 20


class Array:
    """A running array, and the directory that remembers it.

    Use ``create``, ``assemble`` or ``open`` to get one, and a ``with`` statement to stop it.

    Attributes:
        directory: the array directory.
        machine: what it runs on.
        mddev: md's view of it.
        images: each member's image.
    """

    def __init__(self, running: RunningArray) -> None:
        self.directory = running.directory
        self.machine = running.machine
        self.mddev = running.mddev
        self.images = running.images

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

        Raises:
            RaidsimError: nothing was changed.
        """
        return cls(create_array(path, spec, images, image_bytes=image_bytes, engines=engines))

    @classmethod
    def assemble(
        cls,
        path: str | os.PathLike[str],
        images: Sequence[str | os.PathLike[str]],
        *,
        force: bool = False,
        readonly: bool = False,
        engines: Sequence[str] = (),
    ) -> Self:
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
        return cls(assemble_array(path, images, force=force, readonly=readonly, engines=engines))

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, inspect: bool = False) -> Self:
        """Run the array of a directory.

        Args:
            path: the array directory.
            inspect: only look at its state: read-only, whatever that state is, and even while
                another program runs the array.

        Raises:
            RaidsimError: it cannot be run; nothing was changed.
        """
        return cls(open_array(path, inspect=inspect))

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
            LeakedDescriptorError: Descriptors that have completed were never acknowledged.
            SanitizerError: The machine's sanitizer has reports.
        """
        try:
            self.machine.sim.run()
            self.mddev.stop_writes()
            self.machine.sim.run()
            self.machine.stop()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let the images go as they are, as a crash would: what was dirty stays so."""
        for image in self.images.values():
            image.close()
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
        self._check_range(offset, length)
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
        self.check_writable()
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
        fail_member(self, disk)

    def remove(self, disk: str) -> None:
        """Let a failed or spare member go, as ``mdadm --remove``.

        Raises:
            RaidsimError: it is in use.
        """
        remove_member(self, disk)

    def add(self, image: str | os.PathLike[str]) -> None:
        """Take a new member on as a spare, as ``mdadm --add``; ``rebuild`` puts it to use.

        An image that does not exist is made, as large as the array's first.

        Raises:
            RaidsimError: it is too small, or part of this or another array.
        """
        add_member(self, image)

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
        if self.mddev.sync_control.frozen:
            path = self.directory.path
            raise ArrayStateError(
                f"{path}: sync_action is frozen; `raidsim set {path} sync_action idle` lets the"
                " array rebuild"
            )
        return run_pending(self.mddev, progress)

    def check(self, progress: Progress | None = None) -> SyncReport:
        """Compare parity with data; nothing is changed.

        It goes from ``sync_min`` to ``sync_max``, which is everywhere unless they were set.

        Returns:
            What differs, with the member that is wrong where two parities tell.

        Raises:
            ArrayStateError: the array is read-only, or a member has to be rebuilt first.
        """
        self.check_not_readonly()
        return run_requested(self.mddev, "check", progress, MismatchLog())

    def repair(self, progress: Progress | None = None, *, locate: bool = False) -> SyncReport:
        """Make parity right; data are taken as they are.

        It goes from ``sync_min`` to ``sync_max``, which is everywhere unless they were set.

        Args:
            progress: called with the action, sectors done and sectors in all.
            locate: instead, rewrite what is wrong, data or parity, in each unit of 4 KiB where P
                and Q agree on one member, and leave the others as they are.

        Raises:
            UsageError: ``locate``, and the level has no Q.
            ArrayStateError: the array is read-only or has failed, or a member has to be rebuilt
                first; or ``locate``, and parity is not to be relied on.
        """
        self.check_writable()
        if locate:
            require_two_right_parities(self.mddev)
        return run_requested(self.mddev, "repair", progress, MismatchLog() if locate else None)

    def interrupt(self) -> bool:
        """End the sync under way where it is; tell if there is one.

        It goes on there when it is next begun. A progress callback or a signal handler may call
        this.
        """
        thread = self.mddev.sync_thread
        if thread is not None:
            thread.stop()
        return thread is not None
