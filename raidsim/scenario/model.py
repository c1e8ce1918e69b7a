"""A scenario: what a file says, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from raidsim.array import ArraySpec
from raidsim.errors import UsageError
from raidsim.md.layout import parse_layout
from raidsim.md.placement import BitmapWish
from raidsim.scenario.event import Event
from raidsim.scenario.expect import Expect
from raidsim.scenario.subtables import (
    CpuTable,
    DiskFaultTable,
    DiskModelTable,
    EngineFaultTable,
    EngineName,
    FaultRule,
    WorkloadTable,
)
from raidsim.scenario.table import Duration, Size, Table, Text, mistake

if TYPE_CHECKING:
    from collections.abc import Iterator


class ArrayTable(Table):
    """The array, in the words of `raidsim create`."""

    level: Literal[4, 5, 6]
    raid_devices: int
    """Members, parity included: `disk0`, `disk1` and so on."""
    size: Size = 4 << 20
    """Size of each image, metadata included: 4 MiB by default."""
    chunk: Size = 64 << 10
    """64 KiB by default."""
    layout: str = "default"
    """mdadm's name of it, `left-symmetric` for example."""
    spare_devices: int = 0
    """Members beyond those, as spares, whose numbers follow."""
    bitmap: Literal["none", "internal"] = "none"
    """Whether there is a write-intent bitmap; there is none by default."""
    bitmap_chunk: Size | None = None
    """What one bit stands for; by default as few bits as are of use."""
    metadata: Literal["1.0", "1.1", "1.2"] = "1.2"
    """The version of the superblock: 1.2 by default."""
    missing: list[int] = Field(default_factory=list)
    """Slots that have no member in the beginning."""
    in_sync: bool = True
    """Parity is right in the beginning, as it is by default. If not, md makes it so at once."""
    contents: Literal["random", "zeros"] = "random"
    """What it holds in the beginning: random bytes by default."""
    attributes: dict[str, Text] = Field(default_factory=dict)
    """Attributes to write in the beginning, as `raidsim set` does."""

    @model_validator(mode="after")
    def _makes_an_array(self) -> Self:
        try:
            self.spec("scenario").check()
        except UsageError as error:
            raise mistake(str(error)) from None
        for slot in self.missing:
            if not 0 <= slot < self.raid_devices:
                raise mistake(f"missing: there is no slot {slot}")
        return self

    def spec(self, name: str) -> ArraySpec:
        """What ``Array.create`` takes.

        Raises:
            UsageError: There is no such layout.
        """
        return ArraySpec(
            level=self.level,
            raid_disks=self.raid_devices,
            layout=parse_layout(self.level, self.layout),
            chunk_sectors=self.chunk >> 9,
            minor_version=int(self.metadata[-1]),
            spare_disks=self.spare_devices,
            name=name,
            in_sync=self.in_sync,
            bitmap=BitmapWish(self.bitmap == "internal", self.bitmap_chunk),
        )

    @property
    def disks(self) -> list[str]:
        """The names of all disks that it has in the beginning, spares last."""
        names = [f"disk{number}" for number in range(self.raid_devices + self.spare_devices)]
        return [name for slot, name in enumerate(names) if slot not in self.missing]


class DiskTable(Table):
    """One disk."""

    model: DiskModelTable | None = None
    """The drive: a profile's name or path, or a table. None takes no time."""
    faults: list[DiskFaultTable] = Field(default_factory=list)
    """Its faults, the first nearest to the medium."""


class DisksTable(DiskTable):
    """All disks; a table of its own, `[disks.disk2]`, has what differs for one."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, DiskTable]

    @property
    def single(self) -> dict[str, DiskTable]:
        """The tables of single disks, by name."""
        return self.__pydantic_extra__

    def model_of(self, name: str) -> object:
        """The drive that the disk ``name`` is."""
        table = self.single.get(name)
        return self.model if table is None or table.model is None else table.model


class EngineTable(Table):
    """An offload engine."""

    profile: EngineName
    """A profile's name or path."""
    private: bool = False
    """A driver took a channel of each of its devices before async_tx came, so all are private."""
    faults: list[EngineFaultTable] = Field(default_factory=list)
    """Faults of all its channels."""


class FinishTable(Table):
    """How it ends: when nothing is left to be done, every byte is read and compared."""

    within: Duration = 3_600_000_000_000
    """The latest time by which all has ended: 1 h by default."""
    faults_off: bool = False
    """Faults are switched off once all events are over."""
    lift_limits: bool = False
    """The limits of sync speed and range are lifted, and syncs let go on, at that time."""


class Scenario(Table):
    """One scenario."""

    version: Literal[1] = Field(alias="schema")
    """The version of this format: 1."""
    title: str
    """One line."""
    story: str = ""
    """What happens, and what a reader learns from it."""
    seed: int = 0
    """Where all chance comes from, unless `--seed` says otherwise; 0 by default."""
    array: ArrayTable
    cpu: CpuTable | None = None
    """How fast the CPU computes, copies and does md's work. None takes no time."""
    disks: DisksTable = Field(default_factory=lambda: DisksTable.model_validate({}))
    engine: list[EngineTable] = Field(default_factory=list)
    """Offload engines, in the order in which they are registered."""
    workload: list[WorkloadTable] = Field(default_factory=list)
    """What is read and written."""
    event: list[Event] = Field(default_factory=list)
    """What happens to the array."""
    finish: FinishTable = FinishTable()
    expect: Expect = Expect()

    def faults(self) -> Iterator[tuple[str, FaultRule]]:
        """Every fault's full name, and what it is."""
        places = [("disks", self.disks.faults)]
        places += [(name, table.faults) for name, table in self.disks.single.items()]
        places += [(table.profile, table.faults) for table in self.engine]
        for place, rules in places:
            for rule in rules:
                yield f"{place}.{rule.name}", rule
