"""Names that a scenario file uses, and whether they mean anything in it.

It looks at the plain table, so that it can tell its mistakes along with all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from raidsim.array.creation import MAX_DEV
from raidsim.tables import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class _Use(NamedTuple):
    place: str
    name: object


def unknown_names(table: dict[str, Any]) -> list[str]:
    """Tell which disks, workloads, faults and events are named that there are not."""
    return [
        *_unknown("disk", _disks_used(table), _disks(table)),
        *_unknown("workload", _workloads_used(table), _named(table, "workload")),
        *_unknown("fault", _faults_used(table), _faults(table)),
        *_unknown("event", _events_used(table), _named(table, "event")),
        *_twice("workload", _named(table, "workload")),
        *_twice("event", _named(table, "event")),
        *_twice("fault", [name for name in _faults(table) if "." in name]),
    ]


def _unknown(kind: str, uses: Iterable[_Use], known: list[str]) -> Iterator[str]:
    for place, name in uses:
        if isinstance(name, (int, str)) and str(name) not in known:
            there_are = suggest(name, known) if known else "there is none"
            yield f"{place} = {name!r}: no such {kind}: {there_are}"


def _twice(kind: str, names: list[str]) -> Iterator[str]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"two {kind}s are called {name!r}: give each a name of its own"


# -- what there is ------------------------------------------------------------------------------


def _disks(table: dict[str, Any]) -> list[str]:
    array = _sub(table, "array")
    members, spares = (_number(array, key) for key in ("raid_devices", "spare_devices"))
    added = [
        str(add["disk"]) for event in _list(table, "event") if "disk" in (add := _sub(event, "add"))
    ]
    # What has more is no array, which is told elsewhere.
    made = [f"disk{number}" for number in range(min(members + spares, MAX_DEV))]
    return [*map(str, range(min(members, MAX_DEV))), *made, *added]


def _named(table: dict[str, Any], key: str) -> list[str]:
    found = [part.get("name") for part in _list(table, key)]
    return [name for name in found if isinstance(name, str)]


def _faults(table: dict[str, Any]) -> list[str]:
    """Each fault's full name, and the part of it that its place leaves out."""
    disks = _sub(table, "disks")
    places = [("disks", disks)]
    places += [(name, part) for name, part in disks.items() if isinstance(part, dict)]
    places += [(str(part.get("profile")), part) for part in _list(table, "engine")]
    names = []
    for place, part in places:
        for fault in _list(part, "faults"):
            name = str(fault.get("name") or fault.get("kind"))
            names += [f"{place}.{name}", name]
    return names


# -- what is used -------------------------------------------------------------------------------


def _disks_used(table: dict[str, Any]) -> Iterator[_Use]:
    for name, part in _sub(table, "disks").items():
        if name != "model" and isinstance(part, dict):
            yield _Use("disks", name)
    for number, event in enumerate(_list(table, "event")):
        for action, part in event.items():
            if isinstance(part, dict):
                for key in ("disk", "by"):
                    yield _Use(f"event[{number}].{action}.{key}", part.get(key))
        for disk in _names(_sub(event, "assemble"), "without"):
            yield _Use(f"event[{number}].assemble.without", disk)
    expect = _sub(table, "expect")
    for key in ("members", "accesses"):
        for name in _sub(expect, key):
            if (key, name) != ("accesses", "all"):
                yield _Use(f"expect.{key}", name)
    for disk in _names(_sub(expect, "scrub"), "blames"):
        yield _Use("expect.scrub.blames", disk)


def _workloads_used(table: dict[str, Any]) -> Iterator[_Use]:
    for number, event in enumerate(_list(table, "event")):
        for action in ("start_workload", "end_workload"):
            yield _Use(f"event[{number}].{action}.name", _sub(event, action).get("name"))
        ended = _sub(_sub(event, "when"), "workload_ended")
        yield _Use(f"event[{number}].when.workload_ended.name", ended.get("name"))
    for name in _sub(_sub(table, "expect"), "workload"):
        yield _Use("expect.workload", name)


def _faults_used(table: dict[str, Any]) -> Iterator[_Use]:
    for number, event in enumerate(_list(table, "event")):
        fault = _sub(_sub(event, "when"), "fault").get("name")
        yield _Use(f"event[{number}].when.fault.name", fault)
        yield _Use(f"event[{number}].switch.fault", _sub(event, "switch").get("fault"))
    for name in _sub(_sub(table, "expect"), "fault"):
        yield _Use("expect.fault", name)


def _events_used(table: dict[str, Any]) -> Iterator[_Use]:
    for number, event in enumerate(_list(table, "event")):
        name = _sub(_sub(event, "when"), "event").get("name")
        yield _Use(f"event[{number}].when.event.name", name)


# -- tables that may be anything ----------------------------------------------------------------


def _sub(table: dict[str, Any], key: str) -> dict[str, Any]:
    part = table.get(key)
    return part if isinstance(part, dict) else {}


def _list(table: dict[str, Any], key: str) -> list[dict[str, Any]]:
    part = table.get(key)
    return [item for item in part if isinstance(item, dict)] if isinstance(part, list) else []


def _names(table: dict[str, Any], key: str) -> list[object]:
    part = table.get(key)
    return part if isinstance(part, list) else []


def _number(table: dict[str, Any], key: str) -> int:
    number = table.get(key, 0)
    return number if isinstance(number, int) else 0
