"""Scenarios: arrays, faults, workloads and events in a file, run in virtual time and judged."""

from raidsim.scenario.loading import ScenarioError, load_scenario, make_scenario
from raidsim.scenario.model import Scenario
from raidsim.scenario.result import Failure, ScenarioResult
from raidsim.scenario.runner import run_scenario

__all__ = [
    "Failure",
    "Scenario",
    "ScenarioError",
    "ScenarioResult",
    "load_scenario",
    "make_scenario",
    "run_scenario",
]
