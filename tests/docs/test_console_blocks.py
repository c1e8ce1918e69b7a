"""The commands in the documentation are run, and print what it says they print.

In a ```console block, `$ ` begins a command, `> ` goes on with it, and what follows is its output.
A page's blocks run in one scratch directory, one after the other; a block without a raidsim command
is left alone. A command without output may print anything. `...` stands for anything in a line, or
for any lines.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
README = PROJECT / "README.md"
PAGES = sorted((PROJECT / "docs").rglob("*.md"))

# What differs from run to run and from machine to machine.
_VOLATILE = [
    (re.compile(r"\b[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} [0-9]{4}"), "TIME"),
    (re.compile(r"\b[0-9a-f]{8}(:[0-9a-f]{8}){3}"), "UUID"),
    (re.compile(r"Checksum : [0-9a-f]+"), "Checksum : SUM"),
    (re.compile(r"Name : [^:]*:(\S+)  \(local to host .*\)"), r"Name : HOST:\1"),
]


def _commands(page: str) -> list[tuple[str, list[str]]]:
    """The commands of a page to run, and the lines they are to print."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        if not re.search(r"^\$ (.*\| *)?raidsim ", block, re.MULTILINE):
            continue
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line[:2] in {">", "> "} and not found[-1][1]:
                found[-1] = (f"{found[-1][0]}\n{line[2:]}", [])
            else:
                found[-1][1].append(line)
    return found


def _normal(text: str, scratch: Path) -> str:
    text = text.replace(str(scratch), "/home/you")
    for pattern, replacement in _VOLATILE:
        text = pattern.sub(replacement, text)
    return "\n".join(line.rstrip() for line in text.splitlines())


def _matches(shown: str, printed: str) -> bool:
    """Whether `printed` is what `shown` says, wildcards allowed for."""
    pattern = "".join(
        r"(?:.*\n)*" if line == "..." else r".*".join(map(re.escape, line.split("..."))) + r"\n"
        for line in shown.splitlines()
    )
    return re.fullmatch(pattern, printed + "\n") is not None


@pytest.mark.parametrize(
    "page",
    [README, *(pytest.param(page, marks=pytest.mark.slow) for page in PAGES)],
    ids=lambda page: str(page.relative_to(PROJECT)),
)
def test_console_blocks_of(page, tmp_path):
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for command, shown in _commands(page.read_text()):
        ran = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, (command, ran.stdout)
        if shown:
            printed = _normal(ran.stdout, tmp_path)
            wanted = _normal("\n".join(shown), tmp_path)
            assert _matches(wanted, printed), f"$ {command}\n{printed}\n-- is not --\n{wanted}"


@pytest.mark.parametrize(
    ("shown", "printed", "matches"),
    [
        ("a\nb", "a\nb", True),
        ("a\nb", "a\nc", False),
        ("a", "a\nb", False),
        ("a\n...", "a\nb\nc", True),
        ("...\nc", "a\nb\nc", True),
        ("a ... c", "a b c", True),
        ("a ... c", "a b\nc", False),
        ("a.c", "abc", False),
    ],
)
def test_dots_stand_for_anything(shown, printed, matches):
    assert _matches(shown, printed) is matches


def test_a_command_may_go_on():
    page = "```console\n$ raidsim run - <<END\n> title\n> END\n```\n"
    assert _commands(page) == [("raidsim run - <<END\ntitle\nEND", [])]


def test_only_blocks_with_raidsim_commands_are_run():
    page = "```console\n$ make demo\n```\n\n```console\n$ raidsim --help\nUsage: ...\n```\n"
    assert _commands(page) == [("raidsim --help", ["Usage: ..."])]
