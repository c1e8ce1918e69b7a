"""A member kept in an image file, read and written in place with ``preadv`` and ``pwritev``."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from raidsim.disk.request import READ, WRITE
from raidsim.errors import RaidsimError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from raidsim.disk.request import DiskRequest

# What the host may say while the medium it emulates is healthy: such a failure is the host's, so it
# stops the program instead of failing the member.
_HOST_IS_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class ImageError(RaidsimError):
    """An image file cannot be used as it is."""


class ImageMissingError(ImageError):
    """There is no such file."""


class ImageFullError(ImageError):
    """The host has no room for what is to be written into an image."""


class ImageDisk:
    """An image file as a disk of whole sectors.

    The file is held by an open-file-description lock, which a second raidsim, qemu and
    user-mode-linux all respect, so that two writers never share a member.

    Args:
        path: the image; it must exist.
        readonly: open for reading only, under a shared lock.
        lock: take the lock; a mere look at a superblock needs none.

    Raises:
        ImageError: the file is missing, not a regular file or block device, not accessible, or
            in use elsewhere.
    """

    __slots__ = ("_fd", "path", "readonly", "sectors")

    def __init__(
        self, path: str | os.PathLike[str], *, readonly: bool = False, lock: bool = True
    ) -> None:
        self.path = Path(path)
        self.readonly = readonly
        flags = (os.O_RDONLY if readonly else os.O_RDWR) | os.O_CLOEXEC
        try:
            self._fd = os.open(self.path, flags)
        except OSError as error:
            raise _explain_open(self.path, error, readonly=readonly) from error
        try:
            if lock:
                self._lock()
            self.sectors = os.lseek(self._fd, 0, os.SEEK_END) >> 9
        except OSError as error:
            os.close(self._fd)
            raise ImageError(f"{self.path}: not usable as an image: {error.strerror}") from error
        except ImageError:
            os.close(self._fd)
            raise

    @property
    def name(self) -> str:
        """The image's file name."""
        return self.path.name

    def _lock(self) -> None:
        kind = fcntl.F_RDLCK if self.readonly else fcntl.F_WRLCK
        whole_file = struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 0, 0)
        try:
            fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, whole_file)
        except OSError as error:
            if error.errno in {errno.EAGAIN, errno.EACCES}:
                raise ImageError(
                    f"{self.path}: in use by another program; stop that one first"
                ) from error
            raise

    def submit(self, request: DiskRequest) -> None:
        """Carry out ``request`` now.

        Raises:
            ImageFullError: the host has no room for the write. Nothing is known to be wrong with
                the member, so it is not failed; its array stays marked dirty.
        """
        operation = request.operation
        try:
            if operation == READ:
                buffer = request.buffer
                assert buffer is not None
                done = os.preadv(self._fd, (buffer,), request.sector << 9)
                request.status = 0 if done == len(buffer) else self._read_rest(request, done)
            elif operation == WRITE:
                self._write(request)
            elif self._fd < 0:
                # The member was removed with this under way; what it is asked else ends likewise.
                request.status = errno.EBADF
            else:
                os.fdatasync(self._fd)
                request.status = 0
        except OSError as error:
            if error.errno in _HOST_IS_FULL:
                raise ImageFullError(
                    f"{self.path}: {error.strerror}; make room, then assemble the array again"
                ) from error
            request.status = error.errno or errno.EIO
        request.end_io(request)

    def _write(self, request: DiskRequest) -> None:
        buffer = request.buffer
        assert buffer is not None
        position = request.sector << 9
        if position + len(buffer) > self.sectors << 9:
            request.status = errno.EIO  # a disk does not grow under a write, as a file would
            return
        if not buffer[0] and self._leaves_hole(buffer, position):
            request.status = 0
            return
        flags = os.RWF_DSYNC if request.fua else 0
        done = os.pwritev(self._fd, (buffer,), position, flags)
        while done < len(buffer):
            done += os.pwritev(self._fd, (buffer[done:],), position + done, flags)
        request.status = 0

    def _leaves_hole(self, buffer: NDArray[np.uint8], position: int) -> bool:
        """Whether zeros are to be written where the file has a hole: it reads as zeros as it is.

        So an array that was hardly written to is rebuilt onto a sparse image that stays sparse.
        """
        if buffer.any():
            return False
        try:
            return os.lseek(self._fd, position, os.SEEK_DATA) >= position + len(buffer)
        except OSError as error:
            return error.errno == errno.ENXIO  # no data from there to the end

    def _read_rest(self, request: DiskRequest, done: int) -> int:
        """Finish a read that the host cut short; past the end of the file it is an error."""
        buffer = request.buffer
        assert buffer is not None
        while done < len(buffer):
            more = os.preadv(self._fd, (buffer[done:],), (request.sector << 9) + done)
            if more == 0:
                return errno.EIO
            done += more
        return 0

    def read(self, sector: int, length: int) -> bytes:
        """``length`` bytes from ``sector`` on, fewer at the end of the image.

        Raises:
            ImageError: the host cannot read them.
        """
        try:
            return os.pread(self._fd, length, sector << 9)
        except OSError as error:
            raise ImageError(f"{self.path}: cannot be read: {error.strerror}") from error

    def extent(self, sector: int) -> tuple[bool, int]:
        """Whether the file has data at ``sector``, and up to which sector that is so."""
        position = sector << 9
        try:
            data = os.lseek(self._fd, position, os.SEEK_DATA)
            if data >> 9 > sector:
                return False, data >> 9
            return True, -(-os.lseek(self._fd, position, os.SEEK_HOLE) // 512)
        except OSError as error:
            # No data from there to the end; or a file system that does not know.
            return error.errno != errno.ENXIO, self.sectors

    def close(self) -> None:
        """Close the file, which lets go of its lock."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _explain_open(path: Path, error: OSError, *, readonly: bool) -> ImageError:
    if error.errno == errno.ENOENT:
        return ImageMissingError(f"{path}: no such image")
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        if readonly:
            return ImageError(f"{path}: no permission to read; change its mode")
        return ImageError(
            f"{path}: no permission to write; change its mode, or assemble with --readonly"
        )
    return ImageError(f"{path}: cannot be opened: {error.strerror}")
