"""The differential fuzzer in CI: what once differed, and a few seeds."""

from __future__ import annotations

import pytest
from both import run_both, script
from operations import draw_plan
from regressions import REGRESSIONS

SEEDS = range(6)


@pytest.mark.usefixtures("real_md")
@pytest.mark.parametrize("plans", [list(REGRESSIONS.values()), list(map(draw_plan, SEEDS))],
                         ids=["regressions", "seeds"])  # fmt: skip
def test_the_same_operations_do_the_same(plans):
    for verdict in run_both(plans):
        told = "\n".join(difference.text for difference in verdict.differences[:10])
        assert not told, f"seed {verdict.plan.seed}: {told}\n{script(verdict.plan)}"
