"""docs/reference/scenarios.md has every table of keys, as the classes have them."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

from raidsim.scenario import make_scenario

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "reference" / "scenarios.md"
TOOL = runpy.run_path(str(PROJECT / "tools" / "scenario_reference.py"))

# Tables whose keys are told of in words: the same as another's, bounds, or none at all.
IN_WORDS = {"Add", "Check", "Count", "DisksTable", "EndWorkload", "ReAdd", "Remove", "Stop", "Time"}


def test_the_tables_are_those_of_the_classes():
    page = PAGE.read_text()
    assert TOOL["filled"](page) == page, "run `python tools/scenario_reference.py`"


def test_no_table_is_left_out():
    marked = set(re.findall(r"<!-- keys of (\w+) -->", PAGE.read_text()))
    assert TOOL["schema_tables"]().keys() == marked | IN_WORDS


def test_what_is_told_in_words_has_the_same_keys():
    tables = TOOL["schema_tables"]()
    for name, like in (("Add", "Fail"), ("Remove", "Fail"), ("ReAdd", "Fail")):
        assert tables[name]["properties"].keys() == tables[like]["properties"].keys()
    assert (
        tables["EndWorkload"]["properties"].keys() == tables["StartWorkload"]["properties"].keys()
    )
    assert not tables["Check"]["properties"]
    assert not tables["Stop"]["properties"]


def test_the_example_is_a_scenario():
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert make_scenario(tomllib.loads(example)).event
