"""The main job on real input: a RAID6 that loses two disks and does not lose a byte.

It makes an ext4 image of this project's own tree (a tar of it where there is no mke2fs), keeps it
on a RAID6 of six members, fails two of them, reads everything back degraded, puts two new members
in, and checks. The commands are run as a user would type them. Exit status 0: nothing differed.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from raidsim.array import Array, ArraySpec
from raidsim.md.layout import parse_layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raidsim.dmaengine.counts import OperationCounts

PROJECT = Path(__file__).resolve().parent.parent
PATH = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
ROOM_BYTES = 1 << 30
OPERATIONS = ("memcpy", "xor", "pq", "datap", "2data")


def main() -> None:
    """Run the demonstration in a scratch directory."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="raidsim-demo-", dir=_scratch()) as scratch:
        os.chdir(scratch)
        _demonstrate()
    print(f"\nAll bytes are as they were written. ({time.monotonic() - started:.1f} s)")


def _scratch() -> str | None:
    memory = Path("/dev/shm")  # noqa: S108  where it exists, a tmpfs for exactly this
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM_BYTES:
        return str(memory)
    return None


def _demonstrate() -> None:
    _title("The input: this project's own tree")
    image = _make_input()
    content = image.read_bytes()
    print(f"{image}: {len(content) >> 20} MiB, SHA-256 {_sha256(content)}")

    _title("A RAID6 of six members takes it")
    _raidsim("create md0 --level 6 --raid-devices 6 --size 64M --engine iop13xx")
    _raidsim(f"write md0 {image}")

    _title("Two members fail")
    _raidsim("fail md0 1")
    _raidsim("fail md0 disk4.img")
    _raidsim("mdstat md0")

    _title("Everything is read back without them")
    _raidsim(f"read md0 --length {len(content)} --output degraded")
    _expect_equal(Path("degraded").read_bytes(), content)
    if image.suffix == ".ext4" and (e2fsck := shutil.which("e2fsck", path=PATH)):
        _run(e2fsck, "-fn", "degraded")

    _title("Two new members take their places")
    _raidsim("remove md0 disk1.img")
    _raidsim("remove md0 disk4.img")
    _raidsim("add md0 md0/spare6.img")
    _raidsim("add md0 md0/spare7.img")
    _raidsim("rebuild md0")
    _raidsim("check md0")
    _raidsim("detail md0")

    _title("The same job in one process, to count its operations: in software, then on an engine")
    for engines in ((), ("iop13xx",)):
        _count_operations(content, engines)

    if mdadm := shutil.which("mdadm", path=PATH):
        _title("mdadm reads what raidsim wrote")
        _run(mdadm, "--examine", "md0/spare6.img")


def _make_input() -> Path:
    """An image of the project's files: what git would list, roughly."""
    tree = Path("tree")
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")
    shutil.copytree(PROJECT, tree, ignore=ignored)
    if mke2fs := shutil.which("mke2fs", path=PATH):
        image = Path("project.ext4")
        _run(mke2fs, "-q", "-t", "ext4", "-d", str(tree), str(image), "96M")
        return image
    return Path(shutil.make_archive("project", "tar", tree))


def _count_operations(content: bytes, engines: Sequence[str]) -> None:
    """Do the job through the Python API, which can tell what ran where."""
    spec = ArraySpec(level=6, raid_disks=6, layout=parse_layout(6, "default"))
    path = Path("counted")
    with Array.create(path, spec, image_bytes=64 << 20, engines=engines) as array:
        array.write(0, content)
        for disk in ("disk1.img", "disk4.img"):
            array.fail(disk)
            array.remove(disk)
        _expect_equal(array.read(0, len(content)), content)
        for image in ("spare6.img", "spare7.img"):
            array.add(path / image)
        array.rebuild()
        machine = array.machine
    shutil.rmtree(path)
    _show_counts("software", machine.async_tx_stats.software)
    if engines:
        _show_counts(engines[0], machine.async_tx_stats.offloaded)
    for device in machine.dmaengine.devices:
        for channel in device.channels:
            _show_counts(f"  {channel.name}", channel.counts)


def _show_counts(place: str, counts: OperationCounts) -> None:
    shown = "  ".join(f"{name} {counts.operations[name]:5}" for name in OPERATIONS)
    print(f"{place:<12}  {shown}")


def _title(text: str) -> None:
    print(f"\n== {text}", flush=True)


def _raidsim(line: str) -> None:
    print(f"$ raidsim {line}", flush=True)
    subprocess.run([sys.executable, "-m", "raidsim", *shlex.split(line)], check=True)


def _run(program: str, *arguments: str) -> None:
    print(f"$ {Path(program).name} {shlex.join(arguments)}", flush=True)
    subprocess.run([program, *arguments], check=True)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _expect_equal(found: bytes, wanted: bytes) -> None:
    print(f"SHA-256 {_sha256(found)}")
    if _sha256(found) != _sha256(wanted):
        sys.exit("raidsim demo: what was read is not what was written")


if __name__ == "__main__":
    main()
