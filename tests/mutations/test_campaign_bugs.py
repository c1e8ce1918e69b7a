"""Bugs in md, async_tx and the engine models are each found by a campaign of 500 runs."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLANTED = tomllib.loads((Path(__file__).parent / "campaign.toml").read_text())["planted"]
RUNS = 500
# The failure that is found first; nothing is made small.
CAMPAIGN = """
import sys
from raidsim.scenario.campaign import run_trial
for seed in range(int(sys.argv[2])):
    trial = run_trial(seed, sys.argv[1])
    if trial.failures:
        sys.exit(f"seed {seed}: {trial.failures}")
"""
each_planted = pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted["bug"])


def test_there_are_enough_bugs_of_all_kinds():
    assert len(PLANTED) >= 15
    assert {planted["file"].partition("/")[0] for planted in PLANTED} >= {
        "md",
        "async_tx",
        "dmaengine",
    }


@each_planted
def test_the_place_for_each_bug_of_a_campaign_is_still_there(planted):
    assert (ROOT / "raidsim" / planted["file"]).read_text().count(planted["right"]) == 1


@pytest.mark.slow
@each_planted
def test_a_campaign_finds_each_bug(planted, tmp_path):
    package = tmp_path / "raidsim"
    shutil.copytree(ROOT / "raidsim", package, ignore=shutil.ignore_patterns("__pycache__"))
    file = package / planted["file"]
    file.write_text(file.read_text().replace(planted["right"], planted["wrong"]))
    ran = subprocess.run(
        [sys.executable, "-P", "-c", CAMPAIGN, planted["mode"], str(RUNS)],
        env=os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, f"not found in {RUNS} runs"
    assert ran.stderr.startswith("seed "), ran.stderr
