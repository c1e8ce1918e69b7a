"""``raidsim top`` on a real terminal, tmux's, driven by its keys."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from raidsim.array import Array, ArraySpec

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs the Debian package tmux"),
]

PROGRAM = f"{sys.executable} -m raidsim"
DEADLINE_SECONDS = 30


class Terminal:
    """A terminal of 80 columns and 24 lines, in a tmux server of its own."""

    def __init__(self, socket, command, directory):
        self._tmux = ["tmux", "-S", str(socket), "-f", "/dev/null"]
        self._run("new-session", "-d", "-x", "80", "-y", "24", "-c", str(directory), command)

    def _run(self, *words):
        environment = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        ran = subprocess.run(
            [*self._tmux, *words], env=environment, check=True, capture_output=True, text=True
        )
        return ran.stdout

    def press(self, *keys):
        self._run("send-keys", *keys)

    def resize(self, width, height):
        self._run("resize-window", "-x", str(width), "-y", str(height))

    def screen(self):
        return self._run("capture-pane", "-p")

    def show(self, *texts):
        """Wait until the screen has all of ``texts``, and return it."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while any(text not in (screen := self.screen()) for text in texts):
            assert time.monotonic() < deadline, f"{texts} never came up on\n{screen}"
            time.sleep(0.05)
        return screen

    def kill(self):
        self._run("kill-server")


@pytest.fixture
def server(tmp_path):
    spec = ArraySpec(level=6, raid_disks=5, layout=2, chunk_sectors=128)
    Array.create(tmp_path / "md0", spec, image_bytes=8 << 20).close()
    server = subprocess.Popen(
        [*PROGRAM.split(), "serve", "md0"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert "serving" in server.stdout.readline()
    yield server
    server.terminate()
    assert server.wait(DEADLINE_SECONDS) == 0
    server.stdout.close()


@pytest.fixture
def terminal(server, tmp_path):  # noqa: ARG001  it has to be there first
    command = f"{PROGRAM} top md0 --interval 0.2; echo ended with status $?; cat"
    opened = Terminal(tmp_path / "tmux.sock", command, tmp_path)
    yield opened
    opened.kill()


def raidsim(directory, *words):
    ran = subprocess.run([*PROGRAM.split(), *words], cwd=directory, check=True, capture_output=True)
    return ran.stdout.decode()


def test_keys_drive_it_from_a_failed_disk_to_a_rebuilt_array(terminal, tmp_path):
    first = terminal.show("md0  RAID6, 5 disks", "State    clean", "nothing to sync")
    assert len(first.splitlines()) == 24
    raidsim(tmp_path, "write", "md0", str(Path(__file__)))
    terminal.show("active")

    terminal.press("j", "f")
    terminal.show("Fail disk1.img of md0? y yes")
    terminal.press("n")
    terminal.show("nothing was done")
    terminal.press("f", "y")
    terminal.show("set disk1.img faulty", "degraded", "faulty")

    terminal.press("5")
    terminal.show("raid: disk failure on disk1.img, disabling device")
    terminal.press("a", "n", "e", "w", ".", "i", "m", "g", "Enter")
    terminal.show("Add new.img to md0? y yes")
    terminal.press("y")
    terminal.show("added new.img")
    terminal.show("md: recovery done.")
    terminal.press("2", "s")
    terminal.show("new.img", "by throughput")
    assert "new.img" in raidsim(tmp_path, "mdstat", "md0")

    terminal.resize(120, 30)
    terminal.press("3")
    assert len(terminal.show("Stripe cache", "reconstruct-write").splitlines()) == 30
    terminal.press("p")
    terminal.show("paused")
    terminal.press("h")
    terminal.show("choose the view")
    terminal.press("q")
    terminal.show("ended with status 0")


def test_it_ends_with_a_word_when_the_server_does(terminal, server):
    terminal.show("State")
    server.terminate()
    terminal.show("raidsim: md0: its server has stopped", "ended with status 1")


def test_a_scenario_is_watched_paused_and_left(tmp_path):
    scenario = Path(__file__).parents[2] / "scenarios" / "fast" / "speed-limit.toml"
    command = f"{PROGRAM} run --live {scenario}; echo ended with status $?; cat"
    terminal = Terminal(tmp_path / "tmux.sock", command, tmp_path)
    try:
        terminal.show("array  RAID5, 4 disks", "Sync     recovery")
        terminal.press("Space")
        assert " at " in terminal.show("paused").splitlines()[0]
        terminal.press("f", "y")
        terminal.show("the scenario alone fails and adds disks")
        terminal.press("q")
        terminal.show("passed", "ended with status 0")
    finally:
        terminal.kill()
