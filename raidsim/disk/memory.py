"""A disk kept in memory, for simulations whose images nobody wants to keep."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from raidsim.disk.request import FLUSH, READ

if TYPE_CHECKING:
    from raidsim.disk.request import DiskRequest


class MemoryDisk:
    """Bytes in memory as a disk of whole sectors; everything is done at once, and stays.

    Args:
        name: The name that messages use.
        sectors: Size in sectors of 512 bytes.

    Attributes:
        image: What the disk holds, zeros at first.
    """

    __slots__ = ("image", "name", "sectors")

    def __init__(self, name: str, sectors: int) -> None:
        import numpy as np  # noqa: PLC0415  images do without: who only looks at them loads faster

        self.name = name
        self.sectors = sectors
        self.image = np.zeros(sectors << 9, np.uint8)

    def submit(self, request: DiskRequest) -> None:
        """Carry out ``request`` now."""
        request.status = 0
        if request.operation != FLUSH:
            buffer = request.buffer
            assert buffer is not None
            start = request.sector << 9
            window = self.image[start : start + len(buffer)]
            if len(window) < len(buffer):
                request.status = errno.EIO
            elif request.operation == READ:
                buffer[:] = window
            else:
                window[:] = buffer
        request.end_io(request)

    def close(self) -> None:
        """Do nothing: what it holds goes with it."""
