"""What an event may wait for, one class each."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from raidsim.scenario.table import Part, Table, mistake

if TYPE_CHECKING:
    from raidsim.scenario.stage import Stage

SyncAction = Literal["resync", "recover", "check", "repair"]

_STATES = {
    "clean": "is marked clean",
    "active": "is marked dirty",
    "optimal": "is not degraded",
    "degraded": "is degraded",
    "failed": "has failed",
    "idle": "is not being synced",
}


class Condition(Table):
    """Something that may come to be; asked again whenever something has happened."""

    polled: ClassVar[bool] = False
    """Nothing tells that it has come to be: it is asked all the time."""

    def holds(self, stage: Stage) -> bool:
        """Tell whether it has come to be."""
        raise NotImplementedError


class SyncReaches(Condition):
    """A resync, recovery, check or repair gets somewhere."""

    polled: ClassVar[bool] = True

    action: SyncAction
    """Which; `recover` is md's word for a rebuild."""
    reaches: Part = 0.0
    """How much of the members it has dealt with; by default it only has to begin."""

    def __str__(self) -> str:
        """Say it in words."""
        how_far = f"reaches {self.reaches * 100:g} %" if self.reaches else "begins"
        return f"a {self.action} {how_far}"

    def holds(self, stage: Stage) -> bool:
        """Tell whether it has come to be."""
        thread = None if stage.array is None else stage.array.mddev.sync_thread
        if thread is not None and thread.action == self.action:
            return thread.sectors_done >= self.reaches * thread.end_sector
        return any(
            sync.action == self.action and not sync.interrupted for sync in stage.record.syncs
        )


class SyncEnds(Condition):
    """A resync, recovery, check or repair ends, at its end or before."""

    action: SyncAction
    """Which; `recover` is md's word for a rebuild."""
    times: int = Field(1, ge=1)
    """How many of them, at least."""

    def __str__(self) -> str:
        """Say it in words."""
        if self.times == 1:
            return f"a {self.action} has ended"
        return f"{self.times} {self.action}s have ended"

    def holds(self, stage: Stage) -> bool:
        """Tell whether it has come to be."""
        ended = sum(sync.action == self.action for sync in stage.record.syncs)
        return ended >= self.times


class FaultFires(Condition):
    """A fault has struck."""

    name: str
    """The fault's name."""
    times: int = Field(1, ge=1)
    """How often, at least."""

    def __str__(self) -> str:
        """Say it in words."""
        often = "" if self.times == 1 else f" {self.times} times"
        return f"the fault {self.name} has fired{often}"

    def holds(self, stage: Stage) -> bool:
        """Tell whether it has come to be."""
        return stage.faults.fired(self.name) >= self.times


class ArrayIs(Condition):
    """The array is in a state."""

    state: Literal["clean", "active", "optimal", "degraded", "failed", "idle"]
    """Marked clean, or dirty; with all its members in sync, fewer, or too few; without a sync."""

    def __str__(self) -> str:
        """Say it in words."""
        return f"the array {_STATES[self.state]}"

    def holds(self, stage: Stage) -> bool:
        """Tell whether it has come to be."""
        if stage.array is None:
            return False
        mddev = stage.array.mddev
        return {
            "clean": mddev.in_sync,
            "active": not mddev.in_sync,
            "optimal": not mddev.degraded,
            "degraded": bool(mddev.degraded) and not mddev.broken,
            "failed": mddev.broken,
            "idle": mddev.sync_thread is None,
        }[self.state]


class MembersFailed(Condition):
    """So many members have failed so far, by a fault or by an event."""

    count: int = Field(ge=1)
    """How many."""

    def __str__(self) -> str:
        """Say it in words."""
        return f"{self.count} members have failed" if self.count > 1 else "a member has failed"

    def holds(self, stage: Stage) -> bool:
        """Tell whether it has come to be."""
        return stage.record.failures >= self.count


class WorkloadEnds(Condition):
    """A workload has ended."""

    name: str
    """The workload's name."""

    def __str__(self) -> str:
        """Say it in words."""
        return f"the workload {self.name} has ended"

    def holds(self, stage: Stage) -> bool:
        """Tell whether it has come to be."""
        return stage.load.ended(self.name)


class EventHappened(Condition):
    """Another event has been carried out."""

    name: str
    """The event's name."""

    def __str__(self) -> str:
        """Say it in words."""
        return f"{self.name} has been carried out"

    def holds(self, stage: Stage) -> bool:
        """Tell whether it has come to be."""
        return self.name in stage.record.done


class When(Table):
    """What an event waits for: exactly one of these."""

    sync: SyncReaches | None = None
    sync_ended: SyncEnds | None = None
    fault: FaultFires | None = None
    array: ArrayIs | None = None
    members_failed: MembersFailed | None = None
    workload_ended: WorkloadEnds | None = None
    event: EventHappened | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise mistake(f"exactly one of {', '.join(type(self).model_fields)} is expected")
        return self

    @property
    def condition(self) -> Condition:
        """The one that is given."""
        (name,) = self.model_fields_set
        condition = getattr(self, name)
        assert isinstance(condition, Condition)
        return condition
