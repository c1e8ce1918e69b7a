"""What an array runs on: a machine, disks made of images, dates and UUIDs."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from raidsim.disk.sanitized import SanitizedDisk

if TYPE_CHECKING:
    from raidsim.disk import Disk, ImageDisk
    from raidsim.machine import Machine

# When every simulated machine's clock began, in seconds since 1970, and what each is called.
_EPOCH = 1_600_000_000
_NODE_NAME = "raidsim"


class Hardware:
    """The host's own: images are disks as they are, dates and UUIDs are the host's.

    Args:
        machine: what the array and its disks are part of.

    Attributes:
        machine: the same.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    @property
    def node_name(self) -> str:
        """The host's name, which new arrays carry before their own."""
        return os.uname().nodename

    def disk(self, image: ImageDisk) -> Disk:
        """What md is given of a member: its image, under the sanitizer's eyes if there is one."""
        if self.machine.sanitizer is None:
            return image
        return SanitizedDisk(image, self.machine.sanitizer)

    def now(self) -> float:
        """Seconds since 1970, for the superblocks' dates."""
        return time.time()

    def unique(self, size: int) -> bytes:
        """So many bytes that nobody else has."""
        return os.urandom(size)


class SimulatedHardware(Hardware):
    """One whose dates and UUIDs follow from the machine's clock and seed, and so repeat."""

    @property
    def node_name(self) -> str:
        """The host's name, which new arrays carry before their own."""
        return _NODE_NAME

    def now(self) -> float:
        """Seconds since 1970, by the machine's clock."""
        return _EPOCH + self.machine.sim.now_ns / 1e9

    def unique(self, size: int) -> bytes:
        """So many bytes from the machine's stream ``unique``."""
        return self.machine.sim.random("unique").randbytes(size)
