"""How fast each arithmetic kernel is, beside ISA-L called directly and a copy of memory.

    python benchmarks/bench_raid6.py [--all]

GB/s of the data consumed: what an operation has to look at, which is the data blocks (of a
recovery, those left and the parity it uses), and of xor_syndrome the one block that changed. On
stripes of 8 disks; with --all on 4 to 32.
"""

import argparse
import ctypes
import statistics
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from raidsim.errors import RaidsimError
from raidsim.raid6 import Raid6Kernel, select_kernel
from raidsim.raid6.isal_kernel import find_isal

DISKS = (4, 8, 16, 32)
SIZES = {
    "4 KiB": 4096,
    "16 KiB": 16384,
    "64 KiB": 65536,
    "256 KiB": 262144,
    "1 MiB": 1048576,
}
ROUNDS = 7
ROUND_SECONDS = 0.02


def gigabytes_a_second(call: Callable[[], None], consumed_bytes: int) -> float:
    """Return the median over some rounds."""
    start = time.process_time()
    call()  # Prepares the operation.
    call()
    count = max(3, int(ROUND_SECONDS / (time.process_time() - start)))
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(count):
            call()
        rounds.append(time.process_time() - start)
    return count * consumed_bytes / statistics.median(rounds) / 1e9


Calls = dict[str, tuple[Callable[[], None], int]]


def operations(kernel: Raid6Kernel, disks: int, size: int) -> Calls:
    """Return calls on one stripe of blocks of ``size`` bytes, with the blocks each consumes."""
    data_blocks = disks - 2
    pool = stripe(disks, size)
    kernel.remember(pool)
    blocks = list(pool)
    kernel.gen_syndrome(blocks, size)
    data, p, q = blocks[:-2], blocks[-2], blocks[-1]
    parity = np.empty((2, size), np.uint8)
    kernel.remember(parity)
    new_p, new_q = parity
    only_p, again = [*data, p, None], [*data, new_p, new_q]
    last = data_blocks - 1

    def check() -> None:
        kernel.gen_syndrome(again, size)
        if not (kernel.equal(p, new_p, size) and kernel.equal(q, new_q, size)):
            raise RuntimeError("the syndrome is not what it was")

    return {
        "P": (lambda: kernel.gen_syndrome(only_p, size), data_blocks),
        "P+Q": (lambda: kernel.gen_syndrome(blocks, size), data_blocks),
        "check": (check, data_blocks),
        "xor_syndrome": (lambda: kernel.xor_syndrome(blocks, last, last, size), 1),
        "datap": (lambda: kernel.recover_datap(blocks, last, size), data_blocks),
        "2data": (lambda: kernel.recover_2data(blocks, 0, last, size), data_blocks),
    }


def direct(disks: int, size: int) -> Calls:
    """Return the same of ISA-L's own functions, and of a copy of the data."""
    data_blocks = disks - 2
    # pq_gen and xor_gen want blocks that begin at multiples of 64 bytes.
    pool = stripe(disks, size + 64).reshape(-1)
    first = -pool.ctypes.data % 64
    blocks = [pool[first + number * size :][:size] for number in range(disks)]
    copies = np.empty((data_blocks, size), np.uint8)

    def copy() -> None:
        for dest, source in zip(copies, blocks[:-2], strict=True):
            dest[:] = source

    calls: Calls = {"copy of memory": (copy, data_blocks)}
    library = find_isal()
    if library is not None:
        pointers = (ctypes.c_void_p * disks)(*(block.ctypes.data for block in blocks))

        def xor_gen() -> None:
            library.xor_gen(disks - 1, size, pointers)

        def pq_gen() -> None:
            library.pq_gen(disks, size, pointers)

        calls["P, direct"] = (xor_gen, data_blocks)
        calls["P+Q, direct"] = (pq_gen, data_blocks)
    return calls


def stripe(disks: int, size: int) -> npt.NDArray[np.uint8]:
    """Return random blocks."""
    return np.random.default_rng(0).integers(0, 256, (disks, size), np.uint8)


def print_table(title: str, stripes: list[tuple[int, Calls]]) -> None:
    """Print GB/s by operation and size."""
    print(f"{title:<20}" + "".join(f"{size:>9}" for size in SIZES))
    for operation in stripes[0][1]:
        speeds = [
            gigabytes_a_second(call, count * size)
            for size, calls in stripes
            for call, count in [calls[operation]]
        ]
        print(f"{operation:<20}" + "".join(f"{speed:9.1f}" for speed in speeds))


def main() -> None:
    """Print a table a kernel and number of disks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--all", action="store_true", help="on 4, 8, 16 and 32 disks")
    for disks in DISKS if parser.parse_args().all else (8,):
        sizes = SIZES.values()
        print_table(f"{disks} disks, GB/s", [(size, direct(disks, size)) for size in sizes])
        for name in ("isal", "numpy"):
            try:
                kernel = select_kernel(name)
            except RaidsimError as error:
                print(error)
                continue
            print_table(name, [(size, operations(kernel, disks, size)) for size in sizes])


if __name__ == "__main__":
    main()
