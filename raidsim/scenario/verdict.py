"""Whether what came out is what a scenario expects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.assembly import AssemblyError
from raidsim.scenario.comparison import merged
from raidsim.scenario.expect import ANY_CHANNEL
from raidsim.scenario.facts import SOFTWARE
from raidsim.scenario.result import Failure
from raidsim.scenario.summary import ranges_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raidsim.scenario.comparison import Ranges
    from raidsim.scenario.expect import (
        Bounds,
        Expect,
        OperationExpectation,
        Range,
        ScrubExpectation,
        WorkloadExpectation,
    )
    from raidsim.scenario.model import Scenario
    from raidsim.scenario.result import ScenarioResult

# By the keys of an expectation, what workloads' figures call them.
_PERCENTILES = {"p50": "50", "p95": "95", "p99": "99", "p99_9": "99.9", "max": "100"}


def failures(scenario: Scenario, result: ScenarioResult) -> list[Failure]:
    """Tell all expectations that ``result`` does not meet."""
    expect = scenario.expect
    may_not_fire = {name for name, rule in scenario.faults() if rule.may_not_fire}
    return [
        *_in_any_case(expect, result),
        *(
            Failure(f"fault {name}", "to fire", "it never did")
            for name, fired in result.faults.items()
            if not fired and name not in may_not_fire
        ),
        *_asked_for(expect, result),
    ]


def _in_any_case(expect: Expect, result: ScenarioResult) -> Iterator[Failure]:
    """What every run has to answer for."""
    refused = expect.may_lose and result.error.startswith(AssemblyError.__name__)
    as_expected = expect.error in result.error and bool(expect.error) == bool(result.error)
    if not refused and not as_expected:
        yield Failure("the end of the run", expect.error or "no error", result.error or "no error")
    if not result.error:
        yield from _data(expect, result)
    yield from _requests(expect, result)
    if result.parity_mismatches and expect.parity_mismatches is None:
        yield Failure("parity mismatches", "0", str(result.parity_mismatches))


def _data(expect: Expect, result: ScenarioResult) -> Iterator[Failure]:
    if not expect.may_lose:
        yield from _ranges("data lost", expect.lost, result.lost)
    if expect.damaged and not result.risks:
        yield Failure("data damaged", "a warning when it was assembled by force", "none")
    yield from _ranges("data damaged", expect.damaged, result.wrong)


def _requests(expect: Expect, result: ScenarioResult) -> Iterator[Failure]:
    """What the workloads read, and what failed for them."""
    units = merged((offset, length) for offset, length in result.wrong)
    for name, figures in result.workloads.items():
        read = merged((sector << 9, 512) for sector in figures["wrong_sectors"])
        silent = [one for one in read if not _inside(one, units) or not expect.damaged]
        if silent:
            yield Failure(
                f"workload {name}", "to read what was written", ranges_text(silent) + " wrong"
            )
        expected = expect.workload.get(name)
        tolerated = expect.may_lose or (expected is not None and expected.errors is not None)
        if figures["errors"] and not tolerated and not result.error:
            yield Failure(f"workload {name}", "no errors", f"{figures['errors']} errors")


def _ranges(what: str, expected: Sequence[Range], found: Ranges) -> Iterator[Failure]:
    wanted = merged((one.offset, one.length) for one in expected)
    if wanted != found:
        yield Failure(what, ranges_text(wanted), ranges_text(found))


def _inside(one: tuple[int, int], ranges: Ranges) -> bool:
    return any(first <= one[0] and sum(one) <= first + length for first, length in ranges)


def _asked_for(expect: Expect, result: ScenarioResult) -> Iterator[Failure]:
    """What the scenario asks for itself."""
    if expect.array is not None and expect.array != result.state:
        yield Failure("the array", expect.array, result.state)
    for name, state in expect.members.items():
        found = result.members.get(name, "absent")
        if found != state:
            yield Failure(f"disk {name}", state, found)
    yield from _bounds("parity mismatches", expect.parity_mismatches, result.parity_mismatches)
    yield from _scrub(expect.scrub, result)
    for counter, number in result.counters.items():
        yield from _bounds(counter, getattr(expect, counter), number)
    yield from _accesses(expect, result)
    yield from _syncs(expect, result)
    for name, expected in expect.workload.items():
        yield from _workload(name, expected, result)
    for operation in expect.operation:
        yield from _operation(operation, result)
    for name, count in expect.fault.items():
        fired = sum(
            n for full, n in result.faults.items() if name in {full, full.rpartition(".")[2]}
        )
        yield from _bounds(f"fault {name}", count, fired)
    yield from _bounds("the time", expect.time, result.elapsed_ns)


def _bounds(what: str, expected: Bounds | None, found: float | None) -> Iterator[Failure]:
    if expected is None:
        return
    if found is None:
        yield Failure(what, str(expected), "nothing of the kind")
    elif not expected.admits(found):
        yield Failure(what, str(expected), expected.show(found))


def _scrub(expected: ScrubExpectation | None, result: ScenarioResult) -> Iterator[Failure]:
    if expected is None:
        return
    found = result.scrub
    yield from _bounds("mismatches", expected.mismatches, found.get("mismatches"))
    if expected.blames is not None:
        blamed = found.get("blames", [])
        if sorted(expected.blames) != blamed:
            yield Failure("disks to blame", str(sorted(expected.blames)), str(blamed))


def _accesses(expect: Expect, result: ScenarioResult) -> Iterator[Failure]:
    for disk, expected in expect.accesses.items():
        for kind in type(expected).model_fields:
            found = sum(
                accesses[kind]
                for name, accesses in result.accesses.items()
                if disk in {name, "all"}
            )
            yield from _bounds(f"{kind} of {disk}", getattr(expected, kind), found)


def _syncs(expect: Expect, result: ScenarioResult) -> Iterator[Failure]:
    for action, expected in expect.sync.items():
        found = [sync for sync in result.syncs if sync["action"] == action]
        yield from _bounds(f"runs of {action}", expected.runs, len(found))
        last_ns = found[-1]["ended_ns"] - found[-1]["began_ns"] if found else None
        yield from _bounds(f"time of {action}", expected.time, last_ns)
        sectors = sum(sync["synced_sectors"] for sync in found)
        yield from _bounds(f"sectors of {action}", expected.sectors, sectors)


def _workload(
    name: str, expected: WorkloadExpectation, result: ScenarioResult
) -> Iterator[Failure]:
    figures = result.workloads.get(name)
    if figures is None:
        yield Failure(f"workload {name}", "to run", "it never began")
        return
    yield from _bounds(f"requests of {name}", expected.requests, figures["requests"])
    yield from _bounds(f"errors of {name}", expected.errors, figures["errors"])
    if expected.latency is not None:
        for percentile in type(expected.latency).model_fields:
            bounds = getattr(expected.latency, percentile)
            found = figures["latency_ns"][_PERCENTILES[percentile]]
            yield from _bounds(f"latency {percentile} of {name}", bounds, found)


def _operation(expected: OperationExpectation, result: ScenarioResult) -> Iterator[Failure]:
    counts = [
        operations.get(expected.operation, 0)
        for place, operations in result.operations.items()
        if expected.on == place or (expected.on == ANY_CHANNEL and place != SOFTWARE)
    ]
    what = f"operations {expected.operation} on {expected.on}"
    yield from _bounds(what, expected.count, sum(counts))
