"""Every operation of RAID-6 as what it is: a matrix over GF(2^8) applied to some of the blocks.

Addition in the field is xor, so P is the sum of the data blocks, and Q the sum of 2^i times data
block i. What one or two failed blocks held follows by solving these two equations for them.
A missing data block (None) is a block of zeros: it is left out, and the others keep their
coefficients (Linux crypto/async_tx/async_pq.c).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from raidsim.raid6.tables import gfexi, gfexp, gfinv, gfmul

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Block = npt.NDArray[np.uint8]

MAX_DATA_BLOCKS = 253


class LinearMap(NamedTuple):
    """Makes each dest the sum of all sources times the coefficients in the dest's row.

    A dest may be one of the sources, if no other dest's row has a coefficient for it.
    """

    dests: tuple[Block, ...]
    sources: tuple[Block, ...]
    rows: tuple[tuple[int, ...], ...]


def sum_product(dest: Block, sources: Sequence[Block], coefficients: Sequence[int]) -> LinearMap:
    """``dest`` = the sum of the sources times their coefficients."""
    if not sources or len(sources) != len(coefficients):
        raise ValueError(f"{len(sources)} sources with {len(coefficients)} coefficients")
    return LinearMap((dest,), tuple(sources), (tuple(coefficients),))


def syndrome(blocks: Sequence[Block | None]) -> LinearMap:
    """P and Q of the data, or whichever of the two is there (lib/raid6/int.uc)."""
    data = _data(blocks, range(_data_count(blocks)))
    rows = ((1,) * len(data), tuple(gfexp[index] for index in data))
    return _onto_parity(blocks, tuple(data.values()), rows)


def syndrome_change(blocks: Sequence[Block | None], start: int, stop: int) -> LinearMap:
    """What xors the data blocks from ``start`` to ``stop``, inclusive, into P and Q."""
    if not 0 <= start <= stop < _data_count(blocks):
        raise ValueError(f"data blocks {start} to {stop} of {len(blocks) - 2}")
    data = _data(blocks, range(start, stop + 1))
    p, q = blocks[-2], blocks[-1]
    parity = tuple(block for block in (p, q) if block is not None)
    row_p = ([1] if p is not None else []) + ([0] if q is not None else [])
    row_q = [coefficient ^ 1 for coefficient in row_p]
    rows = ((*row_p, *(1 for _ in data)), (*row_q, *(gfexp[index] for index in data)))
    return _onto_parity(blocks, (*parity, *data.values()), rows)


def recovery_2data(blocks: Sequence[Block | None], faila: int, failb: int) -> LinearMap:
    """The two failed data blocks, from the other data, P and Q (lib/raid6/recov.c).

    With P' and Q' the syndrome of the other data: ``D_b = (P + P') / (2^(b-a) + 1) +
    (Q + Q') / (2^a + 2^b)`` and ``D_a = P + P' + D_b``.
    """
    a, b = sorted((faila, failb))
    if not 0 <= a < b < _data_count(blocks):
        raise ValueError(f"cannot recover data blocks {faila} and {failb} of {len(blocks) - 2}")
    data_a, data_b, p, q = blocks[a], blocks[b], blocks[-2], blocks[-1]
    if data_a is None or data_b is None or p is None or q is None:
        raise ValueError("recovery of two data blocks needs both of them, P and Q")
    factor_p = gfexi[b - a]
    factor_q = gfinv[gfexp[a] ^ gfexp[b]]
    data = _data(blocks, (index for index in range(len(blocks) - 2) if index not in {a, b}))
    others = [factor_p ^ int(gfmul[factor_q, gfexp[index]]) for index in data]
    row_b = (*others, factor_p, factor_q)
    row_a = (*(coefficient ^ 1 for coefficient in others), factor_p ^ 1, factor_q)
    return LinearMap((data_b, data_a), (*data.values(), p, q), (row_b, row_a))


def recovery_datap(blocks: Sequence[Block | None], faila: int) -> LinearMap:
    """The failed data block and P, from the other data and Q (lib/raid6/recov.c).

    With Q' the syndrome of the other data: ``D_a = (Q + Q') / 2^a``, and P the sum of all data.
    """
    if not 0 <= faila < _data_count(blocks):
        raise ValueError(f"cannot recover data block {faila} of {len(blocks) - 2}")
    data_a, p, q = blocks[faila], blocks[-2], blocks[-1]
    if data_a is None or p is None or q is None:
        raise ValueError("recovery of a data block and P needs both of them and Q")
    factor = gfinv[gfexp[faila]]
    data = _data(blocks, (index for index in range(len(blocks) - 2) if index != faila))
    others = [int(gfmul[factor, gfexp[index]]) for index in data]
    row_a = (*others, factor)
    row_p = (*(coefficient ^ 1 for coefficient in others), factor)
    return LinearMap((data_a, p), (*data.values(), q), (row_a, row_p))


def _data_count(blocks: Sequence[Block | None]) -> int:
    count = len(blocks) - 2
    if not 1 <= count <= MAX_DATA_BLOCKS:
        raise ValueError(f"{count} data blocks: raid6 takes 1 to {MAX_DATA_BLOCKS}")
    return count


def _data(blocks: Sequence[Block | None], indices: Iterable[int]) -> dict[int, Block]:
    return {index: block for index in indices if (block := blocks[index]) is not None}


def _onto_parity(
    blocks: Sequence[Block | None],
    sources: tuple[Block, ...],
    rows: tuple[tuple[int, ...], tuple[int, ...]],
) -> LinearMap:
    wanted = [(dest, row) for dest, row in zip(blocks[-2:], rows, strict=True) if dest is not None]
    if not wanted:
        raise ValueError("neither P nor Q is wanted")
    return LinearMap(tuple(dest for dest, _ in wanted), sources, tuple(row for _, row in wanted))
