"""The worked example of docs/guides/sanitizer.md prints what the page says."""

import re
import subprocess
import sys
from pathlib import Path

from raidsim import Machine
from raidsim.sim.sanitizer import MAX_IN_FLIGHT

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
PAGE = (GUIDES / "sanitizer.md").read_text(encoding="utf-8")
ENGINE = (GUIDES / "writing-an-engine.md").read_text(encoding="utf-8")
_, EXAMPLE, _ = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
(SHOWN,) = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_example_prints_what_its_page_shows(tmp_path):
    (tmp_path / "example.py").write_text(EXAMPLE, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stdout == SHOWN


def test_the_bound_is_the_one_the_page_names():
    assert f"the last\n{MAX_IN_FLIGHT} are kept" in PAGE


def test_a_users_own_driver_is_watched_and_conforms_all_the_same(monkeypatch, capsys):
    machines, start = [], Machine.__init__

    def sanitized(machine, *arguments, **settings):
        machines.append(machine)
        start(machine, *arguments, **settings, sanitize=True)

    monkeypatch.setattr(Machine, "__init__", sanitized)
    module = "\n".join(re.findall(r"^```python\n(.*?)^```", ENGINE, re.MULTILINE | re.DOTALL))
    exec(compile(module, "guide", "exec"), {})  # noqa: S102  our own page
    assert "points hold" in capsys.readouterr().out
    # The conformance kit queues unordered copies on purpose; md, at the end of the page, does not.
    assert any(machine.sanitizer.reports for machine in machines)
    assert not machines[-1].sanitizer.reports
