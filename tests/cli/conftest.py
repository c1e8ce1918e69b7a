from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def _fingerprint(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "directory"
        )
        for path in sorted(directory.rglob("*"))
    }


@pytest.fixture
def fingerprint():
    """A function that tells what lies below a directory, and what the files hold."""
    return _fingerprint


@pytest.fixture
def refused(cli, tmp_path: Path):
    """The same for a command that has to be refused, and change nothing; what it complained."""

    def run_line(line: str, *, status: int) -> str:
        before = _fingerprint(tmp_path)
        outcome = cli(line)
        assert outcome.status == status, outcome
        assert outcome.out == ""
        assert _fingerprint(tmp_path) == before
        assert outcome.err.startswith("raidsim: ")
        assert 1 <= len(outcome.err.splitlines()) <= 2
        return outcome.err.removeprefix("raidsim: ").replace(f"{tmp_path}/", "").rstrip("\n")

    return run_line
