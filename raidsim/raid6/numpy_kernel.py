"""The kernel that is always there, and the reference of the others: whole-array NumPy operations.

A sum of products is evaluated bit by bit: with the sources grouped by the bits that are set in
their coefficients, Horner's rule takes seven doublings for any number of sources. The signed
right shift spreads a byte's top bit over the byte, which makes a doubling four operations. Of
small blocks, where every operation costs about the same, products with few sources are looked up
byte by byte instead, each at the cost of one doubling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from raidsim.raid6.kernel import Raid6Kernel, address_of, check_extent, check_length, picker
from raidsim.raid6.tables import gfmul

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raidsim.raid6.kernel import Operation
    from raidsim.raid6.linear_map import Block, LinearMap

# Small enough that a piece of each block stays in the second-level cache, large enough that
# NumPy's cost per call does not show.
PIECE_BYTES = 65536

# The largest blocks that are multiplied by table.
_TABLE_BYTES = 8192

_DOUBLING_PASSES = 4
_SEVEN = np.int8(7)
_REDUCTION = np.int8(0x1D)

_SignedBlock = npt.NDArray[np.int8]
_Term = tuple[int, bytes | None]


class _Sum(NamedTuple):
    """One dest's sum: ``planes[0]`` are the sources whose coefficient has the highest bit.

    Blocks go by their places. A source has a table to be looked up in, or None. ``in_place``: some
    source is the dest; ``detour``: which therefore has to stay as it is until all are read.
    """

    dest: int
    planes: tuple[tuple[_Term, ...], ...]
    in_place: bool
    detour: bool


class NumpyKernel(Raid6Kernel):
    """GF(2^8) arithmetic in NumPy."""

    name: ClassVar[str] = "numpy"

    def __init__(self) -> None:
        super().__init__()
        self._carry = np.empty(PIECE_BYTES, np.int8)
        self._total = np.empty(PIECE_BYTES, np.int8)
        self._unequal = np.empty(PIECE_BYTES, np.bool_)

    def is_zero(self, buffer: Block, length: int, offset: int = 0) -> bool:
        """Return whether ``length`` bytes from ``offset`` are all zero."""
        check_length(length, buffer.size - offset)
        return not buffer[offset : offset + length].any()

    def equal(self, a: Block, b: Block, length: int, offset: int = 0) -> bool:
        """Return whether ``length`` bytes from ``offset`` are the same in ``a`` and ``b``."""
        check_length(length, min(a.size, b.size) - offset)
        for start in range(offset, offset + length, PIECE_BYTES):
            stop = min(start + PIECE_BYTES, offset + length)
            unequal = self._unequal[: stop - start]
            if np.not_equal(a[start:stop], b[start:stop], unequal).any():
                return False
        return True

    def compile(self, linear_map: LinearMap) -> Operation:
        """Return the operation that applies ``linear_map`` to a list of blocks."""
        dests, sources, rows = linear_map
        pick = picker((*dests, *sources))
        known_sums: dict[tuple[tuple[int, ...], bool], list[_Sum]] = {}
        known = self._known.__getitem__
        carry, total = self._carry, self._total

        def operation(blocks: Sequence[Block | None], length: int, offset: int) -> None:
            chosen = pick(blocks)
            check_extent(chosen, length, offset)
            try:
                addresses, views = zip(*map(known, map(id, chosen)), strict=True)
            except KeyError:
                addresses, views = zip(*self._get_to_know(chosen), strict=True)
            # A block that comes twice is known by the place where it comes first.
            places = tuple(map(addresses.index, addresses))
            key = places, length <= _TABLE_BYTES
            sums = known_sums.get(key)
            if sums is None:
                sums = known_sums[key] = _sums(rows, *key)
            for start in range(offset, offset + length, PIECE_BYTES):
                stop = min(start + PIECE_BYTES, offset + length)
                for each in sums:
                    _evaluate(each, views, start, stop, carry, total)

        return operation

    def _look_at(self, block: Block) -> tuple[int, _SignedBlock]:
        return address_of(block), block.view(np.int8)


def _sums(rows: tuple[tuple[int, ...], ...], places: tuple[int, ...], by_table: bool) -> list[_Sum]:
    """Return what to compute, in this order, of dests and then sources at these places."""
    first_row, *other_rows = rows
    dests, sources = places[: len(rows)], places[len(rows) :]
    sums = [_sum(dests[0], sources, first_row, by_table)]
    for dest, row in zip(dests[1:], other_rows, strict=True):
        # From a row nearly the same, such as D_b's for D_a, the first result is the shorter way.
        rest = tuple(a ^ b for a, b in zip(row, first_row, strict=True))
        if not sums[0].in_place and _passes(rest) + 1 < _passes(row):
            sums.append(_sum(dest, (dests[0], *sources), (1, *rest), by_table))
        else:
            sums.append(_sum(dest, sources, row, by_table))
    return sums


def _passes(row: tuple[int, ...]) -> int:
    """Return how many times a sum with these coefficients passes over a piece."""
    additions = sum(coefficient.bit_count() for coefficient in row)
    return _doublings(row) * _DOUBLING_PASSES + additions


def _doublings(row: tuple[int, ...]) -> int:
    return max((coefficient.bit_length() for coefficient in row), default=1) - 1


def _sum(dest: int, sources: tuple[int, ...], row: tuple[int, ...], by_table: bool) -> _Sum:
    terms = [(source, c) for source, c in zip(sources, row, strict=True) if c]
    shared = [dest == source for source, _ in terms]
    planes: tuple[tuple[_Term, ...], ...]
    products = sum(coefficient > 1 for _, coefficient in terms)
    if by_table and products < _doublings(row):
        planes = (tuple((source, _table(coefficient)) for source, coefficient in terms),)
    else:
        planes = tuple(
            tuple((source, None) for source, coefficient in terms if coefficient >> bit & 1)
            for bit in reversed(range(_doublings(row) + 1))
        )
    # Where all is added up in one go, a dest that is only the first source is read in time.
    detour = any(shared[1:] if len(planes) == 1 else shared)
    return _Sum(dest, planes, any(shared), detour)


def _table(coefficient: int) -> bytes | None:
    """Return what ``bytes.translate`` multiplies with; None for a factor of 1."""
    return bytes(gfmul[coefficient]) if coefficient > 1 else None


def _evaluate(
    each: _Sum,
    blocks: tuple[_SignedBlock, ...],
    start: int,
    stop: int,
    carry: _SignedBlock,
    total: _SignedBlock,
) -> None:
    dest = blocks[each.dest][start:stop]
    carry = carry[: stop - start]
    target = total[: stop - start] if each.detour else dest
    value: _SignedBlock | None = None
    for plane in each.planes:
        if value is not None:
            np.right_shift(value, _SEVEN, carry)
            np.bitwise_and(carry, _REDUCTION, carry)
            value = np.add(value, value, target)
            np.bitwise_xor(value, carry, value)
        for source, table in plane:
            piece = blocks[source][start:stop]
            if table is not None:
                piece = np.frombuffer(piece.tobytes().translate(table), np.int8)
            value = piece if value is None else np.bitwise_xor(value, piece, target)
    if value is None:
        dest.fill(0)
    elif value is not dest:
        dest[:] = value
