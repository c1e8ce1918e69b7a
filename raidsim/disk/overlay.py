"""A disk in front of another that is never written: what is written stays in memory."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from raidsim.disk.request import READ, WRITE
from raidsim.disk.wrapper import DiskWrapper

if TYPE_CHECKING:
    from raidsim.disk.request import Disk, DiskRequest


class OverlayDisk(DiskWrapper):
    """Reads what was written to it, and what the disk below holds elsewhere.

    Args:
        disk: The disk below, which carries everything out at once.
    """

    __slots__ = ("_written",)

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk)
        self._written: dict[int, bytes] = {}

    def submit(self, request: DiskRequest) -> None:
        """Carry out ``request`` now."""
        if request.operation == READ:
            self._read(request)
            return
        request.status = self._write(request) if request.operation == WRITE else 0
        request.end_io(request)

    def _write(self, request: DiskRequest) -> int:
        buffer = request.buffer
        assert buffer is not None
        sectors = len(buffer) >> 9
        if request.sector + sectors > self.sectors:
            return errno.EIO
        for index in range(sectors):
            sector = buffer[index << 9 : (index + 1) << 9]
            self._written[request.sector + index] = sector.tobytes()
        return 0

    def _read(self, request: DiskRequest) -> None:
        owners_end_io = request.end_io

        def end_io(request: DiskRequest) -> None:
            request.end_io = owners_end_io
            buffer = request.buffer
            assert buffer is not None
            view = memoryview(buffer)
            for index in range(len(buffer) >> 9):
                written = self._written.get(request.sector + index)
                if written is not None:
                    view[index << 9 : (index + 1) << 9] = written
            owners_end_io(request)

        request.end_io = end_io
        self.disk.submit(request)
