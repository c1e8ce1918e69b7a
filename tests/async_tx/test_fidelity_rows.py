"""docs/fidelity.md is a promise: every row names tests that exist, every sentence has its row."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
ROWS = [
    line
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith(("| the document says", "| sentence"))
]
SENTENCES = tomllib.loads((Path(__file__).parent / "sentences.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", ROWS)
def test_every_row_names_tests_that_exist(row):
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
    assert named
    for path, name in named:
        assert f"\ndef {name}(" in (ROOT / path).read_text(encoding="utf-8")


def test_every_sentence_of_the_documents_has_its_row():
    section = PAGE.partition("## Sentence by sentence")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ((?:rework )?\d[\d.]*) \| (.*?) \| `tests/", section, re.MULTILINE)
    assert rows == list(SENTENCES.items())
