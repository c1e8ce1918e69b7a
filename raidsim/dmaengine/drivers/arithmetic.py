"""What the hardware of an engine does to memory, source by source, each with its coefficient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from raidsim.dmaengine.constants import (
    DMA_FROM_DEVICE,
    SUM_CHECK_P_RESULT,
    SUM_CHECK_Q_RESULT,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raidsim.dmaengine.channel import Buffer, SlavePort, SumCheck
    from raidsim.raid6.kernel import Raid6Kernel


class Unit(Protocol):
    """What computes: the machine, or a part of it with a kernel and scratch of its own."""

    raid6: Raid6Kernel

    def scratch(self, size: int) -> Buffer:
        """Return a scratch buffer of at least ``size`` bytes."""


def memcpy(dest: Buffer, dest_offset: int, src: Buffer, src_offset: int, length: int) -> None:
    """Copy ``length`` bytes."""
    dest[dest_offset : dest_offset + length] = src[src_offset : src_offset + length]


def memset(dest: Buffer, value: int, offset: int, length: int) -> None:
    """Fill ``length`` bytes with the low byte of ``value``."""
    dest[offset : offset + length] = value & 0xFF


def xor(unit: Unit, dest: Buffer, sources: Sequence[Buffer], offset: int, length: int) -> None:
    """Write the xor of the sources to ``dest``."""
    unit.raid6.xor_gen(dest, sources, length, offset)


def xor_val(
    unit: Unit, sources: Sequence[Buffer], offset: int, length: int, result: SumCheck
) -> None:
    """Set the P bit of ``result`` unless the xor of the sources is zero."""
    total = unit.scratch(offset + length)
    unit.raid6.xor_gen(total, sources, length, offset)
    zero = unit.raid6.is_zero(total, length, offset)
    result.flags = 0 if zero else SUM_CHECK_P_RESULT


def pq(
    unit: Unit,
    p: Buffer | None,
    q: Buffer | None,
    sources: Sequence[Buffer],
    coefficients: Sequence[int],
    offset: int,
    length: int,
) -> None:
    """Write the xor of the sources to ``p``, the sum of their products to ``q``."""
    # Where P and Q are carried on, P counts in Q times 0, and Q twice in P: it does not matter
    # that one of them is written before the other reads it.
    if q is not None:
        unit.raid6.sum_product(q, sources, coefficients, length, offset)
    if p is not None:
        unit.raid6.xor_gen(p, sources, length, offset)


def pq_val(
    unit: Unit,
    p: Buffer | None,
    q: Buffer | None,
    sources: Sequence[Buffer],
    coefficients: Sequence[int],
    offset: int,
    length: int,
    result: SumCheck,
) -> None:
    """Set the bits of whichever of ``p`` and ``q`` is not what the sources give."""
    raid6 = unit.raid6
    expected = unit.scratch(offset + length)
    flags = 0
    if p is not None:
        raid6.xor_gen(expected, sources, length, offset)
        if not raid6.equal(p, expected, length, offset):
            flags |= SUM_CHECK_P_RESULT
    if q is not None:
        raid6.sum_product(expected, sources, coefficients, length, offset)
        if not raid6.equal(q, expected, length, offset):
            flags |= SUM_CHECK_Q_RESULT
    result.flags = flags


def nothing() -> None:
    """Do what an interrupt descriptor does to memory."""


def slave(port: SlavePort, buffers: Sequence[Buffer], direction: int) -> None:
    """Move bytes between a peripheral and ``buffers``."""
    transfer = port.read_into if direction == DMA_FROM_DEVICE else port.write_from
    for buffer in buffers:
        transfer(buffer)
