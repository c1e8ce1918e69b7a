"""Every operation of RAID-6 as what it is: a matrix over GF(2^8) applied to some of the blocks.

Addition in the field is xor, so P is the sum of the data blocks, and Q the sum of 2^i times data
block i. What one or two failed blocks held follows by solving these two equations for them.
A missing data block (None) is a block of zeros: it is left out, and the others keep their
coefficients (Linux crypto/async_tx/async_pq.c).

The matrix depends on which blocks there are and which are wanted, not on the blocks: it is worked
out once.
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

# Which entries of a list of blocks are there.
Present = tuple[bool, ...]


class LinearMap(NamedTuple):
    """Makes each dest the sum of all sources times the coefficients in the dest's row.

    Dests and sources are places in a list of blocks. A dest may be one of the sources, if no other
    dest's row has a coefficient for it.
    """

    dests: tuple[int, ...]
    sources: tuple[int, ...]
    rows: tuple[tuple[int, ...], ...]


def sum_product(source_count: int, coefficients: Sequence[int]) -> LinearMap:
    """The first block = the sum of the others, the sources, times their coefficients."""
    if not source_count or source_count != len(coefficients):
        raise ValueError(f"{source_count} sources with {len(coefficients)} coefficients")
    return LinearMap((0,), tuple(range(1, source_count + 1)), (tuple(coefficients),))


def syndrome(present: Present) -> LinearMap:
    """P and Q of the data, or whichever of the two is there (lib/raid6/int.uc)."""
    data = _data(present, range(_data_count(present)))
    rows = ((1,) * len(data), tuple(gfexp[index] for index in data))
    return _onto_parity(present, data, rows)


def syndrome_change(present: Present, start: int, stop: int) -> LinearMap:
    """What xors the data blocks from ``start`` to ``stop``, inclusive, into P and Q."""
    if not 0 <= start <= stop < _data_count(present):
        raise ValueError(f"data blocks {start} to {stop} of {len(present) - 2}")
    data = _data(present, range(start, stop + 1))
    p, q = len(present) - 2, len(present) - 1
    parity = tuple(place for place in (p, q) if present[place])
    row_p = ([1] if present[p] else []) + ([0] if present[q] else [])
    row_q = [coefficient ^ 1 for coefficient in row_p]
    rows = ((*row_p, *(1 for _ in data)), (*row_q, *(gfexp[index] for index in data)))
    return _onto_parity(present, (*parity, *data), rows)


def recovery_2data(present: Present, faila: int, failb: int) -> LinearMap:
    """The two failed data blocks, from the other data, P and Q (lib/raid6/recov.c).

    With P' and Q' the syndrome of the other data: ``D_b = (P + P') / (2^(b-a) + 1) +
    (Q + Q') / (2^a + 2^b)`` and ``D_a = P + P' + D_b``.
    """
    a, b = sorted((faila, failb))
    if not 0 <= a < b < _data_count(present):
        raise ValueError(f"cannot recover data blocks {a} and {b} of {len(present) - 2}")
    p, q = len(present) - 2, len(present) - 1
    if not (present[a] and present[b] and present[p] and present[q]):
        raise ValueError("recovery of two data blocks needs both of them, P and Q")
    factor_p = gfexi[b - a]
    factor_q = gfinv[gfexp[a] ^ gfexp[b]]
    data = _data(present, (index for index in range(p) if index not in {a, b}))
    others = [factor_p ^ int(gfmul[factor_q, gfexp[index]]) for index in data]
    row_b = (*others, factor_p, factor_q)
    row_a = (*(coefficient ^ 1 for coefficient in others), factor_p ^ 1, factor_q)
    return LinearMap((b, a), (*data, p, q), (row_b, row_a))


def recovery_datap(present: Present, faila: int) -> LinearMap:
    """The failed data block and P, from the other data and Q (lib/raid6/recov.c).

    With Q' as above ``D_a = (Q + Q') / 2^a``, and P is the sum of all.
    """
    a = faila
    if not 0 <= a < _data_count(present):
        raise ValueError(f"cannot recover data block {a} of {len(present) - 2}")
    p, q = len(present) - 2, len(present) - 1
    if not (present[a] and present[p] and present[q]):
        raise ValueError("recovery of a data block and P needs both of them and Q")
    factor = gfinv[gfexp[a]]
    data = _data(present, (index for index in range(p) if index != a))
    others = [int(gfmul[factor, gfexp[index]]) for index in data]
    row_a = (*others, factor)
    row_p = (*(coefficient ^ 1 for coefficient in others), factor)
    return LinearMap((a, p), (*data, q), (row_a, row_p))


def _data_count(present: Present) -> int:
    count = len(present) - 2
    if not 1 <= count <= MAX_DATA_BLOCKS:
        raise ValueError(f"{count} data blocks: raid6 takes 1 to {MAX_DATA_BLOCKS}")
    return count


def _data(present: Present, indices: Iterable[int]) -> tuple[int, ...]:
    return tuple(index for index in indices if present[index])


def _onto_parity(
    present: Present,
    sources: tuple[int, ...],
    rows: tuple[tuple[int, ...], tuple[int, ...]],
) -> LinearMap:
    places = (len(present) - 2, len(present) - 1)
    wanted = [(dest, row) for dest, row in zip(places, rows, strict=True) if present[dest]]
    if not wanted:
        raise ValueError("neither P nor Q is wanted")
    return LinearMap(tuple(dest for dest, _ in wanted), sources, tuple(row for _, row in wanted))
