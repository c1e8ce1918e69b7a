"""A plan, carried out by raidsim."""

from __future__ import annotations

import hashlib
import shutil
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import deviations
from operations import (
    Add,
    Assemble,
    Check,
    Corrupt,
    Fail,
    Idle,
    Read,
    ReAdd,
    Remove,
    Repair,
    Replace,
    Stop,
    Write,
)

from raidsim.array import MISSING, Array
from raidsim.errors import RaidsimError

if TYPE_CHECKING:
    from pathlib import Path

    from operations import Operation, Plan


@dataclass
class Outcome:
    """What came of one operation.

    Attributes:
        refused: it was, or it failed.
        crashed: raidsim raised what it never should, or read what was not written.
        value: what it told: a mismatch count, or the digest of what was read.
        text: messages, for the report.
    """

    refused: bool = False
    crashed: bool = False
    value: str = ""
    text: str = ""


@dataclass
class Course:
    """What came of a plan.

    Attributes:
        outcomes: of the creation, of each operation, and of the stop at the end.
        points: directories with the images as they were at each comparison point.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    points: list[Path] = field(default_factory=list)


class Ours:
    """One array under raidsim.

    Args:
        plan: what to do.
        directory: an empty one, for images and their copies.
    """

    def __init__(self, plan: Plan, directory: Path) -> None:
        self.plan = plan
        self.directory = directory
        self.images = make_images(plan, directory)
        self.content = plan.content()
        self.array: Array | None = None
        # What the array should hold, while a flat array of bytes can tell.
        self.model: bytearray | None = None
        self.course = Course()

    def run(self) -> Course:
        self._attempt(self._create)
        for operation in (*self.plan.operations, Stop()):
            self._attempt(lambda operation=operation: self._carry_out(operation))
        return self.course

    def _attempt(self, action) -> None:
        try:
            value = action()
        except RaidsimError as error:
            self.course.outcomes.append(Outcome(refused=True, text=str(error)))
        except Exception:  # noqa: BLE001  whatever it is, it is a difference to be shrunk
            self.course.outcomes.append(Outcome(crashed=True, text=traceback.format_exc()))
        else:
            self.course.outcomes.append(Outcome(value=value or ""))

    def _create(self) -> None:
        plan = self.plan
        members = [
            MISSING if slot in plan.missing else self.images[slot]
            for slot in range(plan.spec.raid_disks + plan.spec.spare_disks)
        ]
        self.array = Array.create(self.directory / "array", plan.spec, members)
        deviations.settle(self.array)
        if not (plan.used_before and plan.spec.in_sync):
            self.model = bytearray(self.array.read(0, self.array.size))

    def _carry_out(self, operation: Operation) -> str | None:
        match operation:
            case Stop():
                return self._stop()
            case Assemble():
                return self._assemble(operation)
            case Corrupt():
                return self._corrupt(operation)
        if self.array is None:
            raise RaidsimError("there is no array")
        value = self._manage(self.array, operation)
        deviations.settle(self.array)
        return value

    def _manage(self, array: Array, operation: Operation) -> str | None:
        match operation:
            case Write(offset, length):
                start = self.plan.content_offset(operation)
                data = self.content[start : start + length]
                array.write(offset, data)
                if self.model is not None:
                    self.model[offset : offset + length] = data
            case Read(offset, length):
                return self._read(array, offset, length)
            case Idle():
                array.mddev.idle()
                array.machine.sim.run()
            case Fail(disk):
                array.fail(self.images[disk].name)
            case Remove(disk):
                array.remove(self.images[disk].name)
            case Add(disks):
                array.mddev.sync_control.frozen = True
                try:
                    for disk in disks:
                        array.add(self.images[disk])
                finally:
                    array.mddev.sync_control.frozen = False
            case ReAdd(disk):
                array.re_add(self.images[disk])
            case Replace(disk, spare):
                given = None if spare is None else self.images[spare].name
                deviations.replace(array, self.images[disk].name, given)
            case Check():
                return str(array.check().mismatch_sectors)
            case Repair():
                return str(array.repair().mismatch_sectors)
            case _:
                raise AssertionError(operation)
        return None

    def _read(self, array: Array, offset: int, length: int) -> str:
        data = array.read(offset, length)
        if self.model is not None:
            assert data == self.model[offset : offset + length], "not what was written"
        return hashlib.sha256(data).hexdigest()

    def _stop(self) -> str:
        array, self.array = self.array, None
        value = ""
        try:
            if array is None:
                raise RaidsimError("there is no array")
            value = "failed" if array.mddev.broken else self._read(array, 0, array.size)
            array.close()
        finally:
            point = self.directory / f"point{len(self.course.points)}"
            point.mkdir()
            for image in self.images:
                shutil.copy(image, point)
            self.course.points.append(point)
        return value

    def _assemble(self, operation: Assemble) -> None:
        if self.array is not None:
            raise RaidsimError("the array runs already")
        images = [self.images[disk] for disk in operation.disks]
        self.array = deviations.assemble(self.directory / "array", images, force=operation.force)
        deviations.settle(self.array)

    def _corrupt(self, operation: Corrupt) -> None:
        if self.array is not None:
            raise RaidsimError("the array runs")
        self.model = None
        damage = self.content[: operation.length]
        with self.images[operation.disk].open("r+b") as file:
            file.seek(self.plan.data_offset + operation.offset)
            file.write(damage)


def make_images(plan: Plan, directory: Path) -> list[Path]:
    """The images of a plan as they are before the array is made."""
    images = [directory / f"disk{disk}.img" for disk in range(plan.images)]
    for disk, image in enumerate(images):
        image.write_bytes(plan.image_content(disk))
    return images
