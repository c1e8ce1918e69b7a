"""Tests that can not fail are worth nothing: each planted bug turns the tests named for it red."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLANTED = tomllib.loads((Path(__file__).parent / "planted.toml").read_text())["planted"]
each_planted = pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted["bug"])


def red_tests(package_parent, tests):
    """The tests that fail, without their parameters, with the package that lies there."""
    ran = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"),
            *("--rootdir", ROOT, "-c", ROOT / "pyproject.toml", "--tb=no", "-rf"),
            *(ROOT / "tests" / test for test in tests),
        ],
        cwd=package_parent,
        env=os.environ | {"PYTHONPATH": str(package_parent), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    # Anything but 0 and 1 means that the tests could not be run.
    assert ran.returncode in {0, 1}, ran.stdout + ran.stderr
    return set(re.findall(r"^FAILED (?:\S*/)?tests/(\S+?::\w+)", ran.stdout, re.MULTILINE))


@pytest.fixture
def package(tmp_path):
    """A copy of the package."""
    copy = tmp_path / "raidsim"
    shutil.copytree(ROOT / "raidsim", copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def test_there_are_enough_bugs():
    assert len(PLANTED) >= 20
    assert len({planted["bug"] for planted in PLANTED}) == len(PLANTED)


@each_planted
def test_the_place_for_each_bug_is_still_there(planted):
    assert (ROOT / "raidsim" / planted["file"]).read_text().count(planted["right"]) == 1


@pytest.mark.slow
def test_without_a_bug_all_these_tests_are_green(package):
    tests = sorted({test for planted in PLANTED for test in planted["tests"]})
    assert red_tests(package.parent, tests) == set()


@pytest.mark.slow
@each_planted
def test_each_bug_turns_its_tests_red(planted, package):
    file = package / planted["file"]
    file.write_text(file.read_text().replace(planted["right"], planted["wrong"]))
    assert red_tests(package.parent, planted["tests"]) == set(planted["tests"])
