"""What is counted in a run, over all machines that it boots."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raidsim import Machine
    from raidsim.array import Array
    from raidsim.md.rdev import Rdev
    from raidsim.scenario.result import ScenarioResult
    from raidsim.scenario.stage import Stage

SOFTWARE = "software"
"""Where operations run that no engine takes."""


class Tally:
    """What machines that are gone have computed, and how arrays that are gone wrote their rows."""

    def __init__(self) -> None:
        self._operations: Counter[tuple[str, str]] = Counter()
        self._units: Counter[str] = Counter()

    def retire_machine(self, machine: Machine) -> None:
        """Remember what a machine was asked to compute."""
        self._operations += _operations(machine)

    def retire_array(self, array: Array) -> None:
        """Remember how an array wrote its rows."""
        self._units += _units(array)

    def operations(self, machine: Machine) -> dict[str, dict[str, int]]:
        """How many operations there were so far, by place and name; ``machine`` runs now."""
        by_place: dict[str, dict[str, int]] = {}
        for (place, name), count in sorted((self._operations + _operations(machine)).items()):
            by_place.setdefault(place, {})[name] = count
        return by_place

    def units(self, array: Array | None) -> dict[str, int]:
        """How many units of 4 KiB were written which way; ``array`` runs now."""
        units = self._units + (_units(array) if array is not None else Counter())
        return {way: units[way] for way in ("rmw", "rcw", "full_row")}


def _operations(machine: Machine) -> Counter[tuple[str, str]]:
    places = {SOFTWARE: machine.async_tx_stats.software}
    places |= {c.name: c.counts for device in machine.dmaengine.devices for c in device.channels}
    return Counter(
        {
            (place, name): count
            for place, counts in places.items()
            for name, count in counts.operations.items()
            if count
        }
    )


def _units(array: Array) -> Counter[str]:
    writes = array.mddev.personality.conf.writes
    return Counter({"rmw": writes.rmw, "rcw": writes.rcw, "full_row": writes.full_row})


def take_facts(stage: Stage, result: ScenarioResult) -> None:
    """Note in ``result`` what has happened so far."""
    record = stage.record
    result.elapsed_ns = stage.now_ns
    result.risks = stage.risks
    result.syncs = [sync.to_table() for sync in record.syncs]
    scrubs = [sync for sync in record.syncs if sync.action in {"check", "repair"}]
    if scrubs:
        blamed = {device for _, device in stage.scrubs[-1].by_member}
        result.scrub = {
            "mismatches": scrubs[-1].mismatch_sectors,
            "blames": sorted(name.removesuffix(".img") for name in blamed),
        }
    result.workloads = {
        name: {**report.to_table(), "errors": report.errors, **report.transfers.to_table()}
        for name, report in stage.load.reports().items()
    }
    result.counters = {
        **stage.tally.units(stage.array),
        "failed_members": record.failures,
        "corrected_sectors": record.corrected_sectors,
        "bad_block_sectors": record.bad_block_sectors,
    }
    result.accesses = {
        name: accesses.to_table() for name, accesses in sorted(stage.accesses.items())
    }
    result.operations = stage.tally.operations(stage.machine)
    result.faults = {fault.name: fault.fired for fault in stage.faults}
    result.log = record.log


def take_state(array: Array, result: ScenarioResult) -> None:
    """Note in ``result`` what the array and its members are."""
    mddev = array.mddev
    result.state = "failed" if mddev.broken else "degraded" if mddev.degraded else "clean"
    result.members = {image.path.stem: member_state(rdev) for rdev, image in array.images.items()}


def member_state(rdev: Rdev) -> str:
    """What a member is, in a word of ``expect.members``."""
    if rdev.faulty:
        return "faulty"
    if rdev.raid_disk < 0:
        return "spare"
    return "in_sync" if rdev.in_sync else "rebuilding"
