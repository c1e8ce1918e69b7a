"""Asynchronous RAID6 recovery self test (crypto/async_tx/raid6test.c).

For some widths a syndrome is generated, and for every pair of blocks, P and Q included, the two
are recovered, the whole is validated, and what was recovered is compared with what was there.
Unlike in the kernel module, which always succeeds, the result tells.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from raidsim.async_tx.pq import async_gen_syndrome, async_syndrome_val
from raidsim.async_tx.raid6_recov import async_raid6_2data_recov, async_raid6_datap_recov
from raidsim.async_tx.submit import (
    ASYNC_TX_ACK,
    ASYNC_TX_FENCE,
    ASYNC_TX_XOR_ZERO_DST,
    AsyncSubmitCtl,
    async_tx_issue_pending_all,
    init_async_submit,
)
from raidsim.async_tx.xor import async_xor
from raidsim.dmaengine import SumCheck

if TYPE_CHECKING:
    from raidsim.dmaengine import Buffer, DmaAsyncTxDescriptor
    from raidsim.machine import Machine

BLOCK_BYTES = 4096
TIMEOUT_NS = 3_000_000_000
# Widths at which recovery or some engine's split takes another path; the widest comes on top.
_WIDTHS = (4, 5, 11, 12, 24)


@dataclass(frozen=True, slots=True)
class Raid6TestCase:
    """One pair of blocks that did not pass.

    Attributes:
        disks: How many blocks, P and Q included.
        faila: The lower failed block.
        failb: The higher failed block.
        outcome: ``OK``, or ``ERRA``, ``ERRB`` or ``ERRAB`` for the blocks that came out wrong.
        validation: What the validation said of the recovered whole: 0, or the bits of P and Q;
            None when it never completed.
    """

    disks: int
    faila: int
    failb: int
    outcome: str
    validation: int | None

    def __str__(self) -> str:
        kinds = [_kind(index, self.disks) for index in (self.faila, self.failb)]
        text = (
            f"{self.disks} disks: faila={self.faila}({kinds[0]}) failb={self.failb}({kinds[1]})"
            f" {self.outcome}"
        )
        if self.validation is None:
            return f"{text}, validation timed out"
        return f"{text}, validation {self.validation:#x}" if self.validation else text


@dataclass(slots=True)
class Raid6TestResult:
    """What a run of the self test found.

    Attributes:
        tests: How many pairs were tried.
        timeouts: Widths whose syndrome never came; none of their pairs was tried, as one failure.
        failures: Pairs that were recovered wrongly.
        invalid: Pairs that were recovered rightly, but of which the validation said otherwise.
    """

    tests: int = 0
    timeouts: list[int] = field(default_factory=list)
    failures: list[Raid6TestCase] = field(default_factory=list)
    invalid: list[Raid6TestCase] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether all went well."""
        return not (self.timeouts or self.failures or self.invalid)


def raid6test(machine: Machine, disks: int = 16) -> Raid6TestResult:
    """Run the self test on ``machine`` with widths up to ``disks``.

    16 disks make the 257 cases of Linux 2.6.35, 64 the 2429 of later ones.

    Args:
        machine: Its engines do what they can, software the rest.
        disks: The widest, P and Q included; at most 255.
    """
    result = Raid6TestResult()
    for width in [*(width for width in _WIDTHS if width < disks), disks]:
        _Width(machine, width, result).run()
    return result


class _Width:
    """The cases of one number of disks."""

    def __init__(self, machine: Machine, disks: int, result: Raid6TestResult) -> None:
        self.machine = machine
        self.disks = disks
        self.result = result
        random = machine.sim.random("raid6test")
        data = np.frombuffer(random.randbytes((disks - 2) * BLOCK_BYTES), np.uint8)
        self.blocks: list[Buffer] = [*data.reshape(-1, BLOCK_BYTES).copy()]
        self.blocks += [np.full(BLOCK_BYTES, 0xEE, np.uint8) for _ in range(2)]
        self.recovered = [np.empty(BLOCK_BYTES, np.uint8) for _ in range(2)]
        self.spare = np.empty(BLOCK_BYTES, np.uint8)
        self.submit = AsyncSubmitCtl(machine)
        self.completed = False

    def run(self) -> None:
        """Make P and Q, then lose every pair."""
        self._init_submit(ASYNC_TX_ACK, None, callback=True)
        async_gen_syndrome(self.blocks, 0, self.disks, BLOCK_BYTES, self.submit)
        if not self._wait():
            self.result.timeouts.append(self.disks)
            return
        for faila, failb in combinations(range(self.disks), 2):
            self._lose(faila, failb)

    def _lose(self, faila: int, failb: int) -> None:
        blocks = self.blocks.copy()
        blocks[faila], blocks[failb] = self.recovered
        blocks[faila][:] = 0xF0
        blocks[failb][:] = 0xBA
        tx = self._recover(faila, failb, blocks)
        check = SumCheck()
        self._init_submit(ASYNC_TX_ACK, tx, callback=True)
        async_syndrome_val(blocks, 0, self.disks, BLOCK_BYTES, check, self.spare, self.submit)
        validation = check.flags if self._wait() else None

        wrong = [
            letter
            for letter, index in (("A", faila), ("B", failb))
            if not np.array_equal(blocks[index], self.blocks[index])
        ]
        self.result.tests += 1
        if wrong or validation != 0:
            outcome = "ERR" + "".join(wrong) if wrong else "OK"
            case = Raid6TestCase(self.disks, faila, failb, outcome, validation)
            (self.result.failures if wrong else self.result.invalid).append(case)

    def _recover(self, faila: int, failb: int, blocks: list[Buffer]) -> DmaAsyncTxDescriptor | None:
        """Queue the recovery of a pair (raid6_dual_recov)."""
        disks, submit = self.disks, self.submit
        p, q = disks - 2, disks - 1
        self._init_submit(ASYNC_TX_FENCE, None)
        if failb == p:
            return async_raid6_datap_recov(disks, BLOCK_BYTES, faila, blocks, submit)
        if failb < p:
            return async_raid6_2data_recov(disks, BLOCK_BYTES, faila, failb, blocks, submit)
        if faila < p:
            others = [blocks[index] for index in range(q) if index != faila]
            self._init_submit(ASYNC_TX_FENCE | ASYNC_TX_XOR_ZERO_DST, None)
            tx = async_xor(blocks[faila], others, 0, len(others), BLOCK_BYTES, submit)
            self._init_submit(ASYNC_TX_FENCE, tx)
        return async_gen_syndrome(blocks, 0, disks, BLOCK_BYTES, submit)

    def _init_submit(
        self, flags: int, tx: DmaAsyncTxDescriptor | None, *, callback: bool = False
    ) -> None:
        self.completed = False
        init_async_submit(self.submit, flags, tx, self._complete if callback else None, None, None)

    def _complete(self, _param: object) -> None:
        self.completed = True

    def _wait(self) -> bool:
        """Let the machine work until the callback; tell whether it came in time."""
        sim = self.machine.sim
        deadline_ns = sim.now_ns + TIMEOUT_NS
        async_tx_issue_pending_all(self.machine)
        while not self.completed and sim.now_ns <= deadline_ns and sim.spin():
            pass
        return self.completed


def _kind(index: int, disks: int) -> str:
    return "P" if index == disks - 2 else "Q" if index == disks - 1 else "D"
