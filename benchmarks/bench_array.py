"""Sequential write and read, check and two-disk rebuild of a RAID6, beside real md on like files.

    python benchmarks/bench_array.py [--members 8] [--member-mib 256] [--chunk-kib 64] [--repeat 5]

Prints medians in MB/s of array data, and what real md does in user-mode-linux where that is
installed. Both sides run in turn in every repetition, since machines have moods. The images lie on
/dev/shm and are written once beforehand, so that neither side pays for the host's first touch of
the memory.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from raidsim.array import Array, ArraySpec

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "oracle"))
from uml import RealMd, missing_packages

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
JOBS = ("sequential write", "sequential read", "check", "degraded read", "two-disk rebuild")


def raidsim_times(images: list[Path], spec: ArraySpec, directory: Path) -> tuple[list[float], int]:
    """Seconds of each job, and the bytes of the array."""
    piece = np.random.default_rng(1).integers(0, 256, 64 * MIB, dtype=np.uint8)
    members = images[: spec.raid_disks]
    with Array.create(directory, spec, members) as array:
        size = array.size

        def pieces(move: Callable[[int, np.ndarray], None]) -> None:
            for start in range(0, size, len(piece)):
                move(start, piece[: size - start])

        seconds = [timed(lambda: (pieces(array.write), array.flush()))]
        seconds.append(timed(lambda: pieces(array.read_into)))
        seconds.append(timed(array.check))
        array.fail("1")
        array.fail("4")
        seconds.append(timed(lambda: pieces(array.read_into)))
        for image in images[spec.raid_disks :]:
            array.add(image)
        seconds.append(timed(array.rebuild))
    return seconds, size


def timed(job: Callable[[], object]) -> float:
    """Seconds that ``job`` takes."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def md_times(images: list[Path], spec: ArraySpec) -> list[float]:
    """Seconds of each job on real md."""
    disks = [f"/dev/ubd{letter}" for letter in "abcdefghijklmnop"[: len(images)]]
    md = "/sys/block/md0/md"
    idle = f"until [ $(cat {md}/sync_action) = idle ]; do sleep 0.02; done"
    script = f"""
    now() {{ read up _ </proc/uptime; echo $up; }}
    mdadm --create /dev/md0 --run --assume-clean --bitmap=none --level=6 \
        --raid-devices={spec.raid_disks} --chunk={spec.chunk_sectors // 2} \
        {" ".join(disks[: spec.raid_disks])}
    echo 10000000 > /proc/sys/dev/raid/speed_limit_max
    echo 10000000 > /proc/sys/dev/raid/speed_limit_min
    bytes=$(blockdev --getsize64 /dev/md0)
    section times
    now; dd status=none if=/dev/zero of=/dev/md0 bs=1M oflag=direct count=$((bytes >> 20)); now
    now; dd status=none if=/dev/md0 of=/dev/null bs=1M iflag=direct; now
    now; echo check > {md}/sync_action; {idle}; now
    mdadm --fail /dev/md0 {disks[1]} {disks[4]} 2>/dev/null; sleep 0.5
    mdadm --remove /dev/md0 {disks[1]} {disks[4]} 2>/dev/null
    now; dd status=none if=/dev/md0 of=/dev/null bs=1M iflag=direct; now
    echo frozen > {md}/sync_action
    mdadm --add /dev/md0 {" ".join(disks[spec.raid_disks :])} 2>/dev/null
    now; echo idle > {md}/sync_action; sleep 0.05; {idle}; now
    """
    output = RealMd.run(images, script, timeout_s=600).sections["times"].split()
    stamps = [float(stamp) for stamp in output]
    return [end - start for start, end in zip(stamps[::2], stamps[1::2], strict=True)]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--member-mib", type=int, default=256)
    parser.add_argument("--chunk-kib", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    spec = ArraySpec(
        level=6,
        raid_disks=options.members,
        layout=2,
        chunk_sectors=options.chunk_kib * 2,
        in_sync=True,
    )
    peer = not missing_packages()
    rates: dict[tuple[str, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="bench-array-") as scratch:
        images = [Path(scratch, f"disk{i}.img") for i in range(options.members + 2)]
        for image in images:
            image.write_bytes(b"\0" * (options.member_mib * MIB))
        for turn in range(options.repeat):
            seconds, size = raidsim_times(images, spec, Path(scratch, f"array{turn}"))
            note(rates, "raidsim", seconds, size)
            wipe(images)
            if peer:
                note(rates, "md", md_times(images, spec), size)
                wipe(images)
    report(rates, peer=peer)


def note(
    rates: dict[tuple[str, str], list[float]], side: str, seconds: list[float], size: int
) -> None:
    """Add one repetition's rates."""
    for job, elapsed in zip(JOBS, seconds, strict=True):
        rates[side, job].append(size / elapsed / 1e6)


def wipe(images: list[Path]) -> None:
    """Take the superblocks away, and nothing else."""
    for image in images:
        with image.open("r+b") as file:
            file.write(b"\0" * 65536)


def report(rates: dict[tuple[str, str], list[float]], *, peer: bool) -> None:
    """Print the table of medians."""
    print(f"{'MB/s of array data, medians':32}{'raidsim':>10}{'md':>10}{'ratio':>8}")
    for job in JOBS:
        ours = rates["raidsim", job]
        line = f"{job:32}{statistics.median(ours):10.0f}"
        if peer:
            theirs = rates["md", job]
            ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
            line += f"{statistics.median(theirs):10.0f}{ratio:8.1f}"
        print(line)


if __name__ == "__main__":
    main()
