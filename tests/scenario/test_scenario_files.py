"""The scenarios that ship: each comes out as it says, twice the same to the byte."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from raidsim.scenario import load_scenario, run_scenario

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def _files(*folders):
    return [
        pytest.param(
            path, id=f"{folder}/{path.stem}", marks=[pytest.mark.slow] * (folder == "slow")
        )
        for folder in folders
        for path in sorted((SCENARIOS / folder).glob("*.toml"))
    ]


def _run(path, keep, kernel=None):
    """A run's result, and what every file that it left behind holds."""
    told = []
    result = run_scenario(
        load_scenario(path),
        keep=keep,
        kernel=kernel,
        listeners=[lambda time_ns, event: told.append((time_ns, event))],
    )
    images = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(keep.rglob("*.img"))
    }
    return result, told, images


@pytest.mark.parametrize("path", _files("fast", "slow"))
def test_it_comes_out_as_it_says(path):
    result = run_scenario(load_scenario(path))
    assert [str(failure) for failure in result.failures] == []


@pytest.mark.parametrize("path", _files("fast", "slow", "negative"))
def test_two_runs_are_the_same_to_the_byte_also_on_the_other_kernel(path, tmp_path):
    first = _run(path, tmp_path / "first")
    assert _run(path, tmp_path / "second") == first
    assert _run(path, tmp_path / "numpy", "numpy") == first
