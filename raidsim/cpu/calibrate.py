"""This machine's own figures as a CPU profile: how fast its arithmetic kernel is, measured.

Rates come from the difference between short blocks and long ones: what a call itself takes is here
Python's, and is left out. The blocks are those of several stripes in turn, so that they lie as far
from the CPU as a stripe cache's do, 16 MiB of them, and not in the nearest of its caches.
"""

from __future__ import annotations

import statistics
from time import perf_counter_ns
from typing import TYPE_CHECKING

import numpy as np

from raidsim.cpu.profile import CpuProfile, OperationCost

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.raid6 import Raid6Kernel

    Call = Callable[[int], object]

SOURCE_COUNTS = (2, 4, 8, 16, 24)
_SHORT_BYTES, _LONG_BYTES = 4096, 65536
# No power of 2, or else all blocks of a stripe would compete for the same places of a cache.
_PITCH_BYTES = _LONG_BYTES + 4096
_POOL_BLOCKS = 256
_ROUNDS = 7
_ROUND_NS = 1_000_000


def calibrate(
    kernel: Raid6Kernel, description: str, *, clock: Callable[[], int] = perf_counter_ns
) -> CpuProfile:
    """Measure every operation of software, with ``kernel`` for the arithmetic.

    Args:
        kernel: The arithmetic kernel.
        description: One line about the CPU.
        clock: Tells nanoseconds.

    Returns:
        The profile. Of md's own steps it says nothing: here they are Python's.
    """
    pool = np.random.default_rng(0).integers(0, 256, (_POOL_BLOCKS, _PITCH_BYTES), np.uint8)
    kernel.remember(pool)
    blocks = list(pool)
    rates: dict[str, dict[int, int]] = {}
    for count in SOURCE_COUNTS:
        rows = count + 4
        stripes = [
            _calls(kernel, blocks[first : first + rows], count)
            for first in range(0, _POOL_BLOCKS - rows + 1, rows)
        ]
        for name, source_count in stripes[0]:
            if source_count not in rates.setdefault(name, {}):
                calls = [stripe[name, source_count] for stripe in stripes]
                rates[name][source_count] = _rate(calls, source_count, clock)
    return CpuProfile(
        description=description,
        operations={
            name: OperationCost(bytes_per_second=tuple(sorted(by_count.items())))
            for name, by_count in rates.items()
        },
    )


def _calls(
    kernel: Raid6Kernel, blocks: list[np.ndarray[tuple[int], np.dtype[np.uint8]]], count: int
) -> dict[tuple[str, int], Call]:
    """Each operation on so many sources of a stripe, or on as many as it ever has."""
    sources, (p, q, new_p, new_q) = blocks[:count], blocks[-4:]
    data, again = [*sources, p, q], [*sources, new_p, new_q]

    def memcpy(length: int) -> None:
        p[:length] = q[:length]

    def memset(length: int) -> None:
        p[:length] = 0

    def xor_val(length: int) -> None:
        kernel.xor_gen(new_p, sources[1:], length)
        kernel.equal(sources[0], new_p, length)

    def pq_val(length: int) -> None:
        kernel.gen_syndrome(again, length)
        kernel.equal(p, new_p, length)
        kernel.equal(q, new_q, length)

    calls: dict[tuple[str, int], Call] = {
        ("memcpy", 1): memcpy,
        ("memset", 1): memset,
        ("xor", count): lambda length: kernel.xor_gen(p, sources, length),
        ("xor_val", count): xor_val,
        ("pq", count): lambda length: kernel.gen_syndrome(data, length),
        ("pq_val", count): pq_val,
        ("xor_syndrome", 1): lambda length: kernel.xor_syndrome(data, 0, 0, length),
        ("xor_syndrome", count): lambda length: kernel.xor_syndrome(data, 0, count - 1, length),
        ("sum_product", 1): lambda length: kernel.sum_product(p, sources[:1], (3,), length),
        ("sum_product", 2): lambda length: kernel.sum_product(p, sources[:2], (3, 5), length),
    }
    if count > 2:
        calls["datap", count - 1] = lambda length: kernel.recover_datap(data, 0, length)
        calls["2data", count - 2] = lambda length: kernel.recover_2data(data, 0, 1, length)
    return calls


def _rate(calls: list[Call], source_count: int, clock: Callable[[], int]) -> int:
    """Return how many bytes of sources a second."""
    long_ns = _median_ns(calls, _LONG_BYTES, clock)
    difference_ns = max(long_ns - _median_ns(calls, _SHORT_BYTES, clock), 1)
    return round(source_count * (_LONG_BYTES - _SHORT_BYTES) * len(calls) * 1e9 / difference_ns)


def _median_ns(calls: list[Call], length: int, clock: Callable[[], int]) -> float:
    """What one of each call takes, over some rounds that each last a while."""
    for call in calls:
        call(length)
    start_ns = clock()
    for call in calls:
        call(length)
    repeat = max(1, _ROUND_NS // max(clock() - start_ns, 1))
    rounds = []
    for _ in range(_ROUNDS):
        start_ns = clock()
        for _ in range(repeat):
            for call in calls:
                call(length)
        rounds.append((clock() - start_ns) / repeat)
    return statistics.median(rounds)


def to_toml(profile: CpuProfile, comment: str) -> str:
    """Return ``profile`` as the text of a TOML file that ``load_cpu_profile`` reads."""
    lines = [f"# {comment}", f'description = "{profile.description}"']
    for name, cost in profile.operations.items():
        pairs = ", ".join(f"[{count}, {rate:_}]" for count, rate in cost.bytes_per_second)
        lines += ["", f"[operations.{name}]", f"bytes_per_second = [{pairs}]"]
    return "\n".join(lines) + "\n"
