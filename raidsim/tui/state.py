"""What the user of the live view has chosen, and what each key does to that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from raidsim.array.activity import Activity
    from raidsim.array.snapshot import MemberSnapshot
    from raidsim.tui.history import Rates

VIEWS = ("overview", "members", "stripes", "engines", "events")
SORTS = ("slot", "throughput", "latency")


class Action(NamedTuple):
    """What is to be done to the array: "fail" a member, or "add" an image."""

    kind: Literal["fail", "add"]
    disk: str


@dataclass(slots=True)
class ScreenState:
    """What is on the screen, and what is being asked.

    Attributes:
        view: one of ``VIEWS``.
        sort: one of ``SORTS``: the order of the members.
        selected: the permanent number of the member that a key would fail, None for the first.
        paused: the screen stands still.
        help: the keys are shown in place of the view.
        typed: the path of an image to add, while it is typed.
        asked: what the user has yet to confirm.
        message: what came of the last action.
        quit: enough.
    """

    view: str = "overview"
    sort: str = "slot"
    selected: int | None = None
    paused: bool = False
    help: bool = False
    typed: str | None = None
    asked: Action | None = None
    message: str = ""
    quit: bool = False

    def press(self, key: str, activity: Activity, rates: Rates | None) -> Action | None:
        """Take a key; return what is to be done to the array, if anything."""
        self.message = ""
        if self.typed is not None:
            self._type(key)
        elif self.asked is not None:
            asked, self.asked = self.asked, None
            if key in {"y", "Y"}:
                return asked
            self.message = "nothing was done"
        else:
            self._command(key, members_in_order(activity, rates, self.sort))
        return None

    def _type(self, key: str) -> None:
        assert self.typed is not None
        if key == "enter":
            if self.typed:
                self.asked = Action("add", self.typed)
            self.typed = None
        elif key == "escape":
            self.typed = None
        elif key == "backspace":
            self.typed = self.typed[:-1]
        elif len(key) == 1:
            self.typed += key

    def _command(self, key: str, members: list[MemberSnapshot]) -> None:
        if key in {"q", "escape"}:
            self.quit = key == "q" or not self.help
            self.help = False
        elif key.isdecimal() and 1 <= int(key) <= len(VIEWS):
            self.view = VIEWS[int(key) - 1]
        elif key == "tab":
            self.view = VIEWS[(VIEWS.index(self.view) + 1) % len(VIEWS)]
        elif key in {"p", " "}:
            self.paused = not self.paused
        elif key == "s":
            self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        elif key in {"h", "?"}:
            self.help = not self.help
        elif key in {"j", "down"}:
            self._select(members, 1)
        elif key in {"k", "up"}:
            self._select(members, -1)
        elif key == "f":
            member = self.selected_member(members)
            if member is None or member.faulty:
                self.message = "select a member that works"
            else:
                self.asked = Action("fail", Path(member.path).name)
        elif key == "a":
            self.typed = ""

    def selected_member(self, members: list[MemberSnapshot]) -> MemberSnapshot | None:
        """The member that a key would fail."""
        chosen = (member for member in members if member.number == self.selected)
        return next(chosen, members[0] if members else None)

    def _select(self, members: list[MemberSnapshot], step: int) -> None:
        member = self.selected_member(members)
        if member is not None:
            self.selected = members[(members.index(member) + step) % len(members)].number


def members_in_order(activity: Activity, rates: Rates | None, sort: str) -> list[MemberSnapshot]:
    """The members of an array: those with a slot first, or the busiest, or the slowest."""
    by_member = {} if rates is None else rates.members

    def slot(member: MemberSnapshot) -> tuple[float, int]:
        return (float("inf") if member.raid_disk is None else member.raid_disk, member.number)

    def busiest(member: MemberSnapshot) -> tuple[float, float, int]:
        found = by_member.get(member.number)
        if found is None:
            return (0, *slot(member))
        value = (
            found.read_bytes + found.written_bytes
            if sort == "throughput"
            else (found.latency_ns or 0)
        )
        return (-value, *slot(member))

    return sorted(activity.array.members, key=slot if sort == "slot" else busiest)
