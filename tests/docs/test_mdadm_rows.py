"""docs/internals/mdadm-tests.md: every row names tests that exist, or says why there is none."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "internals" / "mdadm-tests.md").read_text(encoding="utf-8")
ROWS = [line.split(" | ") for line in PAGE.splitlines() if re.match(r"\| \d\d", line)]
# mdadm's tests of levels 4, 5 and 6; those of external metadata and clusters are another matter.
TITLES = set(
    """
00createnames 00names 00raid4 00raid5 00raid5-zero 00raid6 00readonly 01r5fail 01r5integ
01raid6integ 01replace 02r5grow 02r6grow 03assem-incr 03r5assem 03r5assemV1 04r5swap
04update-metadata 04update-uuid 05r5-internalbitmap 05r6tor0 06name 06sysfs 07changelevelintr
07changelevels 07layouts 07reshape5intr 07revert-grow 07revert-inplace 07revert-shrink
07testreshape5 19raid6auto-repair 19raid6check 19raid6repair 19repair-does-not-destroy
20raid5journal 21raid5cache 23rdev-lifetime 24raid456deadlock 25raid456-recovery-while-reshape
25raid456-reshape-corrupt-data 25raid456-reshape-deadlock 25raid456-reshape-while-recovery
""".split()  # noqa: SIM905  forty names in quotes are hard to read
)


def test_every_test_of_mdadm_has_one_row():
    titles = [title for row in ROWS for title in row[0].removeprefix("| ").split(", ")]
    named = [title for title in titles if "05r1" not in title]
    assert sorted(named) == sorted(TITLES)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_names_tests_that_exist_or_a_reason(row):
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[2])
    assert named or row[2].startswith("not here: ")
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")
