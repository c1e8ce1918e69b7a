"""Events: something is done at a time, or when something has come to be."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from raidsim.scenario.actions import (
    Action,
    Add,
    Assemble,
    Check,
    Corrupt,
    CutPower,
    EndWorkload,
    Fail,
    ReAdd,
    Remove,
    Repair,
    Replace,
    SetAttribute,
    StartWorkload,
    Stop,
    Switch,
)
from raidsim.scenario.conditions import When
from raidsim.scenario.table import Duration, Table, mistake
from raidsim.scenario.units import duration_text


class Event(Table):
    """One event: `at` or `when`, and one thing to do."""

    name: str = ""
    """What other events and messages call it."""
    at: Duration | None = None
    """The virtual time at which it happens."""
    when: When | None = None
    """What it waits for."""
    after: Duration = 0
    """How long after that it happens."""
    refused: str = ""
    """The array must refuse, in a message that holds these words."""

    fail: Fail | None = None
    remove: Remove | None = None
    add: Add | None = None
    re_add: ReAdd | None = None
    replace: Replace | None = None
    check: Check | None = None
    repair: Repair | None = None
    set: SetAttribute | None = None
    cut_power: CutPower | None = None
    stop: Stop | None = None
    assemble: Assemble | None = None
    switch: Switch | None = None
    corrupt: Corrupt | None = None
    start_workload: StartWorkload | None = None
    end_workload: EndWorkload | None = None

    @model_validator(mode="after")
    def _one_time_one_action(self) -> Self:
        if (self.at is None) == (self.when is None):
            raise mistake("either at or when is expected")
        if len(self._given()) != 1:
            raise mistake(f"exactly one of {', '.join(ACTIONS)} is expected")
        return self

    def _given(self) -> list[Action]:
        return [action for name in ACTIONS if (action := getattr(self, name)) is not None]

    @property
    def action(self) -> Action:
        """What is to be done."""
        (action,) = self._given()
        return action

    def __str__(self) -> str:
        """Say it in words."""
        if self.at is not None:
            time = f"At {duration_text(self.at + self.after)}"
        else:
            assert self.when is not None
            time = f"When {self.when.condition}"
            if self.after:
                time += f", {duration_text(self.after)} later"
        refused = f" (which has to be refused: {self.refused!r})" if self.refused else ""
        return f"{time}: {self.action}{refused}."


_TIMES = {"name", "at", "when", "after", "refused"}
ACTIONS = [name for name in Event.model_fields if name not in _TIMES]
