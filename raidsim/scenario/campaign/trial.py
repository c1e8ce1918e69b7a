"""One run of a campaign: drawn, played, judged."""

from __future__ import annotations

import logging
import traceback
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from raidsim.scenario.campaign.draw import draw
from raidsim.scenario.loading import make_scenario
from raidsim.scenario.runner import run_scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raidsim.scenario.result import ScenarioResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How a run of a campaign ended, as plain values.

    Attributes:
        seed: What it was drawn from.
        mode: ``within`` the budget or ``beyond`` it.
        failures: What came out otherwise than it must; empty when all is well.
        elapsed_ns: How long it took, in virtual time.
        faults_fired: How often its faults struck.
        requests: How many requests its workloads ended.
    """

    seed: int
    mode: str
    failures: list[str]
    elapsed_ns: int
    faults_fired: int
    requests: int

    def to_table(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def run_trial(seed: int, mode: str) -> Trial:
    """Draw the scenario of ``seed`` and run it."""
    table = draw(seed, mode)
    failures, result = play(table)
    if result is None:
        return Trial(
            seed=seed, mode=mode, failures=failures, elapsed_ns=0, faults_fired=0, requests=0
        )
    return Trial(
        seed=seed,
        mode=mode,
        failures=failures,
        elapsed_ns=result.elapsed_ns,
        faults_fired=sum(result.faults.values()),
        requests=sum(figures["requests"] for figures in result.workloads.values()),
    )


def play(table: dict[str, Any]) -> tuple[list[str], ScenarioResult | None]:
    """Run the scenario of a table.

    Returns:
        What came out otherwise than it must, and what came out; None if it broke off.
    """
    logging.getLogger("raidsim").setLevel(logging.ERROR)
    try:
        result = run_scenario(make_scenario(table), sanitize=True)
    except Exception as error:  # noqa: BLE001  whatever breaks is what a campaign looks for
        where = traceback.extract_tb(error.__traceback__)[-1]
        return [f"broke off: {type(error).__name__}: {error} ({where.name})"], None
    return list(_judge(table, result)), result


def _judge(table: dict[str, Any], result: ScenarioResult) -> Iterator[str]:
    """What must not be: the verdict of the scenario, and a recovery that never ended.

    An event that the array refused, as a check during a rebuild, is no failure.
    """
    events = {event.get("name") or f"event[{i}]" for i, event in enumerate(table["event"])}
    yield from (str(failure) for failure in result.failures if failure.what not in events)
    if result.error or result.state != "degraded":
        return
    states = list(result.members.values())
    if "spare" in states:
        yield "recovery: expected to begin, found a spare that was not used"
    if "rebuilding" in states:
        yield "recovery: expected to end, found a member that is still being rebuilt"
