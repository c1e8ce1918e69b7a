"""A disk before which the sanitizer stands: each access is an operation in flight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.disk.request import FLUSH, READ
from raidsim.disk.wrapper import DiskWrapper
from raidsim.sim.sanitizer import Operation

if TYPE_CHECKING:
    from raidsim.disk.request import Disk, DiskRequest
    from raidsim.sim.sanitizer import Sanitizer


class SanitizedDisk(DiskWrapper):
    """A disk whose reads write to memory, and whose writes read it, under the sanitizer's eyes.

    Args:
        disk: the disk that does it.
        sanitizer: the machine's.
    """

    __slots__ = ("_sanitizer",)

    def __init__(self, disk: Disk, sanitizer: Sanitizer) -> None:
        super().__init__(disk)
        self._sanitizer = sanitizer

    def submit(self, request: DiskRequest) -> None:
        """Pass ``request`` on; its buffer is the disk's until ``end_io`` is called."""
        buffer = request.buffer
        if request.operation == FLUSH or buffer is None:
            self.disk.submit(request)
            return
        extents = [(buffer, 0, buffer.size)]
        if request.operation == READ:
            operation = Operation(f"read of {self.name}", (), extents, "its end_io()")
        else:
            operation = Operation(f"write to {self.name}", extents, (), "its end_io()")
        self._sanitizer.begin(operation)
        owners_end_io = request.end_io

        def end_io(request: DiskRequest) -> None:
            self._sanitizer.known_complete(operation)
            request.end_io = owners_end_io
            owners_end_io(request)

        request.end_io = end_io
        self.disk.submit(request)
