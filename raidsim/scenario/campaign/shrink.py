"""Making a scenario that fails small: whatever can go, goes, as long as it still fails alike."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from raidsim.scenario.campaign.trial import play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Table = dict[str, Any]
    Change = Callable[[Table], None]

# Plays that shrinking may take.
_MOST_PLAYS = 300
_KIND = re.compile(r"broke off: \w+|the end of the run: .*?, found \w+|[^:]*")
_DIGITS = "0123456789"
_FEWEST_DISKS = {4: 3, 5: 3, 6: 4}


def shrink(table: Table, failures: list[str]) -> tuple[Table, list[str]]:
    """Return a smaller scenario, and how it fails.

    Args:
        table: A scenario that fails.
        failures: How.
    """
    kind = _kind(failures)
    plays = 0
    before = None
    while table != before:
        before = table
        changes = list(_changes(table))
        number = len(changes)
        # What is behind goes first, so that numbers of what is before stay right.
        while number and plays < _MOST_PLAYS:
            number -= 1
            candidate = deepcopy(table)
            changes[number](candidate)
            plays += 1
            found, _ = play(candidate)
            if found and _kind(found) == kind:
                table, failures = candidate, found
                changes = list(_changes(table))
                number = min(number, len(changes))
    return table, failures


def _kind(failures: list[str]) -> str:
    """What a failure is about: an error by its class, anything else by its subject."""
    found = _KIND.match(failures[0])
    return found[0].rstrip(_DIGITS) if found else ""


def _changes(table: Table) -> Iterator[Change]:
    """Ways to make a scenario a little smaller, the least promising first."""
    yield from _fewer_disks(table)
    for number, workload in enumerate(table["workload"]):
        for key in workload:
            if key not in {"name", "rw", "requests", "waits"}:
                yield _without(("workload", number, key))
        if workload["requests"] > 1:
            yield _halved(("workload", number, "requests"))
    for key in ("attributes", "bitmap", "bitmap_chunk", "spare_devices", "layout", "metadata"):
        if key in table["array"]:
            yield _without(("array", key))
    for name, disk in table["disks"].items():
        if name.startswith("disk"):
            for number, fault in enumerate(disk["faults"]):
                if len(fault.get("sectors", ())) > 1:
                    for sector in range(len(fault["sectors"])):
                        yield _without(("disks", name, "faults", number, "sectors", sector))
                yield _without(("disks", name, "faults", number))
            yield _without(("disks", name))
    for place in ("engine", "workload", "event"):
        for number in range(len(table[place])):
            yield _without((place, number))


def _without(place: tuple[str | int, ...]) -> Change:
    """Leave out what is at a place."""

    def change(table: Table) -> None:
        holder, last = _holder(table, place)
        del holder[last]

    return change


def _halved(place: tuple[str | int, ...]) -> Change:
    """Halve the number at a place."""

    def change(table: Table) -> None:
        holder, last = _holder(table, place)
        holder[last] //= 2

    return change


def _holder(table: Any, place: tuple[str | int, ...]) -> tuple[Any, str | int]:
    """The table or list in which a place is, and its key or number there."""
    *path, last = place
    for step in path:
        table = table[step]
    return table, last


def _fewer_disks(table: Table) -> Iterator[Change]:
    """Leave out the last slot, and what is about its disk."""
    array = table["array"]
    last = array["raid_devices"] - 1
    if last < _FEWEST_DISKS[array["level"]]:
        return

    def change(smaller: Table) -> None:
        smaller["array"]["raid_devices"] = last
        smaller["disks"].pop(f"disk{last}", None)

    yield change
