"""raidsim beside real md in user-mode-linux: the same jobs, in turn, on images in memory.

    python benchmarks/bench_array.py [--repeat 5] [--member-mib 128] [--seconds 1.5]
        [--only TEXT ...] [--json FILE] [--plot FILE]

Each configuration is made anew in each repetition, once for md and once for raidsim with each of
its kernels, and runs: a resync over garbage, the workloads of ``raidsim bench``, a check, the
rebuild of one member, reads with as many members gone as can be, and the rebuild of those. Both
sides compare what they read, outside of what is timed. Prints medians, the ratio to md as the
median over the repetitions, since machines have moods, and whatever falls short of its target. The
images are written beforehand: the host's first touch of memory costs more than either side. A
configuration takes some 45 seconds a repetition on an idle machine of two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import md_peer

from raidsim.array import Array, ArraySpec
from raidsim.bench import WORKLOADS, Contents, run_workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MIB = 1 << 20
KERNELS = ("isal", "numpy")
SHAPES = [(5, 4), (6, 6), (6, 8), (6, 12)]
CHUNKS_KIB = (64, 512)
# Job to the ratio to md that is aimed at, with ISA-L; with NumPy no job should be slower than md.
TARGETS = {
    "resync": 5,
    "read": 1,
    "randread-4k": 2,
    "write": 5,
    "randwrite-4k": 2,
    "randwrite-64k": 2,
    "check": 5,
    "rebuild of one": 5,
    "read, degraded": 5,
    "randread-4k, degraded": 2,
    "rebuild of two": 5,
}
# What RAID6 should write, its parity counted, of what plain writes to as many files do.
PLAIN_TARGET = 0.4
PLAIN = "pwrite"
# Figures by configuration, side ("md" or a kernel) and job: one for each repetition.
Figures = dict[str, dict[str, dict[str, list[float]]]]


def main() -> None:
    """Run and print."""
    options = parse_options()
    sides = [*([] if md_peer.missing() else ["md"]), *KERNELS]
    configurations = {
        name: spec
        for name, spec in all_configurations().items()
        if not options.only or any(text in name for text in options.only)
    }
    figures: Figures = {
        name: {side: defaultdict(list) for side in (*sides, PLAIN)} for name in configurations
    }
    for turn in range(options.repeat):
        for name, spec in configurations.items():
            with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="bench-") as scratch:
                images = [Path(scratch, f"disk{i}.img") for i in range(spec.raid_disks)]
                for side in sides:
                    for image in images:
                        image.write_bytes(os.urandom(MIB) * options.member_mib)
                    for job, rate in measure(side, images, spec, options.seconds).items():
                        figures[name][side][job].append(rate)
                figures[name][PLAIN]["write"].append(plain_writes(images, spec))
            print(f"{name}: {turn + 1} of {options.repeat}", file=sys.stderr)
    for name, sided in figures.items():
        print_table(name, sided)
        for line in shortfalls(sided, configurations[name]):
            print(line)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    if options.plot:
        plot(figures, options.plot)


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--repeat", type=int, default=5, help="repetitions")
    parser.add_argument("--member-mib", type=int, default=128, help="size of each member")
    parser.add_argument("--seconds", type=float, default=1.5, help="for each random workload")
    parser.add_argument(
        "--only", action="append", help="configurations with this in their name; may be repeated"
    )
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--plot", type=Path, help="draw the ratios (needs matplotlib)")
    return parser.parse_args()


def all_configurations() -> dict[str, ArraySpec]:
    """Name to shape of every array to measure."""
    return {
        f"RAID{level} of {disks}, {chunk_kib}K": ArraySpec(
            level=level, raid_disks=disks, layout=2, chunk_sectors=chunk_kib * 2, in_sync=True
        )
        for level, disks in SHAPES
        for chunk_kib in CHUNKS_KIB
    }


def measure(side: str, images: list[Path], spec: ArraySpec, seconds: float) -> dict[str, float]:
    """Run every job once on one side; bytes, or requests where the order is random, a second."""
    if side == "md":
        return md_peer.measure(images, spec, WORKLOADS, seconds)
    os.environ["RAIDSIM_KERNEL"] = side
    with tempfile.TemporaryDirectory() as scratch:
        return measure_raidsim(Path(scratch, "array"), images, spec, seconds)


def measure_raidsim(
    directory: Path, images: list[Path], spec: ArraySpec, seconds: float
) -> dict[str, float]:
    """Run every job once on raidsim."""
    figures: dict[str, float] = {}
    crashed = Array.create(directory, spec, images)
    crashed.write(0, bytes(512))
    crashed.abandon()
    lost = [1, spec.raid_disks - 2][: 1 if spec.level < 6 else 2]
    with Array.open(directory) as array:
        contents = Contents(array.size)

        def run(name: str, job: str) -> None:
            workload = WORKLOADS[name]
            if workload.random:
                workload = replace(workload, duration_ns=int(seconds * 1e9))
            report = run_workload(array, workload, contents)
            random = workload.random
            figures[job] = report.requests_per_second if random else report.bytes_per_second

        def rate(job: Callable[[], object]) -> float:
            start = time.perf_counter()
            job()
            return array.size / (time.perf_counter() - start)

        def put_back(slots: list[int]) -> None:
            for slot in slots:
                array.remove(str(images[slot]))
                forget_members([images[slot]])
                array.add(images[slot])

        def expect_right() -> None:
            if len(contents.wrong_sectors_of(array)):
                raise RuntimeError("raidsim gave different bytes back")

        figures["resync"] = rate(array.rebuild)
        for name in WORKLOADS:
            run(name, name)
        figures["check"] = rate(array.check)
        expect_right()
        array.fail(str(lost[0]))
        put_back(lost[:1])
        figures["rebuild of one"] = rate(array.rebuild)
        for slot in lost:
            array.fail(str(slot))
        for name in ("read", "randread-4k"):
            run(name, f"{name}, degraded")
        expect_right()
        put_back(lost)
        last = rate(array.rebuild)
        if len(lost) == 2:
            figures["rebuild of two"] = last
        expect_right()
    return figures


def plain_writes(images: list[Path], spec: ArraySpec) -> float:
    """Write to all images in turn, a chunk at a time, and return bytes a second."""
    chunk = memoryview(os.urandom(spec.chunk_sectors * 512))
    size = images[0].stat().st_size
    files = [image.open("r+b", buffering=0) for image in images]
    start = time.perf_counter()
    for offset in range(0, size - len(chunk) + 1, len(chunk)):
        for file in files:
            os.pwrite(file.fileno(), chunk, offset)
    elapsed = time.perf_counter() - start
    for file in files:
        file.close()
    return size * len(images) / elapsed


def forget_members(images: list[Path]) -> None:
    """Take the superblocks away, and nothing else."""
    for image in images:
        with image.open("r+b") as file:
            file.write(bytes(65536))


def print_table(name: str, sided: dict[str, dict[str, list[float]]]) -> None:
    """Print the medians of one configuration, and the ratios to md, pair by pair."""
    peer = sided.get("md")
    print(f"\n{name:24}{'md':>10}" + "".join(f"{side:>10}{'ratio':>8}" for side in KERNELS))
    for job in sided[KERNELS[0]]:
        random = job.startswith("rand")
        unit = "1/s" if random else "MB/s"
        line = f"{f'{job}, {unit}':24}"
        line += f"{shown(peer[job], random) if peer else '':>10}"
        for side in KERNELS:
            ours = sided[side][job]
            line += f"{shown(ours, random):>10}{f'{ratio(ours, peer[job]):.1f}' if peer else '':>8}"
        print(line)


def shortfalls(sided: dict[str, dict[str, list[float]]], spec: ArraySpec) -> Iterator[str]:
    """What does not reach its target, line by line."""
    peer = sided.get("md", {})
    for side in KERNELS:
        for job in peer:
            aim = TARGETS[job] if side == "isal" else 1
            found = ratio(sided[side][job], peer[job])
            if found < aim:
                yield f"  short: {job} with {side}: {found:.1f} times md, the target is {aim}"
    if spec.level == 6:
        data_disks = spec.raid_disks - 2
        written = [rate * spec.raid_disks / data_disks for rate in sided["isal"]["write"]]
        share = ratio(written, sided[PLAIN]["write"])
        verdict = "" if share >= PLAIN_TARGET else f", short of {PLAIN_TARGET:.0%}"
        yield f"  write, parity counted: {share:.0%} of plain pwrite{verdict}"


def shown(rates: list[float], random: bool) -> str:
    """A median, in requests or megabytes."""
    return f"{statistics.median(rates) / (1 if random else 1e6):.0f}"


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of the repetitions' ratios."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def plot(figures: Figures, path: Path) -> None:
    """Draw each job's ratio to md, a line for each configuration."""
    from matplotlib import pyplot as plt  # noqa: PLC0415  an extra, for this alone

    jobs = list(next(iter(figures.values()))["isal"])
    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    for name, sided in figures.items():
        known = [job for job in jobs if job in sided["isal"]]
        ratios = [ratio(sided["isal"][job], sided["md"][job]) for job in known]
        axes.plot(ratios, [jobs.index(job) for job in known], "o", label=name)
    axes.axvline(1, color="grey")
    axes.set(xscale="log", xlabel="raidsim (ISA-L) : md in user-mode-linux")
    axes.set_yticks(range(len(jobs)), jobs)
    axes.invert_yaxis()
    axes.legend(fontsize="small")
    figure.savefig(path)


if __name__ == "__main__":
    main()
