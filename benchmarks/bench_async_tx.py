"""What async_tx costs above the arithmetic: each operation in software and through an engine.

Aims: under 6 µs for a synchronous ``async_xor`` of two 4 KiB sources, under 15 µs for the same
through an untimed engine, from the call to the end of its clean-up.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np

from raidsim import Machine
from raidsim.async_tx import (
    ASYNC_TX_ACK,
    ASYNC_TX_PQ_XOR_DST,
    ASYNC_TX_XOR_ZERO_DST,
    AsyncSubmitCtl,
    SumCheck,
    async_gen_syndrome,
    async_memcpy,
    async_tx_issue_pending_all,
    async_xor,
    async_xor_val,
    init_async_submit,
)

LENGTH = 4096
CALLS = 5_000
ROUNDS = 7


def microseconds_each(call: Callable[[], None]) -> float:
    """Return the median over some rounds of the time that one call takes."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(CALLS):
            call()
        rounds.append((time.process_time() - start) / CALLS * 1e6)
    return statistics.median(rounds)


def operations_on(machine: Machine) -> dict[str, Callable[[], None]]:
    """Return calls that carry out each operation on 4 KiB blocks of ``machine``, to the end."""
    submit = AsyncSubmitCtl(machine)
    pool = np.zeros((8, LENGTH), np.uint8)
    machine.raid6.remember(pool)
    blocks = list(pool)
    dest, *sources = blocks[:3]
    one = [None, blocks[1], *[None] * 4, *blocks[6:]]
    result = SumCheck()

    def whole(flags: int, operation: Callable[[], object]) -> Callable[[], None]:
        def call() -> None:
            init_async_submit(submit, ASYNC_TX_ACK | flags, None, None, None, None)
            if operation() is not None:
                async_tx_issue_pending_all(machine)
                machine.sim.run()

        return call

    return {
        "memcpy": whole(0, lambda: async_memcpy(dest, sources[0], 0, 0, LENGTH, submit)),
        "xor of 2": whole(
            ASYNC_TX_XOR_ZERO_DST, lambda: async_xor(dest, sources, 0, 2, LENGTH, submit)
        ),
        "xor_val of 3": whole(
            0, lambda: async_xor_val(dest, [dest, *sources], 0, 3, LENGTH, result, submit)
        ),
        "pq of 8": whole(0, lambda: async_gen_syndrome(blocks, 0, 8, LENGTH, submit)),
        "pq, change of one": whole(
            ASYNC_TX_PQ_XOR_DST, lambda: async_gen_syndrome(one, 0, 8, LENGTH, submit)
        ),
    }


def arithmetic_of(machine: Machine) -> dict[str, Callable[[], None]]:
    """Return the same as calls of the kernel alone."""
    pool = np.zeros((8, LENGTH), np.uint8)
    raid6 = machine.raid6
    raid6.remember(pool)
    blocks = list(pool)
    dest, *sources = blocks[:3]
    one = [None, blocks[1], *[None] * 4, *blocks[6:]]
    expected = blocks[3]

    def copy() -> None:
        dest[:LENGTH] = sources[0][:LENGTH]

    def xor_val() -> None:
        raid6.xor_gen(expected, sources, LENGTH)
        raid6.equal(dest, expected, LENGTH)

    return {
        "memcpy": copy,
        "xor of 2": lambda: raid6.xor_gen(dest, sources, LENGTH),
        "xor_val of 3": xor_val,
        "pq of 8": lambda: raid6.gen_syndrome(blocks, LENGTH),
        "pq, change of one": lambda: raid6.xor_syndrome(one, 1, 1, LENGTH),
    }


def main() -> None:
    """Print a table: what an operation takes on 4 KiB, alone, in software and by an engine."""
    software, engine = Machine(), Machine(engines=["iop13xx"])
    alone = arithmetic_of(software)
    in_software, by_engine = operations_on(software), operations_on(engine)
    print(f"{'µs, ' + software.raid6.name:20}{'arithmetic':>12}{'software':>12}{'iop13xx':>12}")
    for name, call in alone.items():
        times = [microseconds_each(each) for each in (call, in_software[name], by_engine[name])]
        print(f"{name:20}" + "".join(f"{microseconds:12.2f}" for microseconds in times))


if __name__ == "__main__":
    main()
