"""What async_tx costs above the arithmetic: one synchronous xor, one descriptor of an engine.

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
    ASYNC_TX_XOR_ZERO_DST,
    AsyncSubmitCtl,
    async_tx_issue_pending_all,
    async_xor,
    init_async_submit,
)

LENGTH = 4096
CALLS = 20_000
ROUNDS = 7


def microseconds_each(call: Callable[[], None]) -> float:
    """Return the median over some rounds of the time that one call takes."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(CALLS):
            call()
        rounds.append((time.perf_counter() - start) / CALLS * 1e6)
    return statistics.median(rounds)


def xor_on(machine: Machine) -> Callable[[], None]:
    """Return a call that xors two blocks on ``machine``, to the end."""
    submit = AsyncSubmitCtl(machine)
    pool = np.zeros((3, LENGTH), np.uint8)
    machine.raid6.remember(pool)
    dest, *sources = pool

    def call() -> None:
        init_async_submit(submit, ASYNC_TX_ACK | ASYNC_TX_XOR_ZERO_DST, None, None, None, None)
        if async_xor(dest, sources, 0, 2, LENGTH, submit) is not None:
            async_tx_issue_pending_all(machine)
            machine.sim.run()

    return call


def main() -> None:
    """Print the three figures."""
    machine = Machine()
    pool = np.zeros((3, LENGTH), np.uint8)
    machine.raid6.remember(pool)
    dest, *sources = pool
    arithmetic = microseconds_each(lambda: machine.raid6.xor_gen(dest, sources, LENGTH))
    print(f"arithmetic ({machine.raid6.name})      {arithmetic:6.2f} µs")
    for name, engines in (("synchronous async_xor", []), ("through iop13xx", ["iop13xx"])):
        total = microseconds_each(xor_on(Machine(engines=engines)))
        print(f"{name:22} {total:6.2f} µs, {total - arithmetic:5.2f} µs above the arithmetic")


if __name__ == "__main__":
    main()
