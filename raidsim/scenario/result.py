"""What comes out of a run, as plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raidsim.scenario.comparison import Ranges


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that was not met.

    Attributes:
        what: What it is about.
        expected: What was expected.
        found: What was found.
    """

    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        """Say it in words."""
        return f"{self.what}: expected {self.expected}, found {self.found}"


@dataclass(slots=True, kw_only=True)
class ScenarioResult:
    """How a run ended; all of it is plain values, for JSON.

    Attributes:
        title: The scenario's.
        seed: The seed of this run.
        failures: Expectations that were not met.
        error: The message of the error that ended it early, or "".
        elapsed_ns: How long it took, in virtual time.
        state: What the array was in the end.
        members: What each disk was in the end, by name.
        lost: Bytes of the array that it could not read: pairs of an offset and a length.
        wrong: Those that were not what was written.
        parity_mismatches: 4 KiB units whose parity did not fit; None where that cannot be told.
        risks: What assemblies by force warned of.
        syncs: Each resync, recovery, check and repair.
        scrub: What the last check or repair noted: how many sectors, and the disks to blame.
        workloads: Each workload's figures, by name.
        counters: What was counted, by name.
        accesses: What each disk was asked for, by name: ``reads``, ``writes``, ``flushes``,
            ``read_sectors`` and ``written_sectors``.
        operations: How many operations of each kind, by channel or ``software``.
        faults: How often each fault fired, by full name.
        log: What was done to the array, and each change of its state.
    """

    title: str
    seed: int
    failures: list[Failure] = field(default_factory=list)
    error: str = ""
    elapsed_ns: int = 0
    state: str = "absent"
    members: dict[str, str] = field(default_factory=dict)
    lost: Ranges = field(default_factory=list)
    wrong: Ranges = field(default_factory=list)
    parity_mismatches: int | None = None
    risks: list[str] = field(default_factory=list)
    syncs: list[dict[str, Any]] = field(default_factory=list)
    scrub: dict[str, Any] = field(default_factory=dict)
    workloads: dict[str, dict[str, Any]] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    accesses: dict[str, dict[str, int]] = field(default_factory=dict)
    operations: dict[str, dict[str, int]] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether all expectations were met."""
        return not self.failures

    def to_table(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"passed": self.passed, **asdict(self)}
