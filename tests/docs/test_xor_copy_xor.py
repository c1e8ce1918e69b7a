"""The document's example runs as its page shows: the same bytes everywhere, steps where it says."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "examples" / "xor-copy-xor.md").read_text()
CODE = re.search(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1]
RUNS = re.findall(r"^<!-- engines:(.*?)-->\n\n```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("engines", "shown"), RUNS)
def test_the_example_prints_what_its_page_shows(engines, shown, capsys):
    names = {"__name__": "example"}
    exec(compile(CODE, "xor-copy-xor.md", "exec"), names)  # noqa: S102  our own page
    names["main"](engines.split())
    assert capsys.readouterr().out == shown


def test_the_bytes_are_the_same_without_an_engine_on_one_and_on_two():
    assert [len(engines.split()) for engines, _ in RUNS] == [0, 1, 2]
    assert len({tuple(re.findall(r"_dest \w+", shown)) for _, shown in RUNS}) == 1


def test_two_engines_are_told_by_their_channel_switches():
    assert RUNS[2][1].count("switch from") == 2
    assert "switch from" not in RUNS[0][1] + RUNS[1][1]
