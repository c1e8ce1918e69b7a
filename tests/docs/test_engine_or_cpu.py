"""The study of engine or CPU: its tables are its figures, and its figures come out again."""

import json
import logging
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
GUIDES = PROJECT / "docs" / "guides"
SPEC = spec_from_file_location("study", PROJECT / "benchmarks" / "study_engine_or_cpu.py")
study = module_from_spec(SPEC)
SPEC.loader.exec_module(study)
FIGURES = json.loads((GUIDES / "engine-or-cpu.json").read_text())
SIDES = ("plain C", "ISA-L", "engine")


@pytest.fixture(autouse=True)
def no_word_of_failed_members():
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def test_the_page_shows_the_figures():
    assert study.tables(FIGURES) in (GUIDES / "engine-or-cpu.md").read_text()


def come_out_again(workload, width, side):
    cpu, engine = study.SIDES[side]
    result = study.run_case(workload, width, cpu, engine=engine)
    assert list(result) == pytest.approx(FIGURES[workload][side][str(width)], rel=0.02)


@pytest.mark.parametrize("side", SIDES)
def test_some_figures_come_out_again(side):
    come_out_again("full rows, operations of 128 KiB", 12, side)
    come_out_again("rebuild of two, operations of 4 KiB", 6, side)


@pytest.mark.slow
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("width", study.WIDTHS)
@pytest.mark.parametrize("workload", study.WORKLOADS)
def test_all_figures_come_out_again(workload, width, side):
    come_out_again(workload, width, side)


@pytest.mark.slow
def test_the_same_figures_make_the_same_plot(tmp_path):
    for name in ("a.svg", "b.svg"):
        study.plot(FIGURES, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
