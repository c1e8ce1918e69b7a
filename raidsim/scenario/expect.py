"""What a scenario expects to come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from raidsim.scenario.conditions import SyncAction
from raidsim.scenario.table import DiskName, Duration, Size, Table, mistake
from raidsim.scenario.units import duration_text

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

ANY_CHANNEL = "any channel"


class Bounds(Table):
    """What a number may be."""

    at_least: int | None = None
    """No less."""
    at_most: int | None = None
    """No more."""

    @model_validator(mode="after")
    def _some_bound(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise mistake("at_least, at_most or both are expected")
        return self

    def admits(self, found: float) -> bool:
        """Whether ``found`` is as expected."""
        enough = self.at_least is None or found >= self.at_least
        return enough and (self.at_most is None or found <= self.at_most)

    def show(self, found: float) -> str:
        """Say a number in its unit."""
        return str(found)

    def __str__(self) -> str:
        """Say it in words."""
        if self.at_least is not None and self.at_least == self.at_most:
            return self.show(self.at_least)
        bounds = (("at least", self.at_least), ("at most", self.at_most))
        return ", ".join(
            f"{word} {self.show(bound)}" for word, bound in bounds if bound is not None
        )


class Count(Bounds):
    """A number: a whole number, or a table of bounds."""

    @model_validator(mode="before")
    @classmethod
    def _exactly(cls, value: object) -> object:
        return {"at_least": value, "at_most": value} if type(value) is int else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Tell editors of both forms."""
        return {"anyOf": [{"type": "integer"}, handler(core_schema)]}


class Time(Bounds):
    """Bounds of a virtual time."""

    at_least: Duration | None = None
    """No shorter."""
    at_most: Duration | None = None
    """No longer."""

    def show(self, found: float) -> str:
        """Say a time with its unit."""
        return duration_text(found)


class Range(Table):
    """Bytes of the array."""

    offset: Size
    """The first."""
    length: Size = Field(gt=0)
    """How many."""

    def __str__(self) -> str:
        """Say it in words."""
        return f"{self.offset}+{self.length}"


class SyncExpectation(Table):
    """All syncs of one kind together."""

    runs: Count | None = None
    """How many there were; one that is interrupted and goes on counts twice."""
    time: Time | None = None
    """How long the last one took."""
    sectors: Count | None = None
    """How many sectors of each member were read or written for them."""


class LatencyExpectation(Table):
    """The latencies of a workload's requests."""

    p50: Time | None = None
    p95: Time | None = None
    p99: Time | None = None
    p99_9: Time | None = None
    max: Time | None = None


class WorkloadExpectation(Table):
    """One workload."""

    requests: Count | None = None
    """Requests that ended."""
    errors: Count | None = None
    """Those that ended in an error; none by default."""
    latency: LatencyExpectation | None = None
    """From a request's beginning to its end."""


class OperationExpectation(Table):
    """Operations of async_tx."""

    operation: str
    """Which, `xor` or `pq` for example."""
    on: str = ANY_CHANNEL
    """A channel's name, `software`, or `any channel`."""
    count: Count
    """How many."""


class AccessExpectation(Table):
    """What one disk, or all together, are asked for; metadata count as well."""

    reads: Count | None = None
    writes: Count | None = None
    flushes: Count | None = None
    read_sectors: Count | None = None
    written_sectors: Count | None = None


class ScrubExpectation(Table):
    """The last check or repair."""

    mismatches: Count | None = None
    """Sectors found inconsistent, as md counts them."""
    blames: list[DiskName] | None = None
    """The disks that P and Q say are wrong, exactly these."""


MemberState = Literal["in_sync", "faulty", "spare", "rebuilding", "absent"]


class Expect(Table):
    """What has to come out; what is not named here may be as it likes, but for the data."""

    lost: list[Range] = Field(default_factory=list)
    """Bytes of the array that it says it cannot read, exactly these. All others are intact."""
    damaged: list[Range] = Field(default_factory=list)
    """Bytes that come back wrong since an assembly by force, which warned of it, exactly these."""
    may_lose: bool = False
    """More goes wrong than the level survives: requests may fail, bytes may be lost and the array
    may refuse to run, as long as it says so and gives nothing wrong back."""
    error: str = ""
    """The run ends early in an error whose message holds these words."""
    array: Literal["clean", "degraded", "failed", "absent"] | None = None
    """What the array is in the end."""
    members: dict[str, MemberState] = Field(default_factory=dict)
    """What disks are in the end, by the names of their images."""
    parity_mismatches: Count | None = None
    """4 KiB units whose parity does not fit their data in the end; none by default."""
    scrub: ScrubExpectation | None = None
    rmw: Count | None = None
    """4 KiB units of parity that were written by read-modify-write."""
    rcw: Count | None = None
    """Those that were written by reconstruct-write, of rows that were written in part."""
    full_row: Count | None = None
    """Those of rows that were written in full, for which nothing is read."""
    failed_members: Count | None = None
    """Members that failed."""
    corrected_sectors: Count | None = None
    """Sectors that could not be read, were computed and rewritten."""
    bad_block_sectors: Count | None = None
    """Sectors that were taken down as bad blocks."""
    accesses: dict[str, AccessExpectation] = Field(default_factory=dict)
    """What disks are asked for, by their names; `all` is all of them."""
    sync: dict[SyncAction, SyncExpectation] = Field(default_factory=dict)
    """Syncs, by their kinds."""
    workload: dict[str, WorkloadExpectation] = Field(default_factory=dict)
    """Workloads, by their names."""
    operation: list[OperationExpectation] = Field(default_factory=list)
    """Where operations were carried out."""
    fault: dict[str, Count] = Field(default_factory=dict)
    """How often faults fired; each has to fire at least once in any case."""
    time: Time | None = None
    """How long all of it takes."""
