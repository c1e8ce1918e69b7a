"""How many requests a second of its own CPU time raidsim simulates, drives and CPU modelled.

    python benchmarks/bench_virtual.py [--repeat 5] [--requests 4000] [--profile]

RAID6 of 8 members, NVMe drives, an engine, 4 KiB at random with 32 under way, images in memory.
Aims: 5,000 writes and 20,000 reads a second. CPU time, medians; the jobs take turns, since machines
have moods.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from raidsim import Machine
from raidsim.array import Array, ArraySpec
from raidsim.array.hardware import SimulatedHardware
from raidsim.bench import Contents, Workload, run_workload
from raidsim.disk.models import load_disk_profile, model_disk

if TYPE_CHECKING:
    from raidsim.disk import Disk, ImageDisk

DRIVE, ENGINE, CPU = "dc-p4500", "iop13xx", "isa-l"
MIB = 1 << 20
SIDES = {"no engine": ((), None), "engine": ((ENGINE,), None), "engine and CPU": ((ENGINE,), CPU)}
JOBS = ("randwrite", "randread")


class Drives(SimulatedHardware):
    """Members that take as long as the drive does."""

    profile = load_disk_profile(DRIVE)

    def disk(self, image: ImageDisk) -> Disk:
        """What md is given of a member."""
        return model_disk(self.machine, super().disk(image), self.profile)


def requests_a_second(side: str, job: str, requests: int) -> float:
    """Return how many requests were simulated for each second of CPU time."""
    engines, cpu = SIDES[side]
    spec = ArraySpec(level=6, raid_disks=8, layout=2, chunk_sectors=128, name="bench")
    workload = Workload(name=job, rw=job, depth=32, requests=requests, verify=False)
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="bench-") as scratch:
        hardware = Drives(Machine(1, timed=True, engines=engines, cpu=cpu))
        path = Path(scratch, "a")
        with Array.create(path, spec, image_bytes=32 * MIB, hardware=hardware) as array:
            contents = Contents(array.size)
            start = time.process_time()
            run_workload(array, workload, contents)
            return requests / (time.process_time() - start)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--repeat", type=int, default=5, help="repetitions")
    parser.add_argument("--requests", type=int, default=4000, help="of each run")
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    options = parser.parse_args()
    if options.profile:
        for job in JOBS:
            with cProfile.Profile() as profile:
                requests_a_second("engine", job, options.requests)
            pstats.Stats(profile).sort_stats("tottime").print_stats(45)
        return
    runs = [(side, job) for side in SIDES for job in JOBS]
    rates: dict[tuple[str, str], list[float]] = {run: [] for run in runs}
    for _ in range(options.repeat):
        for side, job in runs:
            rates[side, job].append(requests_a_second(side, job, options.requests))
    print(f"{'requests a second':<18}" + "".join(f"{job:>12}" for job in JOBS))
    for side in SIDES:
        medians = [statistics.median(rates[side, job]) for job in JOBS]
        print(f"{side:<18}" + "".join(f"{rate:>12,.0f}" for rate in medians))


if __name__ == "__main__":
    main()
