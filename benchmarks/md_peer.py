"""Real md in user-mode-linux, driven by fio inside it (libaio, direct), as the peer of raidsim."""

from __future__ import annotations

import json
import shutil
import string
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "oracle"))
from uml import RealMd, missing_packages

if TYPE_CHECKING:
    from raidsim.array import ArraySpec
    from raidsim.bench import Workload

# What the script is made of. Content is compared by its sum, outside of what is timed: before the
# failures, in the middle of them, and after the last rebuild.
_FUNCTIONS = """
md=/sys/block/md0/md
now() { read up _ </proc/uptime; echo $up; }
settle() { while read action <$md/sync_action; [ $action != idle ]; do sleep 0.02; done; }
timed() { section $1; now; eval "$2"; settle; now; }
sum() { section sum; sha1sum </dev/md0; }
lose() {
    mdadm --fail /dev/md0 "$@" 2>/dev/null; sleep 0.5; mdadm --remove /dev/md0 "$@" 2>/dev/null
}
rebuild() {
    echo frozen >$md/sync_action
    mdadm --zero-superblock "${@:2}"; mdadm --add /dev/md0 "${@:2}" 2>/dev/null
    timed "$1" "echo idle >$md/sync_action; sleep 0.05"
}
"""


def missing() -> list[str]:
    """Debian packages that the peer needs and this machine lacks."""
    return missing_packages() + ([] if shutil.which("fio") else ["fio"])


def measure(
    images: list[Path], spec: ArraySpec, workloads: dict[str, Workload], seconds: float
) -> dict[str, float]:
    """Run every job once on a new array over ``images``.

    Args:
        images: as many as the array has members.
        spec: its shape.
        workloads: what to read and write while all members are there.
        seconds: how long each random workload runs.

    Returns:
        Job to bytes, or requests where the order is random, a second.
    """
    disks = [f"/dev/ubd{letter}" for letter in string.ascii_lowercase[: len(images)]]
    lost = [disks[1], disks[-2]][: 1 if spec.level < 6 else 2]

    create = (
        f"mdadm --create /dev/md0 --run --assume-clean --bitmap=none --level={spec.level}"
        f" --raid-devices={spec.raid_disks} --chunk={spec.chunk_sectors // 2} {' '.join(disks)}"
    )

    assemble = f"mdadm --assemble --quiet --update=resync /dev/md0 {' '.join(disks)}"

    def fio(job: str, workload: Workload) -> str:
        limit = f"--runtime={seconds} --time_based" if workload.random else ""
        return (
            f"section {job}\nfio --output-format=json --name=job --filename=/dev/md0"
            f" --ioengine=libaio --direct=1 --rw={workload.rw} --bs={workload.block_bytes}"
            f" --iodepth={workload.depth} --norandommap --randrepeat=1 {limit}"
        )

    degraded = [fio(f"{name}, degraded", workloads[name]) for name in ("read", "randread-4k")]
    script = "\n".join(
        (
            _FUNCTIONS,
            "echo 100000000 >/proc/sys/dev/raid/speed_limit_max",
            "echo 100000000 >/proc/sys/dev/raid/speed_limit_min",
            create,
            "mdadm --stop /dev/md0",
            f'timed resync "{assemble}; sleep 0.05"',
            *(fio(name, workload) for name, workload in workloads.items()),
            "section size\nblockdev --getsize64 /dev/md0",
            'timed check "echo check >$md/sync_action"',
            "read mismatches <$md/mismatch_cnt; [ $mismatches = 0 ]",
            "sum",
            f"lose {lost[0]}",
            f'rebuild "rebuild of one" {lost[0]}',
            f"lose {' '.join(lost)}",
            *degraded,
            "sum",
            f'rebuild "rebuild of two" {" ".join(lost)}' if len(lost) == 2 else "",
            "sum",
        )
    )
    run = RealMd.run(images, script, timeout_s=900)
    parts = run.output.split("=== ")[1:]
    sections = [part.split("\n", 1) for part in parts]
    if len({text for name, text in sections if name == "sum"}) != 1:
        raise RuntimeError("real md gave different bytes back")
    figures = dict(sections)
    size = int(figures.pop("size"))
    del figures["sum"]
    return {job: _figure(text, size) for job, text in figures.items()}


def _figure(text: str, size: int) -> float:
    """A rate: of the bytes of the array where two times were printed, else as fio found it."""
    if "{" not in text:
        start, end = (float(stamp) for stamp in text.split())
        return size / (end - start)
    (job,) = json.loads(text[text.index("{") : text.rindex("}") + 1])["jobs"]
    direction = job["read"] if job["read"]["io_bytes"] else job["write"]
    return float(direction["iops" if job["job options"]["rw"].startswith("rand") else "bw_bytes"])
