"""A scenario in words: what it is about, what will happen, and what has to come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raidsim.scenario.hardware import drive
from raidsim.scenario.units import duration_text, size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raidsim.bench import Workload
    from raidsim.scenario.expect import Expect
    from raidsim.scenario.model import ArrayTable, DiskTable, Scenario


def explain(scenario: Scenario) -> Iterator[str]:
    """Say it all, line by line."""
    yield scenario.title
    yield from (f"  {line}".rstrip() for line in scenario.story.strip().splitlines())
    yield ""
    yield from _array(scenario.array)
    yield from _disk("Each disk", scenario.disks)
    for name, table in scenario.disks.single.items():
        yield from _disk(name, table)
    if scenario.cpu is not None:
        named = scenario.cpu if isinstance(scenario.cpu, str) else "one of its own kind"
        yield f"The CPU is {named}."
    for engine in scenario.engine:
        faults = ", ".join(rule.name for rule in engine.faults)
        yield (
            f"The engine {engine.profile} "
            + ("is there, all its channels private" if engine.private else "computes")
            + (f", with faults: {faults}." if faults else ".")
        )
    for rule in scenario.workload:
        begins = " once an event starts it" if rule.waits else ""
        yield f"The workload {rule.workload.name}{begins}: {_workload(rule.workload)}."
    yield ""
    yield "What happens:"
    yield from (f"  {number}. {event}" for number, event in enumerate(scenario.event, 1))
    if not scenario.event:
        yield "  Nothing but the workloads."
    yield ""
    yield "What has to come out:"
    yield from (f"  - {line}" for line in expectations(scenario.expect))


def _array(array: ArrayTable) -> Iterator[str]:
    spares = (
        f" and {array.spare_devices} spare{'s' * (array.spare_devices > 1)}"
        if array.spare_devices
        else ""
    )
    bitmap = ", with a bitmap" if array.bitmap == "internal" else ""
    yield (
        f"A RAID{array.level} of {array.raid_devices} members{spares} of {size_text(array.size)}"
        f" each, chunks of {size_text(array.chunk)}{bitmap}."
    )
    if array.missing:
        yield f"Slots without a member: {', '.join(map(str, array.missing))}."
    if not array.in_sync:
        yield "Its parity was never made."


def _disk(name: str, table: DiskTable) -> Iterator[str]:
    profile = drive(table.model)
    if profile is not None:
        named = table.model if isinstance(table.model, str) else f"a drive of kind {profile.kind}"
        yield f"{name} is {named}."
    for rule in table.faults:
        often = " It may never strike." if rule.may_not_fire else ""
        yield f"{name} has the fault {rule.name}: {_plain(rule.table)}.{often}"


def _plain(table: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in table.items())


def _workload(workload: Workload) -> str:
    if workload.trace is not None:
        return f"replay {workload.trace.path}"
    size = size_text(workload.block_bytes)
    ends = [
        f"{workload.requests} requests" if workload.requests else "",
        duration_text(workload.duration_ns) if workload.duration_ns else "",
    ]
    until = " or ".join(end for end in ends if end)
    return f"{workload.rw} in blocks of {size}" + (f", for {until}" if until else "")


def expectations(expect: Expect) -> Iterator[str]:
    """What a run has to answer for, line by line."""
    if expect.error:
        yield f"the run ends in an error: {expect.error!r}"
        return
    lost = ", ".join(map(str, expect.lost))
    damaged = ", ".join(map(str, expect.damaged))
    if lost:
        yield f"the array says that it has lost the bytes {lost}, and no others"
    if damaged:
        yield f"after a warning, the bytes {damaged} are wrong, and no others"
    yield "every other byte is as it was written" if lost or damaged else "every byte is right"
    yield "every fault fires, but for those that need not"
    for name, value in _asked_for(expect.model_dump(exclude_defaults=True)):
        if name.split(".")[0] not in {"lost", "damaged"}:
            yield f"{name}: {value}"


def _asked_for(table: dict[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    """Each single expectation, with its place."""
    for key, value in table.items():
        place = f"{within}{key}"
        if isinstance(value, dict) and not {"at_least", "at_most"} & value.keys():
            yield from _asked_for(value, f"{place}.")
        elif isinstance(value, dict):
            low, high = value.get("at_least"), value.get("at_most")
            bounds = [f"at least {low}"] * (low is not None) + [f"at most {high}"] * (
                high is not None
            )
            yield place, str(low) if low == high else ", ".join(bounds)
        else:
            yield place, str(value)
