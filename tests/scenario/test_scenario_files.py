"""The scenarios that ship: each comes out as it says, twice the same to the byte."""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path

import pytest

from raidsim.scenario import load_scenario, make_scenario, run_scenario
from raidsim.scenario.words import explain

SCENARIOS = Path(__file__).parents[2] / "scenarios"
MEMORY = Path("/dev/shm")  # noqa: S108  a directory of its own is made there


def _files(*folders):
    return [
        pytest.param(
            path, id=f"{folder}/{path.stem}", marks=[pytest.mark.slow] * (folder == "slow")
        )
        for folder in folders
        for path in sorted((SCENARIOS / folder).glob("*.toml"))
    ]


def _expected_failures(path):
    """What a negative scenario says of its own failure, in comments."""
    lines = path.read_text().splitlines()
    return [line.removeprefix("# Fails: ") for line in lines if line.startswith("# Fails: ")]


def _run(path, kernel):
    """A run's result, all that was told of it, and what every image that it left behind holds."""
    told = []
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as keep:
        result = run_scenario(
            load_scenario(path),
            keep=keep,
            kernel=kernel,
            listeners=[lambda time_ns, event: told.append((time_ns, event))],
        )
        images = {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(Path(keep).rglob("*.img"))
        }
    return result, told, images


@pytest.mark.parametrize("path", _files("fast", "slow", "negative"))
def test_it_comes_out_as_it_says_and_the_same_to_the_byte_on_either_kernel(path):
    first = _run(path, None)
    assert [str(failure) for failure in first[0].failures] == _expected_failures(path)
    assert bool(first[0].failures) == (path.parent.name == "negative")
    assert _run(path, "numpy") == first


def test_watching_a_run_does_not_change_it():
    scenario = load_scenario(SCENARIOS / "fast" / "write-hole.toml")
    watched = run_scenario(scenario, listeners=[lambda *_: None])
    assert watched == run_scenario(scenario)


def test_another_seed_is_another_run():
    scenario = load_scenario(SCENARIOS / "fast" / "second-failure-during-rebuild.toml")
    assert run_scenario(scenario, seed=1).log != run_scenario(scenario, seed=2).log


def test_the_list_of_scenarios_has_each_by_its_title():
    listed = re.findall(
        r"^- \[(.*)\]\((.*)\)$", (SCENARIOS / "README.md").read_text(), re.MULTILINE
    )
    assert sorted(listed) == sorted(
        (load_scenario(path).title, str(path.relative_to(SCENARIOS)))
        for path in SCENARIOS.glob("*/*.toml")
    )


@pytest.mark.parametrize("path", _files("fast", "slow", "negative"))
def test_it_can_be_told_in_words(path):
    scenario = load_scenario(path)
    lines = list(explain(scenario))
    assert lines[0] == scenario.title
    assert sum(line.startswith("  ") and line[3:4] == "." for line in lines) >= min(
        len(scenario.event), 9
    )


@pytest.mark.parametrize(
    ("times", "words"), [(1, "a recover has ended"), (3, "3 recovers have ended")]
)
def test_an_event_says_how_many_syncs_it_waits_for(table, times, words):
    waits = {"when": {"sync_ended": {"action": "recover", "times": times}}, "check": {}}
    (event,) = make_scenario(table(event=[waits])).event
    assert str(event) == f"When {words}: begin a check."
