"""A real file system on a served array: Linux' ext4, mounted, through a lost disk and a rebuild.

nbdfuse shows the export as a file, user-mode-linux mounts that; neither needs root.
"""

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from raidsim.array import Array, ArraySpec

PROGRAMS = {"nbdfuse": "libnbd-bin", "fusermount3": "fuse3", "mkfs.ext4": "e2fsprogs"}
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
DEADLINE_SECONDS = 120

# Each tree is a copy of the first; what the page cache holds is dropped before they are compared.
SCRIPT = """
mount -t ext4 /dev/ubda /run/mnt
cp -r {source} /run/mnt/0
sync
echo begun
n=0
until [ -e {directory}/enough ]; do
    n=$((n + 1))
    cp -r {source} /run/mnt/$((n % 4 + 1))
    sync
    rm -rf /run/mnt/$(((n + 1) % 4 + 1))
done
echo "copied $n times"
sync
echo 3 >/proc/sys/vm/drop_caches
for tree in /run/mnt/[0-4]; do diff -r {source} $tree; done
umount /run/mnt
echo "all alike"
"""


@pytest.fixture(autouse=True)
def needs():
    missing = [package for name, package in PROGRAMS.items() if not shutil.which(name, path=PATH)]
    if missing:
        pytest.skip(f"needs the Debian packages {', '.join(missing)}")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("needs /dev/fuse")


def run(*words, check=True):
    environment = os.environ | {"PATH": PATH}
    ran = subprocess.run(words, env=environment, check=check, capture_output=True, text=True)
    return ran.stdout


def raidsim(*words):
    ran = subprocess.run(
        [sys.executable, "-m", "raidsim", *words], check=True, capture_output=True, text=True
    )
    return ran.stdout


@contextmanager
def server(array):
    """Serve the array; at the end it is marked clean."""
    command = [sys.executable, "-m", "raidsim", "serve", str(array)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
        try:
            assert "serving" in serving.stdout.readline()
            yield
        finally:
            serving.terminate()
        assert serving.wait(DEADLINE_SECONDS) == 0


@contextmanager
def volume(array, file):
    """The array as a file."""
    file.touch()
    with subprocess.Popen(["nbdfuse", str(file), "--unix", str(array / "nbd.sock")]) as fuse:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not file.stat().st_size:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        try:
            yield
        finally:
            run("fusermount3", "-u", str(file), check=False)
            assert fuse.wait(DEADLINE_SECONDS) == 0


def make_files(directory):
    """Some files of all sizes, in directories, whose bytes are nowhere alike."""
    directory.mkdir()
    for number in range(60):
        path = directory / str(number % 7) / f"file{number}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(os.urandom(number * number * 150))


def test_ext4_survives_two_lost_disks_under_load(tmp_path, real_md):
    array, file, source = tmp_path / "md0", tmp_path / "volume", tmp_path / "files"
    make_files(source)
    spec = ArraySpec(level=6, raid_disks=6, layout=2, chunk_sectors=128, spare_disks=1)
    Array.create(array, spec, image_bytes=48 << 20).close()
    with server(array):
        with volume(array, file):
            run("mkfs.ext4", "-q", str(file))
            script = "mkdir /run/mnt\n" + SCRIPT.format(source=source, directory=tmp_path)
            with real_md([file], script) as linux:
                linux.wait_for("begun")
                raidsim("set", str(array), "sync_speed_max", "10000")  # so that it meets the load
                raidsim("fail", str(array), "disk1.img")
                assert "recovery done" in raidsim("rebuild", str(array))
                raidsim("fail", str(array), "disk3.img")
                raidsim("fail", str(array), "disk4.img")
                raidsim("add", str(array), str(tmp_path / "new.img"))
                raidsim("rebuild", str(array))
                assert raidsim("get", str(array), "degraded") == "1\n"
                (tmp_path / "enough").touch()
                ended = linux.wait(DEADLINE_SECONDS)
            assert (ended.status, "all alike" in ended.output) == (0, True), ended.output
            assert "EXT4-fs error" not in ended.console
            assert "I/O error" not in ended.console
            run("e2fsck", "-fn", str(file))
        assert "degraded" in raidsim("detail", str(array))
        assert "mismatch_cnt 0" in raidsim("check", str(array))
    with server(array), volume(array, file):
        run("e2fsck", "-fn", str(file))
        script = f"mkdir /run/mnt; mount -o ro /dev/ubda /run/mnt; diff -r {source} /run/mnt/0"
        assert real_md.run([file], script).output == ""
