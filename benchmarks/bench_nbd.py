"""raidsim serve beside nbdkit's file plugin: the same jobs of fio, in turn, on files in memory.

    python benchmarks/bench_nbd.py [--repeat 5] [--seconds 2] [--size-mib 512] [--only TEXT]
        [--json FILE]

nbdkit serves one plain file, which is no RAID. The aim is half of its reads and a quarter of its
writes. Both listen on Unix sockets, and both hold random bytes. Prints medians, and the ratio to
nbdkit as the median over the repetitions, since machines have moods.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from raidsim.array import Array, ArraySpec

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
CHUNK_SECTORS = 128
# Level and members of each array.
SHAPES = [(5, 4), (6, 6)]
# fio's access, the block size, the depth, and what part of nbdkit's figure is the aim.
JOBS = [
    *[("randread", "4k", depth, 0.5) for depth in (1, 16, 64)],
    *[("randwrite", "4k", depth, 0.25) for depth in (1, 16, 64)],
    ("read", "256k", 8, 0.5),
    ("write", "256k", 8, 0.25),
]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--repeat", type=int, default=5, help="repetitions")
    parser.add_argument("--seconds", type=float, default=2, help="for each job")
    parser.add_argument("--size-mib", type=int, default=512, help="size of what is served")
    parser.add_argument("--only", default="", help="jobs with this in their name")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    options = parser.parse_args()
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm")))
        sockets = {"nbdkit": stack.enter_context(nbdkit(scratch, options.size_mib))}
        for level, disks in SHAPES:
            path = make_array(scratch, level, disks, options.size_mib)
            sockets[f"RAID{level} of {disks}"] = stack.enter_context(raidsim(path))
        for turn in range(options.repeat):
            for access, block, depth, _ in JOBS:
                if options.only in (name := job_name(access, block, depth)):
                    for side, socket in sockets.items():
                        rate = fio(socket, access, block, depth, options)
                        figures[name][side].append(rate)
            print(f"{turn + 1} of {options.repeat}", file=sys.stderr)
    print_table(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


def job_name(access: str, block: str, depth: int) -> str:
    """What a job is called."""
    return f"{access} {block}, depth {depth}"


def make_array(scratch: Path, level: int, disks: int, size_mib: int) -> Path:
    """An array full of random bytes, at least so large."""
    path = scratch / f"raid{level}"
    spec = ArraySpec(level=level, raid_disks=disks, layout=2, chunk_sectors=CHUNK_SECTORS)
    data_disks = disks - (1 if level < 6 else 2)
    member_bytes = (size_mib // data_disks + 2) * MIB
    with Array.create(path, spec, image_bytes=member_bytes) as array:
        for offset in range(0, size_mib * MIB, 16 * MIB):
            array.write(offset, os.urandom(MIB) * 16)
    return path


@contextmanager
def nbdkit(scratch: Path, size_mib: int) -> Iterator[Path]:
    """Nbdkit with a plain file full of random bytes."""
    plain = scratch / "plain"
    plain.write_bytes(os.urandom(MIB) * size_mib)
    socket = scratch / "nbdkit.sock"
    with server(["nbdkit", "-f", "-U", str(socket), "file", str(plain)], socket):
        yield socket


@contextmanager
def raidsim(path: Path) -> Iterator[Path]:
    """Raidsim with an array."""
    socket = path / "nbd.sock"
    with server([sys.executable, "-m", "raidsim", "serve", str(path)], socket):
        yield socket


@contextmanager
def server(command: list[str], socket: Path) -> Iterator[None]:
    """A server, once it listens."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while not socket.exists():
            time.sleep(0.01)
        try:
            yield
        finally:
            process.terminate()


def fio(socket: Path, access: str, block: str, depth: int, options: argparse.Namespace) -> float:
    """Run a job; requests a second."""
    words = {
        "name": "job",
        "ioengine": "nbd",
        "uri": f"nbd+unix:///?socket={socket}",
        "rw": access,
        "bs": block,
        "iodepth": depth,
        "size": f"{options.size_mib}M",
        "runtime": options.seconds,
        "time_based": 1,
        "output-format": "json",
    }
    command = ["fio", *(f"--{key}={value}" for key, value in words.items())]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    (job,) = json.loads(out[out.index("{") :])["jobs"]
    return float(job["write" if "write" in access else "read"]["iops"])


def print_table(figures: dict[str, dict[str, list[float]]]) -> None:
    """Medians of all sides, and the ratios."""
    aims = {job_name(*job): aim for *job, aim in JOBS}
    sides = next(iter(figures.values())).keys()
    print(f"{'requests a second':<24}" + "".join(f"{side:>22}" for side in sides) + "   aim")
    for name, sided in figures.items():
        line = f"{name:<24}"
        for side, rates in sided.items():
            ratio = ""
            if side != "nbdkit":
                pairs = zip(rates, sided["nbdkit"], strict=True)
                ratio = f" ({statistics.median(a / b for a, b in pairs):.2f})"
            line += f"{statistics.median(rates):>15,.0f}{ratio:>7}"
        print(f"{line}  {aims[name]:4.2f}")


if __name__ == "__main__":
    main()
