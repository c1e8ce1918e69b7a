"""Scenarios as plain tables, the way a file has them."""

from __future__ import annotations

import copy

import pytest

from raidsim.scenario import make_scenario, run_scenario

SMALL = {
    "schema": 1,
    "title": "a small one",
    "array": {"level": 6, "raid_devices": 5, "size": "2MiB", "chunk": "16KiB"},
}


def _with(**changes):
    table = copy.deepcopy(SMALL)
    table["array"] |= changes.pop("array", {})
    return table | changes


@pytest.fixture
def table():
    """A small scenario's table with these keys: `table(event=[...], array={"level": 5})`."""
    return _with


@pytest.fixture
def play():
    """Run such a scenario, and return its result: `play(event=[...])`."""

    def run(seed=None, **changes):
        return run_scenario(make_scenario(_with(**changes)), seed=seed)

    return run
