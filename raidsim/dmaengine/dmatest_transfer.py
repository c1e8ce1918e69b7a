"""What one dmatest thread transfers, and how it finds out whether it was done right.

Bit 7 of a byte says source, bit 6 to be copied, bit 5 to be overwritten; the low five bits are the
inverse of the byte's index (drivers/dma/dmatest.c).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from raidsim.dmaengine.errors import DmatestError

if TYPE_CHECKING:
    from random import Random

    from raidsim.dmaengine.channel import Buffer, DmaAsyncTxDescriptor, DmaChan
    from raidsim.dmaengine.dmatest import DmatestParameters

PATTERN_SRC = 0x80
PATTERN_DST = 0x00
PATTERN_COPY = 0x40
PATTERN_OVERWRITE = 0x20
PATTERN_COUNT_MASK = 0x1F
PATTERN_MEMSET_INDEX = 0x01
MAX_ERROR_COUNT = 32


class Job(Protocol):
    """What a thread does again and again.

    Attributes:
        length: Bytes of the present test.
        src_off: Where they begin in the sources.
        dst_off: Where they begin in the destinations.
    """

    length: int
    src_off: int
    dst_off: int

    def begin(self) -> None:
        """Choose the next test's place and fill its buffers."""

    def prepare(self, flags: int) -> DmaAsyncTxDescriptor | None:
        """Prepare its descriptor."""

    def verify(self) -> list[str]:
        """Return a line for each thing that is wrong after it."""


def odd_count(wanted: int, most: int) -> int:
    """Return the odd number next to ``wanted`` that is not above ``most``."""
    return min(wanted | 1, most - 1 + most % 2)


class Span:
    """Where a test's bytes lie: random, but as the channel's device takes them.

    Raises:
        DmatestError: The buffers are too small for the device.
    """

    def __init__(
        self, chan: DmaChan, align: int, parameters: DmatestParameters, random: Random
    ) -> None:
        self.align = 1 << parameters.alignment if parameters.alignment >= 0 else align
        # No such device takes less: the rest of the world asks for software there.
        self.least = -(-max(chan.device.min_length, self.align) // self.align) * self.align
        self.most = min(parameters.test_buf_size, chan.device.max_length)
        if self.most < self.least:
            raise DmatestError(
                f"{chan.name} takes no less than {self.least} bytes; make test_buf_size larger"
            )
        self.parameters = parameters
        self.random = random

    def choose_length(self) -> int:
        """Return the next test's length in bytes."""
        parameters = self.parameters
        if parameters.transfer_size:
            length = min(parameters.transfer_size, self.most)
        elif parameters.norandom:
            length = self.most
        else:
            length = self.random.randrange(self.most) + 1
        return max(length - length % self.align, self.least)

    def choose_offset(self, length: int) -> int:
        """Return where so many bytes are to begin."""
        if self.parameters.norandom:
            return 0
        offset = self.random.randrange(self.parameters.test_buf_size - length + 1)
        return offset - offset % self.align


class Transfer:
    """A copy, a fill, or a xor or pq of an odd number of like sources, which is a copy too."""

    def __init__(
        self, chan: DmaChan, kind: str, parameters: DmatestParameters, random: Random
    ) -> None:
        device = chan.device
        self.chan = chan
        self.kind = kind
        self.parameters = parameters
        self.length = self.src_off = self.dst_off = 0
        sources, dests, align = {
            "copy": (1, 1, device.copy_align),
            "set": (1, 1, device.fill_align),
            "xor": (odd_count(parameters.xor_sources, device.max_xor), 1, device.xor_align),
            "pq": (odd_count(parameters.pq_sources, device.dma_maxpq(0)), 2, device.pq_align),
        }[kind]
        self.span = Span(chan, align, parameters, random)
        size = parameters.test_buf_size
        self.sources = [np.empty(size, np.uint8) for _ in range(sources)]
        self.dests = [np.empty(size, np.uint8) for _ in range(dests)]
        self.counter = ~np.arange(size, dtype=np.uint8) & PATTERN_COUNT_MASK
        self.source_counter = self.counter
        if kind == "set":
            constant = ~PATTERN_MEMSET_INDEX & PATTERN_COUNT_MASK
            self.source_counter = np.full(size, constant, np.uint8)

    def begin(self) -> None:
        """Choose the next test's place and fill its buffers."""
        self.length = self.span.choose_length()
        self.src_off = self.span.choose_offset(self.length)
        self.dst_off = self.span.choose_offset(self.length)
        if not self.parameters.noverify:
            for source in self.sources:
                self._fill_source(source)
            for dest in self.dests:
                dest[:] = self.counter | PATTERN_DST
                dest[self.dst_off : self.dst_off + self.length] |= PATTERN_OVERWRITE

    def prepare(self, flags: int) -> DmaAsyncTxDescriptor | None:
        """Prepare its descriptor."""
        chan, length = self.chan, self.length
        dests = [dest[self.dst_off :] for dest in self.dests]
        sources = [source[self.src_off :] for source in self.sources]
        if self.kind == "copy":
            return chan.prep_dma_memcpy(
                self.dests[0], self.dst_off, self.sources[0], self.src_off, length, flags
            )
        if self.kind == "set":
            value = int(self.sources[0][self.src_off])
            return chan.prep_dma_memset(self.dests[0], value, self.dst_off, length, flags)
        if self.kind == "xor":
            return chan.prep_dma_xor(dests[0], sources, 0, length, flags)
        coefficients = [1] * len(sources)
        return chan.prep_dma_pq((dests[0], dests[1]), sources, coefficients, 0, length, flags)

    def verify(self) -> list[str]:
        """Look at the bytes before, in and after the test's place, in every buffer."""
        wrong = []
        expected = np.empty_like(self.sources[0])
        self._fill_source(expected)
        for source in self.sources:
            wrong += [
                f"srcbuf[{index:#x}] overwritten!{self._difference(expected, source, index)}"
                for index in np.flatnonzero(source != expected).tolist()
            ]
        copied = expected[self.src_off : self.src_off + self.length].copy()
        expected[:] = self.counter | PATTERN_DST
        expected[self.dst_off : self.dst_off + self.length] = copied
        for dest in self.dests:
            wrong += [
                f"dstbuf[{index:#x}] {self._complaint(int(expected[index]), int(dest[index]))}"
                f"{self._difference(expected, dest, index)}"
                for index in np.flatnonzero(dest != expected).tolist()
            ]
        if len(wrong) > MAX_ERROR_COUNT:
            suppressed = len(wrong) - MAX_ERROR_COUNT
            wrong[MAX_ERROR_COUNT:] = [f"{suppressed} errors suppressed"]
        return wrong

    def _fill_source(self, buffer: Buffer) -> None:
        buffer[:] = self.source_counter | PATTERN_SRC
        buffer[self.src_off : self.src_off + self.length] |= PATTERN_COPY

    @staticmethod
    def _difference(expected: Buffer, actual: Buffer, index: int) -> str:
        return f" Expected {expected[index]:02x}, got {actual[index]:02x}"

    @staticmethod
    def _complaint(expected: int, actual: int) -> str:
        if expected & PATTERN_COPY and (expected ^ actual) & (PATTERN_COPY | PATTERN_OVERWRITE):
            return "not copied!"
        if (expected ^ actual) & PATTERN_SRC:
            return "was copied!"
        return "mismatch!"
