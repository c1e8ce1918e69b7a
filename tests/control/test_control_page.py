"""The conversation on the page about the control socket is held, and goes as it says."""

import re
import socket
from pathlib import Path

from raidsim.array import Array
from raidsim.array.monitor import Monitor
from raidsim.control.service import ControlService

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "control.md"


def conversation():
    for block in re.findall(r"^```control\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        yield from block.splitlines()


def matches(shown, line):
    return re.fullmatch(".*".join(map(re.escape, shown.split("..."))), line.strip())


def receive(lines, *, progress):
    """The next line; those of progress that are not shown are passed over."""
    while '"progress"' in (line := compact(lines.readline())) and not progress:
        pass
    return line


def compact(line):
    return re.sub(r'([:,])(?=["\[{\d])', r"\1 ", line.decode())


def test_the_conversation_goes_as_it_is_shown(tmp_path, make_array, served, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_array(Path("md0"))
    served(Path("md0"))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("md0/control.sock")
        with client.makefile("rb") as lines:
            for line in conversation():
                if line.startswith("> "):
                    client.sendall(line[2:].encode() + b"\n")
                else:
                    told = receive(lines, progress='"progress"' in line)
                    assert matches(line[2:], told), f"{told} is not {line}"


def test_the_page_lists_every_command(tmp_path, make_array):
    make_array(tmp_path / "a")
    with Array.open(tmp_path / "a") as array, Monitor(array) as monitor:
        known = ControlService(array, monitor, lambda: None)._calls
    _, table = PAGE.read_text().split("## Commands")
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    assert sorted(re.findall(r"`(.*?)`", " ".join(rows))) == sorted(known)
