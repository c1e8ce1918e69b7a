"""What an event may do, one class each: its keys, its words, and its effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from raidsim.md.raid5.mismatch import MismatchLog
from raidsim.scenario.table import DiskName, Size, Table, Text, mistake
from raidsim.scenario.units import size_text

if TYPE_CHECKING:
    from raidsim.scenario.stage import Stage


class Action(Table):
    """Something that is done to the array or its disks, from outside of the simulation."""

    def carry_out(self, stage: Stage) -> None:
        """Do it.

        Raises:
            RaidsimError: The array refuses.
        """
        raise NotImplementedError


class Fail(Action):
    """Fail a member, as `raidsim fail`."""

    disk: DiskName
    """Which."""

    def __str__(self) -> str:
        """Say it in words."""
        return f"fail {_named(self.disk)}"

    def carry_out(self, stage: Stage) -> None:
        """Do it."""
        stage.running.fail(stage.disk(self.disk))


class Remove(Action):
    """Let a failed or spare member go, as `raidsim remove`."""

    disk: DiskName
    """Which."""

    def __str__(self) -> str:
        """Say it in words."""
        return f"remove {_named(self.disk)}"

    def carry_out(self, stage: Stage) -> None:
        """Do it."""
        stage.running.remove(stage.disk(self.disk))


class Add(Action):
    """Take a new member on as a spare, as `raidsim add`."""

    disk: DiskName
    """The name of its image, which is made if there is none; `[disks.NAME]` may describe it."""

    def __str__(self) -> str:
        """Say it in words."""
        return f"add {_named(self.disk)}"

    def carry_out(self, stage: Stage) -> None:
        """Do it."""
        stage.running.add(stage.image(self.disk))


class ReAdd(Action):
    """Take a former member back in its old slot, as `raidsim re-add`."""

    disk: DiskName
    """Which."""

    def __str__(self) -> str:
        """Say it in words."""
        return f"re-add {_named(self.disk)}"

    def carry_out(self, stage: Stage) -> None:
        """Do it."""
        stage.running.re_add(stage.image(self.disk))


class Replace(Action):
    """Have a member replaced while it still works, as `raidsim replace`."""

    disk: DiskName
    """Which."""
    by: DiskName | None = None
    """The spare to do it; by default any, or the next one to be added."""

    def __str__(self) -> str:
        """Say it in words."""
        by = "" if self.by is None else f" by {_named(self.by)}"
        return f"replace {_named(self.disk)}{by}"

    def carry_out(self, stage: Stage) -> None:
        """Do it."""
        spares = [] if self.by is None else [stage.disk(self.by)]
        stage.running.replace([stage.disk(self.disk)], spares)


class Check(Action):
    """Begin to compare parity with data, as `raidsim check`; nothing is changed."""

    def __str__(self) -> str:
        """Say it in words."""
        return "begin a check"

    def carry_out(self, stage: Stage) -> None:
        """Do it."""
        stage.begin_scrub("check", MismatchLog())


class Repair(Action):
    """Begin to make parity right, as `raidsim repair`."""

    locate: bool = False
    """Instead, rewrite the one member that P and Q agree on (RAID6)."""

    def __str__(self) -> str:
        """Say it in words."""
        return "begin a repair" + (" of what P and Q say is wrong" if self.locate else "")

    def carry_out(self, stage: Stage) -> None:
        """Do it."""
        stage.begin_scrub("repair", MismatchLog() if self.locate else None)


class SetAttribute(Action):
    """Write an attribute of the array, as `raidsim set`."""

    attribute: str
    """md's name for it."""
    value: Text
    """What would be written to the file in sysfs."""

    def __str__(self) -> str:
        """Say it in words."""
        return f"set {self.attribute} to {self.value}"

    def carry_out(self, stage: Stage) -> None:
        """Do it."""
        stage.running.set(self.attribute, self.value)


class CutPower(Action):
    """Cut the power of all disks and of the host; `assemble` brings the array back."""

    keep: float = Field(0.5, ge=0, le=1)
    """How likely each 4 KiB block that was not stable yet is on the medium afterwards; 0.5."""

    def __str__(self) -> str:
        """Say it in words."""
        return "cut the power"

    def carry_out(self, stage: Stage) -> None:
        """Do it."""
        stage.cut_power(self.keep)


class Stop(Action):
    """End the workloads and stop the array; `assemble` brings it back."""

    def __str__(self) -> str:
        """Say it in words."""
        return "stop the array"

    def carry_out(self, stage: Stage) -> None:
        """Do it."""
        stage.stop()


class Assemble(Action):
    """Start the array again after a stop or a power cut, on a machine just booted."""

    force: bool = False
    """Bring stale members back and run a dirty degraded array, as `raidsim assemble --force`."""
    without: list[DiskName] = Field(default_factory=list)
    """Disks to leave out."""

    def __str__(self) -> str:
        """Say it in words."""
        without = ", ".join(map(_named, self.without))
        return (
            "assemble the array"
            + (" by force" if self.force else "")
            + (f" without {without}" if without else "")
        )

    def carry_out(self, stage: Stage) -> None:
        """Do it."""
        stage.assemble(force=self.force, without=self.without)


class Switch(Action):
    """Switch a fault on or off; what it held back goes on, what it has spoilt stays so."""

    fault: str
    """The fault's name."""
    on: bool
    """Which of the two."""

    def __str__(self) -> str:
        """Say it in words."""
        return f"switch {self.fault} {'on' if self.on else 'off'}"

    def carry_out(self, stage: Stage) -> None:
        """Do it."""
        stage.faults.switch(self.fault, on=self.on)


class Corrupt(Action):
    """Bit rot: let bytes on a medium change without a word."""

    disk: DiskName | None = None
    """Where, with `sector`; instead of `offset`."""
    sector: int | None = Field(None, ge=0)
    """The first sector of 512 bytes, from the start of the disk."""
    offset: Size | None = None
    """The first byte, on the array: its data on whichever member has them."""
    length: Size = 512
    """How many bytes, all of one chunk; 512 by default."""

    def __str__(self) -> str:
        """Say it in words."""
        where = (
            f"byte {self.offset} of the array"
            if self.disk is None
            else f"sector {self.sector} of {_named(self.disk)}"
        )
        return f"let {size_text(self.length)} rot at {where}"

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        on_disk = self.disk is not None and self.sector is not None and self.offset is None
        on_array = self.disk is None and self.sector is None and self.offset is not None
        if not on_disk and not on_array:
            raise mistake("either disk and sector, or offset is expected")
        return self

    def carry_out(self, stage: Stage) -> None:
        """Do it."""
        if self.disk is not None and self.sector is not None:
            stage.rot(stage.image(self.disk), self.sector << 9, self.length)
        elif self.offset is not None:
            stage.rot(*stage.place(self.offset, self.length), self.length)


class StartWorkload(Action):
    """Begin a workload that waits to be started."""

    name: str
    """Its name."""

    def __str__(self) -> str:
        """Say it in words."""
        return f"start the workload {self.name}"

    def carry_out(self, stage: Stage) -> None:
        """Do it."""
        stage.load.start(self.name)


class EndWorkload(Action):
    """Let a workload ask for nothing more."""

    name: str
    """Its name."""

    def __str__(self) -> str:
        """Say it in words."""
        return f"end the workload {self.name}"

    def carry_out(self, stage: Stage) -> None:
        """Do it."""
        stage.load.end(self.name)


def _named(disk: str) -> str:
    return f"disk {disk}" if disk.isdecimal() else disk
