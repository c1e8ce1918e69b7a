"""A run in a screenful."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from raidsim.scenario.units import duration_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raidsim.scenario.comparison import Ranges
    from raidsim.scenario.result import ScenarioResult

_MOST_RANGES = 6


def summary(result: ScenarioResult) -> Iterator[str]:
    """The lines of a table about a run, its verdict last."""
    yield from _rows("array", [_state(result)])
    yield from _rows("lost", [ranges_text(result.lost)] if result.lost else [])
    yield from _rows("damaged", [ranges_text(result.wrong)] if result.wrong else [])
    yield from _rows("members", [_members(result)] if result.members else [])
    yield from _rows("syncs", map(_sync, result.syncs))
    yield from _rows("workloads", map(_workload, result.workloads.values()))
    yield from _rows("accesses", [_accesses(result.accesses)])
    yield from _rows("written by", [_rows_written(result.counters)])
    yield from _rows("operations", (_operations(*item) for item in result.operations.items()))
    yield from _rows("faults", (f"{name} fired {n} times" for name, n in result.faults.items()))
    yield from _rows("warnings", result.risks)
    yield from _rows("error", [result.error] if result.error else [])
    yield ""
    verdict = "passed" if result.passed else "FAILED"
    yield f"{result.title}: {verdict} ({duration_text(result.elapsed_ns)}, seed {result.seed})"
    for failure in result.failures:
        yield f"  {failure}"


def ranges_text(ranges: Ranges) -> str:
    """Ranges of the array: the first few, and how many bytes in all."""
    if not ranges:
        return "none"
    shown = ", ".join(f"{offset}+{length}" for offset, length in ranges[:_MOST_RANGES])
    more = f" and {len(ranges) - _MOST_RANGES} more" if len(ranges) > _MOST_RANGES else ""
    return f"{sum(length for _, length in ranges)} bytes at {shown}{more}"


def _rows(head: str, rows: Any) -> Iterator[str]:
    for row in rows:
        yield f"{head:>12}  {row}"
        head = ""


def _state(result: ScenarioResult) -> str:
    parity = {None: "parity cannot be checked", 0: "all parity fits"}.get(
        result.parity_mismatches, f"{result.parity_mismatches} units do not match their parity"
    )
    return f"{result.state}, {parity}"


def _members(result: ScenarioResult) -> str:
    by_state: dict[str, list[str]] = {}
    for name, state in sorted(result.members.items()):
        by_state.setdefault(state.replace("_", " "), []).append(name)
    return "; ".join(f"{state}: {', '.join(names)}" for state, names in by_state.items())


def _sync(sync: dict[str, Any]) -> str:
    how = " until it was interrupted" if sync["interrupted"] else ""
    elapsed = duration_text(sync["ended_ns"] - sync["began_ns"])
    found = f", {sync['mismatch_sectors']} did not match" if sync["mismatch_sectors"] else ""
    return f"{sync['action']} of {sync['synced_sectors']} sectors took {elapsed}{how}{found}"


def _workload(figures: dict[str, Any]) -> str:
    latency = figures["latency_ns"]
    errors = f", {figures['errors']} errors" if figures["errors"] else ""
    return (
        f"{figures['name']}: {figures['requests']} requests,"
        f" {figures['requests_per_second']}/s,"
        f" median {duration_text(latency['50'])}, 99 % {duration_text(latency['99'])}{errors}"
    )


def _accesses(by_disk: dict[str, dict[str, int]]) -> str:
    total = sum(map(Counter, by_disk.values()), Counter[str]())
    return (
        f"{total['reads']} reads of {total['read_sectors']} sectors,"
        f" {total['writes']} writes of {total['written_sectors']}, {total['flushes']} flushes"
    )


def _rows_written(counters: dict[str, int]) -> str:
    return (
        f"read-modify-write: {counters['rmw']} units, reconstruct-write: {counters['rcw']},"
        f" full rows: {counters['full_row']}"
    )


def _operations(place: str, operations: dict[str, int]) -> str:
    return f"{place}: " + ", ".join(f"{n} {what}" for what, n in sorted(operations.items()))
