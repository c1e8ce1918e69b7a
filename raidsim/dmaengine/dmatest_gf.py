"""What drivers/dma/dmatest.c does not test: multiplication in GF(2^8), and the two validations.

The kernel's pq test has like sources with coefficient 1, so that P and Q are but copies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from raidsim.dmaengine.channel import SumCheck
from raidsim.dmaengine.constants import SUM_CHECK_P_RESULT, SUM_CHECK_Q_RESULT
from raidsim.dmaengine.dmatest_transfer import Span
from raidsim.raid6.tables import gfexp, gfmul

if TYPE_CHECKING:
    from random import Random

    from raidsim.dmaengine.channel import Buffer, DmaAsyncTxDescriptor, DmaChan
    from raidsim.dmaengine.dmatest import DmatestParameters

_MOST_SOURCES = 32


class _Blocks:
    """Random sources with a coefficient each, and the P and Q they make by the tables."""

    def __init__(
        self, chan: DmaChan, most: int, align: int, parameters: DmatestParameters, random: Random
    ) -> None:
        self.chan = chan
        self.most = min(most, _MOST_SOURCES)
        self.span = Span(chan, align, parameters, random)
        self.random = random
        self.length = self.src_off = self.dst_off = 0
        self.buffers = [np.empty(self.span.most, np.uint8) for _ in range(self.most + 2)]
        self.sources: list[Buffer] = []
        self.coefficients: list[int] = []
        self.expected: list[Buffer] = []

    def begin(self) -> None:
        """Choose length, sources and coefficients."""
        self.length = self.span.choose_length()
        count = self.random.randint(2, self.most)
        self.sources = self.buffers[:count]
        for source in self.sources:
            source[: self.length] = np.frombuffer(self.random.randbytes(self.length), np.uint8)
        self.coefficients = [gfexp[index] for index in self.random.sample(range(255), count)]
        p = np.zeros(self.length, np.uint8)
        q = np.zeros(self.length, np.uint8)
        for source, coefficient in zip(self.sources, self.coefficients, strict=True):
            p ^= source[: self.length]
            q ^= gfmul[coefficient][source[: self.length]]
        self.expected = [p, q]


class PqVerification(_Blocks):
    """A pq whose P and Q are compared with the tables."""

    def __init__(self, chan: DmaChan, parameters: DmatestParameters, random: Random) -> None:
        device = chan.device
        super().__init__(chan, device.dma_maxpq(0), device.pq_align, parameters, random)
        self.dests = self.buffers[-2:]

    def prepare(self, flags: int) -> DmaAsyncTxDescriptor | None:
        """Prepare its descriptor."""
        p, q = self.dests
        p[:] = q[:] = 0
        return self.chan.prep_dma_pq((p, q), self.sources, self.coefficients, 0, self.length, flags)

    def verify(self) -> list[str]:
        """Compare P and Q."""
        return [
            f"{name} of {len(self.sources)} sources wrong in {wrong} of {self.length} bytes"
            for name, dest, expected in zip("PQ", self.dests, self.expected, strict=True)
            if (wrong := np.count_nonzero(dest[: self.length] != expected))
        ]


class Validation(_Blocks):
    """A xor_val or pq_val of blocks that fit, or of which one byte was changed."""

    def __init__(
        self, chan: DmaChan, kind: str, parameters: DmatestParameters, random: Random
    ) -> None:
        device = chan.device
        xor = kind == "xorval"
        most = device.max_xor - 1 if xor else device.max_pq - 2
        align = device.xor_align if xor else device.pq_align
        super().__init__(chan, max(most, 2), align, parameters, random)
        self.xor = xor
        self.check = SumCheck()
        self.flags = 0

    def begin(self) -> None:
        """Choose the blocks, and which of P and Q shall not fit."""
        super().begin()
        # Any combination of the bits of P and Q, of which a xor knows but P's.
        self.flags = self.random.randrange(2 if self.xor else 4)
        for bit, block in zip((SUM_CHECK_P_RESULT, SUM_CHECK_Q_RESULT), self.expected, strict=True):
            if self.flags & bit:
                block[self.random.randrange(self.length)] ^= self.random.randrange(1, 256)
        # Neither answer is there before the engine gives it.
        self.check.flags = -1

    def prepare(self, flags: int) -> DmaAsyncTxDescriptor | None:
        """Prepare its descriptor."""
        p, q = self.expected
        if self.xor:
            sources = [p, *self.sources]
            return self.chan.prep_dma_xor_val(sources, 0, self.length, self.check, flags)
        return self.chan.prep_dma_pq_val(
            (p, q), self.sources, self.coefficients, 0, self.length, self.check, flags
        )

    def verify(self) -> list[str]:
        """Compare the engine's answer."""
        if self.check.flags == self.flags:
            return []
        return [f"validation says {self.check.flags}, expected {self.flags}"]
