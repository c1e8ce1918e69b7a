"""The code of the pages about disks is run as it stands there."""

import re
from pathlib import Path

import pytest

from raidsim.cpu import cpu_profile_names, load_cpu_profile
from raidsim.disk.models import disk_profile_names, load_disk_profile
from raidsim.testing import DISK_POINTS, DiskConformanceError

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = DOCS / "guides" / "writing-a-disk.md"


def module_of(page):
    return "\n".join(re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL))


def run(module, name):
    names = {"__name__": "page"}
    exec(compile(module, name, "exec"), names)  # noqa: S102  our own page
    return names


def test_the_guides_disk_conforms_and_its_fault_is_idle(capsys):
    run(module_of(GUIDE.read_text()), GUIDE.name)
    assert capsys.readouterr().out == f"{len(DISK_POINTS)} points hold\n"


def test_without_fua_it_is_refused_as_the_guide_shows():
    page = GUIDE.read_text()
    module = module_of(page).replace("if request.fua:\n            self.flush()", "pass")
    with pytest.raises(DiskConformanceError) as caught:
        run(module, GUIDE.name)
    shown = re.search(
        r"```text\nraidsim.testing.disk.DiskConformanceError: (.*?)```", page, re.DOTALL
    )
    assert shown[1].split() == str(caught.value).split()


@pytest.mark.parametrize("name", ["cpus.md", "disks.md", "faults.md"])
def test_the_reference_pages_examples_run(name):
    run(module_of((DOCS / "reference" / name).read_text()), name)


def test_the_reference_lists_every_drive():
    page = (DOCS / "reference" / "disks.md").read_text()
    for name in disk_profile_names():
        assert f"| `{name}` | {load_disk_profile(name).description} |" in page


def test_the_reference_lists_every_cpu():
    page = (DOCS / "reference" / "cpus.md").read_text()
    for name in cpu_profile_names():
        assert f"| `{name}` | {load_cpu_profile(name).description} |" in page
