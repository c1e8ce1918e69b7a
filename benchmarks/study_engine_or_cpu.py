"""The study of docs/guides/engine-or-cpu.md: does an XOR/PQ engine pay off for RAID6 over NVMe?

    python benchmarks/study_engine_or_cpu.py [--directory docs/guides]

Runs every case in virtual time, some minutes on one core, and writes ``engine-or-cpu.json``, the
figures, and ``engine-or-cpu.svg``, the plot. Prints the tables of the page.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from raidsim import Machine
from raidsim.array import Array, ArraySpec
from raidsim.array.hardware import SimulatedHardware
from raidsim.bench import Contents, Workload, run_workload
from raidsim.cpu import CpuProfile, CpuWork, load_cpu_profile
from raidsim.disk.models import load_disk_profile, model_disk

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.disk import Disk, ImageDisk

    # What is done to an array, told what to call when the part that counts begins; its rate.
    Work = Callable[[Array, Callable[[], None]], float]
    # By side and width, the fields of a Result.
    Figures = dict[str, dict[str, list[float]]]

WIDTHS = (4, 6, 8, 12, 16, 24)
ENGINE = Path(__file__).parent / "fast-pq-engine.toml"
KIB, MIB = 1 << 10, 1 << 20
UNLIMITED = str(1 << 30)
# Units of 4 KiB for each member: room for as many requests as the drives like.
CACHE_UNITS = 2048
ARITHMETIC = frozenset(
    {"xor", "xor_val", "pq", "pq_val", "xor_syndrome", "datap", "2data", "sum_product"}
)


class Result(NamedTuple):
    """What one case came to.

    Attributes:
        rate: Bytes a second; of random writes, requests; of a rebuild, bytes of each member.
        busy: The share of the time for which the CPU was busy.
    """

    rate: float
    busy: float

    @property
    def cpu_ns(self) -> float:
        """CPU time for each byte, or request."""
        return self.busy / self.rate * 1e9


class Drives(SimulatedHardware):
    """Members that take as long as an NVMe drive."""

    profile = load_disk_profile("dc-p4500")

    def disk(self, image: ImageDisk) -> Disk:
        """What md is given of a member."""
        return model_disk(self.machine, super().disk(image), self.profile)


def write_rows(array: Array, begin_to_count: Callable[[], None]) -> float:
    """Write whole rows, one after the other, and count when the drives' buffers are full."""
    geometry = array.mddev.geometry
    chunk_bytes = geometry.chunk_sectors * 512
    block_bytes = geometry.data_disks * max(chunk_bytes, 128 * KIB)
    blocks = array.size // block_bytes
    contents = Contents(array.size)
    parts = (0, blocks // 4, blocks)
    for first, last in pairwise(parts):
        begin_to_count()
        workload = Workload(
            rw="write",
            block_bytes=block_bytes,
            offset_bytes=first * block_bytes,
            size_bytes=(last - first) * block_bytes,
            depth=8,
            verify=False,
        )
        report = run_workload(array, workload, contents)
    return report.bytes_per_second


def write_4k(array: Array, begin_to_count: Callable[[], None]) -> float:
    """Write 4 KiB here and there, once the drives' buffers are full."""
    contents = Contents(array.size)
    warm = Workload(rw="randwrite", depth=64, requests=10_000, verify=False)
    run_workload(array, warm, contents, seed=1)
    begin_to_count()
    workload = Workload(rw="randwrite", depth=64, requests=5000, verify=False)
    return run_workload(array, workload, contents, seed=2).requests_per_second


def rebuild_two(array: Array, begin_to_count: Callable[[], None]) -> float:
    """Rebuild two members onto spares."""
    for slot in ("0", "1"):
        array.fail(slot)
    begin_to_count()
    start_ns = array.machine.sim.now_ns
    array.rebuild()
    return (array.mddev.dev_sectors << 9) / (array.machine.sim.now_ns - start_ns) * 1e9


# Name, what is done, bytes of a chunk, and of a member. A chunk is one stripe head high.
WORKLOADS: dict[str, tuple[Work, int, int]] = {
    "full rows, operations of 128 KiB": (write_rows, 128 * KIB, 24 * MIB),
    "full rows, operations of 4 KiB": (write_rows, 4 * KIB, 8 * MIB),
    "4 KiB random": (write_4k, 64 * KIB, 24 * MIB),
    "rebuild of two, operations of 128 KiB": (rebuild_two, 128 * KIB, 40 * MIB),
    "rebuild of two, operations of 4 KiB": (rebuild_two, 4 * KIB, 4 * MIB),
}


def run_case(
    workload: str,
    width: int,
    cpu: str | CpuProfile,
    *,
    engine: bool,
    shares: Counter[str] | None = None,
) -> Result:
    """Run one case; count in ``shares`` what the CPU did, if it is given."""
    work, chunk_bytes, member_bytes = WORKLOADS[workload]
    spec = ArraySpec(
        level=6,
        raid_disks=width,
        layout=2,
        chunk_sectors=chunk_bytes >> 9,
        spare_disks=2 * (work is rebuild_two),
        name="study",
    )
    machine = Machine(1, timed=True, cpu=cpu, engines=[str(ENGINE)] if engine else [])
    processor = machine.cpu
    assert processor is not None
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="study-") as scratch:
        path = Path(scratch, "a")
        hardware = Drives(machine)
        with Array.create(path, spec, image_bytes=member_bytes, hardware=hardware) as array:
            for name in ("sync_speed_min", "sync_speed_max"):
                array.set(name, UNLIMITED)
            array.set("stripe_cache_size", str(CACHE_UNITS))
            if shares is not None:
                machine.sim.hook.subscribe(lambda _, event: _count(shares, event))
            start_ns = busy_ns = 0

            def begin_to_count() -> None:
                """What was before is not part of the case."""
                nonlocal start_ns, busy_ns
                start_ns, busy_ns = machine.sim.now_ns, processor.busy_ns

            rate = work(array, begin_to_count)
            took_ns = machine.sim.now_ns - start_ns
            return Result(rate, (processor.busy_ns - busy_ns) / took_ns)


