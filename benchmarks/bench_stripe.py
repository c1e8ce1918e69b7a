"""Where the time goes: one 4 KiB write, and one chunk row of the streaming jobs, by phase.

    python benchmarks/bench_stripe.py [--kernel isal|numpy]

RAID6 of 8 members, 64K chunk, images on /dev/shm. A phase's time is what is spent in it and in no
other, of the CPU; what the stopwatch costs is taken off. The quickest of
several turns.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raidsim.array import Array, ArraySpec
from raidsim.bench import WORKLOADS, Contents, run_workload
from raidsim.md.raid5 import conf, handle, ops, personality, request
from raidsim.raid6 import Raid6Kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SPEC = ArraySpec(level=6, raid_disks=8, layout=2, chunk_sectors=128, in_sync=True)
MEMBER_BYTES = 64 << 20
ROW_BYTES = 6 * 65536
TURNS = 7
# Phase to the functions that are it, where md looks them up.
PHASES: dict[str, list[tuple[Any, str]]] = {
    "bios into stripes": [(request.StripeRequest, "start")],
    "state machine": [(personality, "handle_stripe")],
    "chains of operations": [(handle, "raid_run_ops")],
    "copies": [(ops, "async_memcpy")],
    "arithmetic": [
        (Raid6Kernel, name)
        for name in ("gen_syndrome", "xor_syndrome", "xor_gen", "recover_2data", "recover_datap")
    ],
    "accesses": [(handle, "ops_run_io")],
    "system calls": [(os, "preadv"), (os, "pwritev")],
    "completions": [(conf, "end_request")],
}
REST = "queues, bios and the load itself"


class Stopwatch:
    """Time by phase, each without the phases that it calls."""

    def __init__(self) -> None:
        self.spent_ns: defaultdict[str, float] = defaultdict(float)
        self._phase = REST
        self._since_ns = time.process_time_ns()
        self._own_ns = 0.0
        nothing = self.around(lambda: None, "nothing")
        start_ns = time.process_time_ns()
        for _ in range(10_000):
            nothing()
        self._own_ns = (time.process_time_ns() - start_ns) / 10_000

    def around(self, function: Callable[..., Any], phase: str) -> Callable[..., Any]:
        """``function``, timed."""

        def timed(*arguments: Any) -> Any:
            caller = self._enter(phase)
            try:
                return function(*arguments)
            finally:
                self._enter(caller)
                for either in (phase, caller):
                    self.spent_ns[either] -= self._own_ns / 2

        return timed

    def _enter(self, phase: str) -> str:
        """Go on in another phase, and return the one until now."""
        now_ns = time.process_time_ns()
        self.spent_ns[self._phase] += now_ns - self._since_ns
        left, self._phase, self._since_ns = self._phase, phase, now_ns
        return left

    def turn(self, job: Callable[[], object]) -> dict[str, float]:
        """Run ``job`` and return the nanoseconds of each phase."""
        self._enter(REST)
        self.spent_ns.clear()
        job()
        self._enter(REST)
        return dict(self.spent_ns)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--kernel", choices=("isal", "numpy"), default="isal")
    os.environ["RAIDSIM_KERNEL"] = parser.parse_args().kernel
    watch = Stopwatch()
    for phase, places in PHASES.items():
        for owner, name in places:
            setattr(owner, name, watch.around(getattr(owner, name), phase))
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="bench-") as scratch:
        images = [Path(scratch, f"disk{number}.img") for number in range(SPEC.raid_disks)]
        for image in images:
            image.write_bytes(bytes(range(256)) * (MEMBER_BYTES // 256))
        with Array.create(Path(scratch, "array"), SPEC, images) as array:
            array.repair()
            figures = {
                name: best([watch.turn(job) for _ in range(TURNS)], count)
                for name, job, count in jobs(array, images)
            }
    print_table(figures)


def jobs(array: Array, images: list[Path]) -> Iterator[tuple[str, Callable[[], object], int]]:
    """What to run, and how many writes, reads or rows it is; a job leaves the array as it was."""
    contents = Contents(array.size)
    rows = array.size // ROW_BYTES

    def load(name: str, requests: int) -> Callable[[], object]:
        workload = replace(WORKLOADS[name], requests=requests)
        return lambda: run_workload(array, workload, contents)

    def rebuild() -> None:
        array.fail(str(images[1]))
        array.remove(str(images[1]))
        with images[1].open("r+b") as image:
            image.write(bytes(65536))  # its superblock, so that it is a new one
        array.add(images[1])
        array.rebuild()

    yield "4 KiB write", load("randwrite-4k", 8000), 8000
    yield "row written", load("write", 0), rows
    yield "row checked", array.check, rows
    yield "row rebuilt", rebuild, rows
    for image in (images[1], images[6]):
        array.fail(str(image))
    yield "row read, two gone", load("read", 0), rows


def best(turns: list[dict[str, float]], count: int) -> dict[str, float]:
    """Microseconds of each phase for one of ``count``, in the quickest turn."""
    quickest = min(turns, key=lambda turn: sum(turn.values()))
    return {phase: quickest.get(phase, 0) / count / 1e3 for phase in (*PHASES, REST)}


def print_table(figures: dict[str, dict[str, float]]) -> None:
    """Print microseconds by phase and job."""
    print(f"{'µs':34}" + "".join(f"{name:>20}" for name in figures))
    for phase in (*PHASES, REST):
        print(f"{phase:34}" + "".join(f"{times[phase]:20.1f}" for times in figures.values()))
    print(f"{'all':34}" + "".join(f"{sum(times.values()):20.1f}" for times in figures.values()))


if __name__ == "__main__":
    main()
