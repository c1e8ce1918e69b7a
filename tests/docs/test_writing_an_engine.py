"""The guide's driver is complete, and conforms: its code is run as it stands on the page."""

import re
from pathlib import Path

import pytest

from raidsim.testing import ENGINE_POINTS, EngineConformanceError

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "writing-an-engine.md"


def module_of(page):
    return "\n".join(re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL))


def test_the_guides_driver_conforms_and_works(capsys):
    exec(compile(module_of(GUIDE.read_text()), GUIDE.name, "exec"), {})  # noqa: S102  our own page
    assert capsys.readouterr().out == f"{len(ENGINE_POINTS)} points hold\ndma0chan1 15\n"


def test_without_run_dependencies_it_is_refused_as_the_guide_shows():
    page = GUIDE.read_text()
    module = module_of(page).replace("async_tx_run_dependencies(tx)", "pass")
    with pytest.raises(EngineConformanceError) as caught:
        exec(compile(module, GUIDE.name, "exec"), {})  # noqa: S102  our own page
    shown = re.search(
        r"```text\nraidsim.testing.engine.EngineConformanceError: (.*?)```", page, re.DOTALL
    )
    assert shown[1].split() == str(caught.value).split()