def _count(shares: Counter[str], event: object) -> None:
    if isinstance(event, CpuWork):
        shares["arithmetic" if event.what in ARITHMETIC else event.what] += event.duration_ns


def with_steps(name: str, factor: float) -> CpuProfile:
    """A CPU on which md's own steps take so much more, or less, than its profile says."""
    cpu = load_cpu_profile(name)
    return replace(
        cpu,
        stripe_ns=round(cpu.stripe_ns * factor),
        request_ns=round(cpu.request_ns * factor),
        descriptor_ns=round(cpu.descriptor_ns * factor),
        interrupt_ns=round(cpu.interrupt_ns * factor),
    )


# What is compared: a CPU, and whether there is the engine.
SIDES = {"plain C": ("generic", False), "ISA-L": ("isa-l", False), "engine": ("isa-l", True)}
FACTORS = (0.25, 0.5, 1.0, 2.0)


def run_all() -> dict[str, Figures]:
    """Run every case of the tables."""
    return {
        workload: {
            side: {
                str(width): list(run_case(workload, width, cpu, engine=engine)) for width in WIDTHS
            }
            for side, (cpu, engine) in SIDES.items()
        }
        for workload in WORKLOADS
    }


def tables(figures: dict[str, Figures]) -> str:
    """The page's tables: rate and CPU time, side by side."""
    lines = []
    for workload, sides in figures.items():
        unit = "/s, µs of CPU each" if work_is_random(workload) else "MB/s, ms of CPU for each GB"
        lines += [f"**{workload[0].upper()}{workload[1:]}** ({unit})", ""]
        lines += [f"| width | {' | '.join(sides)} |", "|---" * (1 + len(sides)) + "|"]
        for width in WIDTHS:
            cells = [cell(workload, Result(*sides[side][str(width)])) for side in sides]
            lines.append(f"| {width} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def work_is_random(workload: str) -> bool:
    """Whether requests are counted, not bytes."""
    return WORKLOADS[workload][0] is write_4k


def cell(workload: str, result: Result) -> str:
    """A rate, the CPU time for it, and a star where the CPU is what bounds it."""
    star = "*" if result.busy > 0.9 else ""
    if work_is_random(workload):
        return f"{result.rate:,.0f}{star}, {result.cpu_ns / 1e3:.1f}"
    return f"{result.rate / 1e6:,.0f}{star}, {result.cpu_ns * 1e3:.0f}"


def breakdown(width: int = 12) -> str:
    """What the CPU with ISA-L does in each workload, in per cent of its time."""
    kinds = ("arithmetic", "memcpy", "stripe", "request")
    lines = ["| workload | arithmetic | copies | stripes | requests |", "|---" * 5 + "|"]
    for workload in WORKLOADS:
        shares: Counter[str] = Counter()
        run_case(workload, width, "isa-l", engine=False, shares=shares)
        total = shares.total()
        cells = [f"{100 * shares[kind] / total:.0f} %" for kind in kinds]
        lines.append(f"| {workload} | {' | '.join(cells)} |")
    return "\n".join(lines)


def sensitivity(width: int = 12) -> str:
    """What the engine does to the rate when md's steps cost less or more than was assumed."""
    lines = [
        f"| workload | {' | '.join(f'{factor:g} times' for factor in FACTORS)} |",
        "|---" * (1 + len(FACTORS)) + "|",
    ]
    for workload in WORKLOADS:
        cells = []
        for factor in FACTORS:
            cpu = with_steps("isa-l", factor)
            without = run_case(workload, width, cpu, engine=False).rate
            cells.append(f"{run_case(workload, width, cpu, engine=True).rate / without - 1:+.0%}")
        lines.append(f"| {workload} | {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(figures: dict[str, Figures], path: Path) -> None:
    """Draw rates above, CPU time below; the same figures make the same file."""
    import matplotlib as mpl  # noqa: PLC0415  only to draw

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415  as above

    mpl.rcParams["svg.hashsalt"] = "raidsim"
    mpl.rcParams["font.size"] = 8
    figure, rows = plt.subplots(2, len(figures), figsize=(14, 5), layout="constrained")
    for (rate_axes, cpu_axes), (workload, sides) in zip(rows.T, figures.items(), strict=True):
        scale = 1e3 if work_is_random(workload) else 1e9
        for side, by_width in sides.items():
            results = [Result(*by_width[str(width)]) for width in WIDTHS]
            rate_axes.plot(WIDTHS, [r.rate / scale for r in results], "o-", ms=3, label=side)
            cpu_axes.plot(WIDTHS, [r.cpu_ns * scale / 1e9 for r in results], "o-", ms=3)
        rate_axes.set_title(workload.replace(", ", ",\n"))
        rate_axes.set_ylabel("1000 requests/s" if work_is_random(workload) else "GB/s")
        cpu_axes.set_ylabel("CPU s/1000 requests" if work_is_random(workload) else "CPU s/GB")
        cpu_axes.set_xlabel("members")
        for axes in (rate_axes, cpu_axes):
            axes.set_xticks(WIDTHS)
            axes.set_ylim(bottom=0)
            axes.grid(alpha=0.3)
    rows[0][0].legend()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Run, write, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    default = Path(__file__).parents[1] / "docs" / "guides"
    parser.add_argument("--directory", type=Path, default=default, help="where files go")
    directory = parser.parse_args().directory
    logging.disable()
    figures = run_all()
    text = json.dumps(figures, indent=1) + "\n"
    (directory / "engine-or-cpu.json").write_text(text, encoding="utf-8")
    plot(figures, directory / "engine-or-cpu.svg")
    print(tables(figures), breakdown(), "", sensitivity(), sep="\n")


if __name__ == "__main__":
    main()
