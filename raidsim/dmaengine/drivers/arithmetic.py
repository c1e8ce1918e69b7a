"""What the hardware of an engine does to memory, source by source with its own coefficients.

An engine reads every source before it writes, so that a destination may be among its sources.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.dmaengine.constants import SUM_CHECK_P_RESULT, SUM_CHECK_Q_RESULT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raidsim.dmaengine.channel import Buffer, SumCheck
    from raidsim.machine import Machine


def memcpy(dest: Buffer, dest_offset: int, src: Buffer, src_offset: int, length: int) -> None:
    """Copy ``length`` bytes."""
    dest[dest_offset : dest_offset + length] = src[src_offset : src_offset + length]


def memset(dest: Buffer, value: int, offset: int, length: int) -> None:
    """Fill ``length`` bytes with the low byte of ``value``."""
    dest[offset : offset + length] = value & 0xFF


def xor(
    machine: Machine, dest: Buffer, sources: Sequence[Buffer], offset: int, length: int
) -> None:
    """Write the xor of the sources to ``dest``."""
    if sources[0] is dest:
        machine.raid6.xor_blocks(dest, sources[1:], length, offset)
    elif _reads(sources, dest):
        result = machine.scratch(0, offset + length)
        machine.raid6.xor_gen(result, sources, length, offset)
        memcpy(dest, offset, result, offset, length)
    else:
        machine.raid6.xor_gen(dest, sources, length, offset)


def xor_val(
    machine: Machine, sources: Sequence[Buffer], offset: int, length: int, result: SumCheck
) -> None:
    """Set the P bit of ``result`` unless the xor of the sources is zero."""
    total = machine.scratch(0, offset + length)
    machine.raid6.xor_gen(total, sources, length, offset)
    zero = machine.raid6.is_zero(total, length, offset)
    result.flags = 0 if zero else SUM_CHECK_P_RESULT


def pq(
    machine: Machine,
    p: Buffer | None,
    q: Buffer | None,
    sources: Sequence[Buffer],
    coefficients: Sequence[int],
    offset: int,
    length: int,
) -> None:
    """Write the xor of the sources to ``p``, the sum of their products to ``q``."""
    size = offset + length
    new_p = machine.scratch(0, size) if p is not None and _reads(sources, p) else p
    new_q = machine.scratch(1, size) if q is not None and _reads(sources, q) else q
    if new_p is not None:
        machine.raid6.xor_gen(new_p, sources, length, offset)
    if new_q is not None:
        machine.raid6.sum_product(new_q, sources, coefficients, length, offset)
    if p is not None and new_p is not None and new_p is not p:
        memcpy(p, offset, new_p, offset, length)
    if q is not None and new_q is not None and new_q is not q:
        memcpy(q, offset, new_q, offset, length)


def pq_val(
    machine: Machine,
    p: Buffer | None,
    q: Buffer | None,
    sources: Sequence[Buffer],
    coefficients: Sequence[int],
    offset: int,
    length: int,
    result: SumCheck,
) -> None:
    """Set the bits of whichever of ``p`` and ``q`` is not what the sources give."""
    raid6 = machine.raid6
    expected = machine.scratch(0, offset + length)
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


def _reads(sources: Sequence[Buffer], dest: Buffer) -> bool:
    for source in sources:  # noqa: SIM110  a generator costs ten times this loop
        if source is dest:
            return True
    return False
