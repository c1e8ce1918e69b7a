"""A disk that passes everything on to another: what models and faults begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raidsim.disk.request import Disk, DiskRequest


class DiskWrapper:
    """The disk below under the same name, size and interface.

    Attributes:
        disk: The disk below.
    """

    __slots__ = ("disk",)

    def __init__(self, disk: Disk) -> None:
        self.disk = disk

    @property
    def name(self) -> str:
        """The disk's name."""
        return self.disk.name

    @property
    def sectors(self) -> int:
        """The disk's size in sectors of 512 bytes."""
        return self.disk.sectors

    def submit(self, request: DiskRequest) -> None:
        """Pass ``request`` on."""
        self.disk.submit(request)

    def close(self) -> None:
        """Close the disk below."""
        self.disk.close()
