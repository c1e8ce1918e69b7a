"""What a served array runs on: the clock on the wall, and drives that take their time if asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.array.hardware import Hardware
from raidsim.disk.models import load_disk_profile, model_disk
from raidsim.machine import Machine

if TYPE_CHECKING:
    from raidsim.array.directory import ArrayDirectory
    from raidsim.disk import Disk, ImageDisk


class ServedHardware(Hardware):
    """A machine whose clock follows the one on the wall.

    Args:
        directory: the array's directory, which names the engines.
        realtime: engines and disks take the time that their models say.
        disk_model: name or path of the drive that every member is, None for one as fast as its
            image.

    Raises:
        UsageError: there is no such drive.
    """

    def __init__(
        self, directory: ArrayDirectory, *, realtime: bool = False, disk_model: str | None = None
    ) -> None:
        super().__init__(Machine(engines=directory.engines, timed=realtime, timers=True))
        self._profile = None if disk_model is None else load_disk_profile(disk_model)

    def disk(self, image: ImageDisk) -> Disk:
        """What md is given of a member: its image, as slow as the drive it is."""
        disk = super().disk(image)
        return disk if self._profile is None else model_disk(self.machine, disk, self._profile)
