"""What a driver must do to memory for each capability that it claims."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from raidsim.dmaengine import (
    DMA_INTERRUPT,
    DMA_MEMCPY,
    DMA_MEMSET,
    DMA_PQ,
    DMA_PQ_VAL,
    DMA_PREP_CONTINUE,
    DMA_PREP_FENCE,
    DMA_PREP_PQ_DISABLE_P,
    DMA_PREP_PQ_DISABLE_Q,
    DMA_XOR,
    DMA_XOR_VAL,
    SUM_CHECK_P_RESULT,
    SUM_CHECK_Q_RESULT,
    SumCheck,
)
from raidsim.raid6.tables import gfexp, gfmul
from raidsim.testing.conformance import require
from raidsim.testing.engine_bench import Point

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from raidsim.dmaengine import Buffer, DmaAsyncTxDescriptor
    from raidsim.testing.engine_bench import EngineBench

# Sources beyond these tell nothing new.
_MOST_SOURCES = 24
_PAGE = 4096


def _check_memcpy(bench: EngineBench) -> None:
    _copy(bench, _PAGE, bench.length(_PAGE))


def _check_memset(bench: EngineBench) -> None:
    _fill(bench, _PAGE, bench.length(_PAGE))


def _check_xor(bench: EngineBench) -> None:
    for count in _counts(2, bench.device.max_xor):
        for dest_is_source in (False, True):
            _xor(bench, count, _PAGE, bench.length(_PAGE), dest_is_source=dest_is_source)


def _check_xor_val(bench: EngineBench) -> None:
    for count in _counts(2, bench.device.max_xor):
        _xor_val(bench, count, _PAGE, bench.length(_PAGE))


def _check_pq(bench: EngineBench) -> None:
    for count in _counts(2, bench.device.dma_maxpq(0)):
        _pq(bench, _exponents(count), _PAGE, bench.length(_PAGE), 0)


def _check_pq_one_source(bench: EngineBench) -> None:
    _pq(bench, _exponents(1), _PAGE, bench.length(_PAGE), 0)


def _check_pq_disabled(bench: EngineBench) -> None:
    for disabled in (DMA_PREP_PQ_DISABLE_P, DMA_PREP_PQ_DISABLE_Q):
        for count in _counts(2, bench.device.dma_maxpq(disabled)):
            _pq(bench, _exponents(count), _PAGE, bench.length(_PAGE), disabled)


def _check_pq_coefficients(bench: EngineBench) -> None:
    for coefficients in ([0x8E], [0, 1], [0xFF, 0x1D]):
        if len(coefficients) <= bench.device.max_pq:
            _pq(bench, coefficients, _PAGE, bench.length(_PAGE), DMA_PREP_PQ_DISABLE_P)


def _check_pq_continuation(bench: EngineBench) -> None:
    for disabled in (0, DMA_PREP_PQ_DISABLE_P, DMA_PREP_PQ_DISABLE_Q):
        flags = disabled | DMA_PREP_CONTINUE
        for count in _counts(1, bench.device.dma_maxpq(flags)):
            _pq(bench, _exponents(count), _PAGE, bench.length(_PAGE), flags)


def _check_pq_val(bench: EngineBench) -> None:
    for count in _counts(2, bench.device.max_pq - 2):
        for disabled in (0, DMA_PREP_PQ_DISABLE_P, DMA_PREP_PQ_DISABLE_Q):
            _pq_val(bench, count, _PAGE, bench.length(_PAGE), disabled)


def _check_interrupt(bench: EngineBench) -> None:
    order: list[str] = []
    bench.submit(0, order.append, "before")
    tx = bench.given(bench.chan.prep_dma_interrupt(0))
    tx.callback, tx.callback_param = order.append, "interrupt"
    bench.wait(tx.tx_submit())
    require(order == ["before", "interrupt"], f"callbacks were {order}")


def _check_alignment(bench: EngineBench) -> None:
    device = bench.device
    operations: tuple[tuple[int, str, int, Callable[[int, int], None]], ...] = (
        (DMA_MEMCPY, "copy_align", device.copy_align, lambda at, length: _copy(bench, at, length)),
        (DMA_MEMSET, "fill_align", device.fill_align, lambda at, length: _fill(bench, at, length)),
        (DMA_XOR, "xor_align", device.xor_align, lambda at, length: _xor(bench, 2, at, length)),
        (
            DMA_XOR_VAL,
            "xor_align",
            device.xor_align,
            lambda at, length: _xor_val(bench, 2, at, length),
        ),
        (DMA_PQ, "pq_align", device.pq_align, lambda at, length: _pq(bench, [1, 2], at, length, 0)),
        (DMA_PQ_VAL, "pq_align", device.pq_align, lambda at, n: _pq_val(bench, 2, at, n, 0)),
    )
    require(
        1 <= device.min_length <= device.max_length,
        f"lengths of {device.min_length} to {device.max_length} bytes make no sense",
    )
    for capability, name, align, operation in operations:
        if capability not in bench.capabilities:
            continue
        require(align > 0 and not align & align - 1, f"{name} {align} is no power of two")
        shortest = -(-device.min_length // align) * align
        for length in (shortest, shortest + align, 3 * shortest + 64 * align):
            if length <= device.max_length:
                operation(align, length)


def _counts(least: int, most: int) -> list[int]:
    """A few numbers of sources from the fewest to the most."""
    return sorted({count for count in (least, 3, 5, min(most, _MOST_SOURCES)) if count <= most})


def _exponents(count: int) -> list[int]:
    return [gfexp[index] for index in range(count)]


def _expect(found: Buffer, expected: Buffer, what: str) -> None:
    wrong = np.flatnonzero(found != expected)
    if wrong.size:
        require(False, f"{what}: {wrong.size} bytes are wrong, the first at {wrong[0]}")


def _run_watching(
    bench: EngineBench,
    prepare: Callable[[], DmaAsyncTxDescriptor | None],
    sources: Sequence[Buffer],
    what: str,
) -> None:
    """Carry an operation out; what it only reads stays as it is."""
    before = [source.copy() for source in sources]
    bench.carry_out(prepare())
    for source, old in zip(sources, before, strict=True):
        _expect(source, old, f"{what} wrote to a source")


def _copy(bench: EngineBench, at: int, length: int) -> None:
    dest, source = bench.blocks(2, 3 * at + length)
    expected = dest.copy()
    expected[2 * at : 2 * at + length] = source[at : at + length]
    what = f"memcpy of {length} bytes from {at} to {2 * at}"
    chan = bench.chan
    _run_watching(
        bench, partial(chan.prep_dma_memcpy, dest, 2 * at, source, at, length, 0), [source], what
    )
    _expect(dest, expected, what)


def _fill(bench: EngineBench, at: int, length: int) -> None:
    for value in (0, 0x5A, 0x1FF):
        (dest,) = bench.blocks(1, 2 * at + length)
        expected = dest.copy()
        expected[at : at + length] = value & 0xFF
        bench.carry_out(bench.chan.prep_dma_memset(dest, value, at, length, 0))
        _expect(dest, expected, f"memset of {length} bytes at {at} to {value:#x}")


def _xor(
    bench: EngineBench, count: int, at: int, length: int, *, dest_is_source: bool = False
) -> None:
    dest, *sources = bench.blocks(count + 1, 2 * at + length)
    read_only = list(sources)
    if dest_is_source:
        sources[0], read_only = dest, sources[1:]
    expected = dest.copy()
    expected[at : at + length] = np.bitwise_xor.reduce(sources)[at : at + length]
    what = f"xor of {count} sources of {length} bytes at {at}"
    chan = bench.chan
    _run_watching(bench, partial(chan.prep_dma_xor, dest, sources, at, length, 0), read_only, what)
    _expect(dest, expected, what)


def _xor_val(bench: EngineBench, count: int, at: int, length: int) -> None:
    sources = bench.blocks(count, 2 * at + length)
    np.bitwise_xor.reduce(sources[1:], out=sources[0])
    chan = bench.chan
    for spoilt, expected in ((None, 0), (at + length - 1, SUM_CHECK_P_RESULT), (0, 0)):
        if spoilt is not None:
            sources[-1][spoilt] ^= 1
        result = SumCheck()
        result.flags = SUM_CHECK_P_RESULT - expected
        what = f"xor_val of {count} sources of {length} bytes at {at}"
        _run_watching(
            bench, partial(chan.prep_dma_xor_val, sources, at, length, result, 0), sources, what
        )
        require(result.flags == expected, f"{what}: flags {result.flags}, not {expected}")
        if spoilt is not None:
            sources[-1][spoilt] ^= 1


def _pq_by_the_book(sources: Sequence[Buffer], coefficients: Sequence[int]) -> list[Buffer]:
    products = [gfmul[c][source] for c, source in zip(coefficients, sources, strict=True)]
    return [np.bitwise_xor.reduce(sources), np.bitwise_xor.reduce(products)]


def _pq(bench: EngineBench, coefficients: Sequence[int], at: int, length: int, flags: int) -> None:
    sources = bench.blocks(len(coefficients), 2 * at + length)
    outputs = bench.blocks(2, 2 * at + length)
    window = slice(at, at + length)
    made = _pq_by_the_book(sources, coefficients)
    expected = [output.copy() for output in outputs]
    for new, sum_ in zip(expected, made, strict=True):
        new[window] = (new ^ sum_)[window] if flags & DMA_PREP_CONTINUE else sum_[window]
    p = None if flags & DMA_PREP_PQ_DISABLE_P else outputs[0]
    q = None if flags & DMA_PREP_PQ_DISABLE_Q else outputs[1]
    verb = "continued pq" if flags & DMA_PREP_CONTINUE else "pq"
    what = f"{verb} of {len(sources)} sources of {length} bytes at {at}"
    chan = bench.chan
    _run_watching(
        bench,
        partial(
            chan.prep_dma_pq, (p, q), sources, coefficients, at, length, flags | DMA_PREP_FENCE
        ),
        sources,
        what,
    )
    if p is not None:
        _expect(p, expected[0], f"P of {what}")
    if q is not None:
        _expect(q, expected[1], f"Q of {what}")


def _pq_val(bench: EngineBench, count: int, at: int, length: int, disabled: int) -> None:
    sources = bench.blocks(count, 2 * at + length)
    coefficients = _exponents(count)
    p, q = _pq_by_the_book(sources, coefficients)
    pq = (
        None if disabled & DMA_PREP_PQ_DISABLE_P else p,
        None if disabled & DMA_PREP_PQ_DISABLE_Q else q,
    )
    chan = bench.chan
    for spoilt, flag in ((None, 0), (pq[0], SUM_CHECK_P_RESULT), (pq[1], SUM_CHECK_Q_RESULT)):
        expected = 0 if spoilt is None else flag
        if spoilt is not None:
            spoilt[at] ^= 1
        result = SumCheck()
        result.flags = (SUM_CHECK_P_RESULT | SUM_CHECK_Q_RESULT) & ~expected
        what = f"pq_val of {count} sources of {length} bytes at {at}"
        _run_watching(
            bench,
            partial(chan.prep_dma_pq_val, pq, sources, coefficients, at, length, result, disabled),
            [*sources, p, q],
            what,
        )
        require(result.flags == expected, f"{what}: flags {result.flags}, not {expected}")
        if spoilt is not None:
            spoilt[at] ^= 1


OPERATION_POINTS = (
    Point("memcpy", "async-tx-api.txt 3.2: memory copy", _check_memcpy, DMA_MEMCPY),
    Point("memset", "async-tx-api.txt 3.2: fill with a byte value", _check_memset, DMA_MEMSET),
    Point("xor", "async-tx-api.txt 3.2: xor a series of sources", _check_xor, DMA_XOR),
    Point(
        "xor_val",
        "async-tx-api.txt 3.2: set a flag unless the xor is zero, write nothing",
        _check_xor_val,
        DMA_XOR_VAL,
    ),
    Point("pq", "async-tx-api.txt 3.2: generate the raid6 syndrome", _check_pq, DMA_PQ),
    Point(
        "pq-one-source",
        "a pq may have a single source, as where all other blocks are missing",
        _check_pq_one_source,
        DMA_PQ,
    ),
    Point(
        "pq-disabled",
        "DMA_PREP_PQ_DISABLE_P and _Q leave one of P and Q out",
        _check_pq_disabled,
        DMA_PQ,
    ),
    Point(
        "pq-coefficients",
        "Q is the sum of the sources times any coefficients, as recovery needs it",
        _check_pq_coefficients,
        DMA_PQ,
    ),
    Point(
        "pq-continuation",
        "DMA_PREP_CONTINUE carries on what P and Q hold",
        _check_pq_continuation,
        DMA_PQ,
    ),
    Point(
        "pq_val",
        "async-tx-api.txt 3.2: tell whether P and Q are in sync, write nothing",
        _check_pq_val,
        DMA_PQ_VAL,
    ),
    Point(
        "interrupt",
        "async-tx-api.txt 3.5, 2/: an interrupt descriptor calls back at the end of the chain",
        _check_interrupt,
        DMA_INTERRUPT,
    ),
    Point(
        "alignment",
        "every length and offset that is a multiple of the claimed alignment works",
        _check_alignment,
    ),
)
