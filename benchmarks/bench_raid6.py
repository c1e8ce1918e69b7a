"""How fast each arithmetic kernel is: GB/s of the data consumed, on stripes of 8 data blocks.

Data consumed is what an operation has to look at: the 8 data blocks (of a recovery, those left
and the parity it uses), and of xor_syndrome the one block that changed.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np

from raidsim.errors import RaidsimError
from raidsim.raid6 import Raid6Kernel, select_kernel

DATA_BLOCKS = 8
SIZES = {"4 KiB": 4096, "64 KiB": 65536, "1 MiB": 1048576}
ROUNDS = 7
ROUND_SECONDS = 0.02


def gigabytes_a_second(call: Callable[[], None], consumed_bytes: int) -> float:
    """Return the median over some rounds."""
    start = time.perf_counter()
    call()  # Prepares the operation.
    call()
    count = max(3, int(ROUND_SECONDS / (time.perf_counter() - start)))
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(count):
            call()
        rounds.append(time.perf_counter() - start)
    return count * consumed_bytes / statistics.median(rounds) / 1e9


def operations(kernel: Raid6Kernel, size: int) -> dict[str, tuple[Callable[[], None], int]]:
    """Return calls on one stripe of blocks of ``size`` bytes, with the blocks each consumes."""
    random = np.random.default_rng(0)
    pool = random.integers(0, 256, (DATA_BLOCKS + 2, size), np.uint8)
    kernel.remember(pool)
    blocks = list(pool)
    kernel.gen_syndrome(blocks, size)
    data, p, q = blocks[:-2], blocks[-2], blocks[-1]
    parity = np.empty((2, size), np.uint8)
    kernel.remember(parity)
    new_p, new_q = parity
    only_p, again = [*data, p, None], [*data, new_p, new_q]

    def check() -> None:
        kernel.gen_syndrome(again, size)
        if not (kernel.equal(p, new_p, size) and kernel.equal(q, new_q, size)):
            raise RuntimeError("the syndrome is not what it was")

    return {
        "P": (lambda: kernel.gen_syndrome(only_p, size), DATA_BLOCKS),
        "P+Q": (lambda: kernel.gen_syndrome(blocks, size), DATA_BLOCKS),
        "check": (check, DATA_BLOCKS),
        "xor_syndrome": (lambda: kernel.xor_syndrome(blocks, 3, 3, size), 1),
        "datap": (lambda: kernel.recover_datap(blocks, 3, size), DATA_BLOCKS),
        "2data": (lambda: kernel.recover_2data(blocks, 2, 5, size), DATA_BLOCKS),
    }


def main() -> None:
    """Print a table a kernel."""
    for name in ("isal", "numpy"):
        try:
            kernel = select_kernel(name)
        except RaidsimError as error:
            print(error)
            continue
        print(f"{name + ', GB/s':<14}" + "".join(f"{size:>9}" for size in SIZES))
        stripes = [(size, operations(kernel, size)) for size in SIZES.values()]
        for operation in stripes[0][1]:
            speeds = [
                gigabytes_a_second(call, count * size)
                for size, calls in stripes
                for call, count in [calls[operation]]
            ]
            print(f"{operation:<14}" + "".join(f"{speed:9.1f}" for speed in speeds))


if __name__ == "__main__":
    main()
