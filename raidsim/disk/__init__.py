"""Members: image files behind one small interface (the block layer's side of a disk).

Models of service time and faults wrap them and offer the same: ``models`` and ``faults``.
"""

from raidsim.disk.image import ImageDisk, ImageError, ImageFullError, ImageMissingError
from raidsim.disk.memory import MemoryDisk
from raidsim.disk.request import FLUSH, OPERATION_NAMES, READ, WRITE, Disk, DiskRequest

__all__ = [
    "FLUSH",
    "OPERATION_NAMES",
    "READ",
    "WRITE",
    "Disk",
    "DiskRequest",
    "ImageDisk",
    "ImageError",
    "ImageFullError",
    "ImageMissingError",
    "MemoryDisk",
]
