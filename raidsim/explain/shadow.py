"""A shadow of an array: it does what the array would do, and nothing of it stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.array import Array
from raidsim.array.directory import ArrayDirectory
from raidsim.array.force import dirty_degraded_error
from raidsim.array.hardware import Hardware
from raidsim.array.snapshot import take_snapshot
from raidsim.disk.observed import ObservedDisk
from raidsim.disk.overlay import OverlayDisk
from raidsim.machine import Machine

if TYPE_CHECKING:
    import os

    from raidsim.disk import Disk, ImageDisk


class ShadowDisk(OverlayDisk):
    """An image that is only read, under a name that no other disk of the array has."""

    __slots__ = ("_name",)

    def __init__(self, disk: Disk, name: str) -> None:
        super().__init__(disk)
        self._name = name

    @property
    def name(self) -> str:
        """The name that messages and events use."""
        return self._name


class ShadowHardware(Hardware):
    """Images are only read; what is written to them stays in memory. All disks are observed."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self._names: set[str] = set()

    def disk(self, image: ImageDisk) -> Disk:
        """What md is given of a member."""
        name = str(image.path) if image.name in self._names else image.name
        self._names.add(name)
        return ObservedDisk(self.machine, ShadowDisk(super().disk(image), name))


def open_shadow(path: str | os.PathLike[str]) -> Array:
    """Run the array of a directory without changing it, even while another program runs it.

    Whoever is done with it calls its ``abandon``.

    Raises:
        RaidsimError: it cannot be run.
    """
    directory = ArrayDirectory.load(path)
    machine = Machine(engines=directory.engines, kernel="numpy")
    array = Array.open(path, inspect=True, hardware=ShadowHardware(machine))
    if not take_snapshot(array).started:
        array.abandon()
        raise dirty_degraded_error(path)
    array.mddev.readonly = directory.readonly
    return array
