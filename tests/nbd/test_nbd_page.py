"""docs/reference/nbd.md: every option and command has its row, every row a test that exists."""

import re
from pathlib import Path

import pytest

from raidsim.nbd import protocol

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "nbd.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "`tests/" in line]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split(" | ")[0])
def test_every_row_names_a_test_that_exists(row):
    ((path, name),) = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
    assert f"\ndef {name}(" in (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["NBD_OPT_", "NBD_CMD_"])
def test_every_option_and_command_has_its_row(kind):
    titles = {row.removeprefix("| ").split(" | ")[0].strip("`") for row in ROWS}
    names = {n for n in vars(protocol) if n.startswith(kind) and not n.startswith("NBD_CMD_FLAG_")}
    assert names == {title for title in titles if title.startswith(kind)}


def test_the_limits_are_those_of_the_server():
    limits = PAGE.partition("## Limits")[2]
    for words in ("| connections | 64 |", "TLS included | 10 s |", "stop | 5 s |"):
        assert words in limits
