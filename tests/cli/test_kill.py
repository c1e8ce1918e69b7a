"""A kill -9 at any moment leaves an array that assembles, and finishes its resync or recovery."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from itertools import count

import pytest

# Dies in the middle of its n-th write to an image: half of it is on the disk.
DYING_RAIDSIM = """
import os, signal, sys
from raidsim.cli import run

pwritev, left = os.pwritev, int(sys.argv[1])

def dying_pwritev(fd, buffers, offset, flags=0):
    global left
    left -= 1
    if not left:
        half = len(buffers[0]) // 1024 * 512
        pwritev(fd, [buffers[0][:half]], offset, flags)
        os.kill(os.getpid(), signal.SIGKILL)
    return pwritev(fd, buffers, offset, flags)

os.pwritev = dying_pwritev
sys.exit(run(sys.argv[2:]))
"""

LENGTH = 1_500_000
OLD = random.Random(2).randbytes(6 << 20)
NEW = random.Random(3).randbytes(LENGTH)
OFFSET = 1_000_000


@pytest.fixture
def killed_in_write(tmp_path):
    """Run a command that dies in its n-th write; tell whether it lived to make so many."""

    def run_line(number: int, *arguments: str) -> bool:
        command = [sys.executable, "-c", DYING_RAIDSIM, str(number), *arguments]
        dead = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        assert dead.returncode in {0, -signal.SIGKILL}, dead.stderr
        return dead.returncode != 0

    return run_line


@pytest.fixture
def array(done, tmp_path):
    """A RAID6 of five full of OLD, and a file of NEW."""
    (tmp_path / "old").write_bytes(OLD)
    (tmp_path / "new").write_bytes(NEW)
    done("create arr --level 6 --raid-devices 5 --chunk 64K --size 4M")
    done("write arr old")


def _content(done, tmp_path):
    done("read arr --length 6M --output content")
    return (tmp_path / "content").read_bytes()


def _assert_each_sector_is_old_or_new(content):
    assert content[:OFFSET] == OLD[:OFFSET]
    assert content[OFFSET + LENGTH :] == OLD[OFFSET + LENGTH :]
    for start in range(OFFSET - OFFSET % 512, OFFSET + LENGTH, 512):
        sector = content[start : start + 512]
        new = bytearray(OLD[start : start + 512])
        first, last = max(OFFSET - start, 0), min(OFFSET + LENGTH - start, 512)
        new[first:last] = NEW[start + first - OFFSET : start + last - OFFSET]
        assert sector in {OLD[start : start + 512], bytes(new)}


def _die_in_write_and_recover(number, killed_in_write, done, tmp_path):
    died = killed_in_write(number, "write", "arr", "new", "--offset", str(OFFSET))
    images = " ".join(f"arr/disk{slot}.img" for slot in range(5))
    done(f"assemble arr {images}")
    done("rebuild arr")
    assert done("check arr") == "arr: check done, mismatch_cnt 0 sectors\n"
    _assert_each_sector_is_old_or_new(_content(done, tmp_path))
    return died


@pytest.mark.usefixtures("array")
@pytest.mark.parametrize("number", [1, 4, 6, 17])
def test_write_killed_is_resynced(number, killed_in_write, done, tmp_path):
    assert _die_in_write_and_recover(number, killed_in_write, done, tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("array")
def test_write_killed_at_many_moments_is_resynced(killed_in_write, done, tmp_path):
    for number in count(1, 5):
        done("write arr old")
        if not _die_in_write_and_recover(number, killed_in_write, done, tmp_path):
            break
    assert number > 20


def _die_in_rebuild_and_recover(number, killed_in_write, done, tmp_path):
    died = killed_in_write(number, "rebuild", "arr")
    done("detail arr")
    done("rebuild arr")
    assert done("check arr") == "arr: check done, mismatch_cnt 0 sectors\n"
    assert _content(done, tmp_path) == OLD
    return died


@pytest.mark.usefixtures("array")
@pytest.mark.parametrize("number", [1, 3, 9, 40])
def test_rebuild_killed_goes_on(number, killed_in_write, cli, done, tmp_path):
    for slot in (1, 2):
        cli(f"fail arr {slot}")
        done(f"remove arr disk{slot}.img")
        done(f"add arr new{slot}.img")
    assert _die_in_rebuild_and_recover(number, killed_in_write, done, tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("array")
def test_rebuild_killed_at_many_moments_goes_on(killed_in_write, cli, done, tmp_path):
    for number in count(1, 7):
        cli("fail arr disk1.img")
        done("remove arr disk1.img")
        done("add arr arr/disk1.img")
        if not _die_in_rebuild_and_recover(number, killed_in_write, done, tmp_path):
            break
    assert number > 20


@pytest.mark.usefixtures("array")
@pytest.mark.parametrize("number", [5, 12])
def test_degraded_write_killed_needs_force_and_then_finishes(number, killed_in_write, cli, done):
    cli("fail arr 3")
    done("remove arr disk3.img")
    assert killed_in_write(number, "write", "arr", "new", "--offset", str(OFFSET))
    images = " ".join(f"arr/disk{slot}.img" for slot in (0, 1, 2, 4))
    refused = cli(f"assemble arr {images}")
    assert refused.status == 1
    assert "cannot start a dirty degraded array" in refused.err
    done(f"assemble arr --force {images}")
    done("add arr new3.img")
    done("rebuild arr")
    assert cli("repair arr").status == 0
    assert done("check arr") == "arr: check done, mismatch_cnt 0 sectors\n"


@pytest.mark.usefixtures("array")
@pytest.mark.parametrize("number", [1, 3, 5])
def test_fail_killed_leaves_an_array_that_assembles(number, killed_in_write, done, tmp_path):
    killed_in_write(number, "fail", "arr", "1")
    done("detail arr")
    assert _content(done, tmp_path) == OLD


@pytest.mark.usefixtures("array")
def test_interrupt_leaves_the_array_clean(done, tmp_path):
    # In the background, a shell has its programs ignore what Ctrl-C sends; they pass that on.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    writer = subprocess.Popen(
        [sys.executable, "-m", "raidsim", "write", "arr", "-"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    signal.signal(signal.SIGINT, before)
    writer.stdin.write(bytes(6 << 20))
    writer.stdin.flush()
    writer.send_signal(signal.SIGINT)
    _, complaint = writer.communicate()
    assert (writer.returncode, complaint.strip()) == (130, b"")
    assert "State : clean \n" in done("detail arr")
