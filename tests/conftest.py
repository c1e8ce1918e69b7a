"""What all tests have in common."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from raidsim.cli import run

if TYPE_CHECKING:
    from pathlib import Path

# How long an example takes says nothing where tests share the machine.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture):
    """Run `raidsim` in `tmp_path`, in this process: `cli("create arr --level 5 ...")`."""
    monkeypatch.chdir(tmp_path)

    def run_line(line: str) -> Outcome:
        capfdbinary.readouterr()
        status = run(shlex.split(line))
        captured = capfdbinary.readouterr()
        return Outcome(status, captured.out.decode(), captured.err.decode())

    return run_line


@pytest.fixture
def done(cli):
    """The same for a command that has to succeed, silently on standard error; its output."""

    def run_line(line: str) -> str:
        outcome = cli(line)
        assert (outcome.status, outcome.err) == (0, "")
        return outcome.out

    return run_line
