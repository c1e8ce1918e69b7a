"""Standing between a client and a driver: what the sanitizer and engine faults have in common.

An interposer is a class of hooks that is put before a driver's own, on channels that exist: the
channel stays the object it was, for async_tx tells channels apart by identity, and one that has
no interposer pays nothing. Interposers stack.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from raidsim.dmaengine.constants import DMA_FROM_DEVICE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from raidsim.dmaengine.channel import Buffer, DmaAsyncTxDescriptor, DmaChan, SumCheck

    Interposed = DmaChan
    Extent = tuple[Buffer, int, int]
else:
    # A channel can only change its class to one whose layout is that of its driver's.
    Interposed = object


class Preparation(NamedTuple):
    """An operation that a client asks a channel for.

    Attributes:
        operation: Its name, as in ``OperationCounts``.
        reads: What it only reads: buffer, offset and length in bytes.
        writes: What it writes, whether it reads that too or not.
        result: Where a validation leaves its result.
    """

    operation: str
    reads: Sequence[Extent] = ()
    writes: Sequence[Extent] = ()
    result: SumCheck | None = None


class Interposer(Interposed):
    """Leads every ``prep_dma_*`` hook of a channel through ``intercept_prep``."""

    __slots__ = ()

    def intercept_prep(
        self,
        asked: Preparation,  # noqa: ARG002  interposers want to know
        prep_dma: Callable[[], DmaAsyncTxDescriptor | None],
    ) -> DmaAsyncTxDescriptor | None:
        """Have the driver prepare what is ``asked``: ``prep_dma()`` is its hook."""
        return prep_dma()

    def prep_dma_memcpy(
        self,
        dest: Buffer,
        dest_offset: int,
        src: Buffer,
        src_offset: int,
        length: int,
        flags: int,
    ) -> DmaAsyncTxDescriptor | None:
        """Prepare a copy."""
        asked = Preparation("memcpy", [(src, src_offset, length)], [(dest, dest_offset, length)])
        prep_dma = super().prep_dma_memcpy
        return self.intercept_prep(
            asked, partial(prep_dma, dest, dest_offset, src, src_offset, length, flags)
        )

    def prep_dma_memset(
        self, dest: Buffer, value: int, offset: int, length: int, flags: int
    ) -> DmaAsyncTxDescriptor | None:
        """Prepare a fill."""
        asked = Preparation("memset", (), [(dest, offset, length)])
        return self.intercept_prep(
            asked, partial(super().prep_dma_memset, dest, value, offset, length, flags)
        )

    def prep_dma_xor(
        self, dest: Buffer, sources: Sequence[Buffer], offset: int, length: int, flags: int
    ) -> DmaAsyncTxDescriptor | None:
        """Prepare a xor."""
        reads = [(source, offset, length) for source in sources]
        asked = Preparation("xor", reads, [(dest, offset, length)])
        return self.intercept_prep(
            asked, partial(super().prep_dma_xor, dest, sources, offset, length, flags)
        )

    def prep_dma_xor_val(
        self, sources: Sequence[Buffer], offset: int, length: int, result: SumCheck, flags: int
    ) -> DmaAsyncTxDescriptor | None:
        """Prepare a validation by xor."""
        reads = [(source, offset, length) for source in sources]
        asked = Preparation("xor_val", reads, (), result)
        return self.intercept_prep(
            asked, partial(super().prep_dma_xor_val, sources, offset, length, result, flags)
        )

    def prep_dma_pq(
        self,
        pq: tuple[Buffer | None, Buffer | None],
        sources: Sequence[Buffer],
        coefficients: Sequence[int],
        offset: int,
        length: int,
        flags: int,
    ) -> DmaAsyncTxDescriptor | None:
        """Prepare a syndrome."""
        writes = [(block, offset, length) for block in pq if block is not None]
        reads = [(source, offset, length) for source in sources]
        return self.intercept_prep(
            Preparation("pq", reads, writes),
            partial(super().prep_dma_pq, pq, sources, coefficients, offset, length, flags),
        )

    def prep_dma_pq_val(
        self,
        pq: tuple[Buffer | None, Buffer | None],
        sources: Sequence[Buffer],
        coefficients: Sequence[int],
        offset: int,
        length: int,
        result: SumCheck,
        flags: int,
    ) -> DmaAsyncTxDescriptor | None:
        """Prepare a validation of a syndrome."""
        blocks = [*sources, *(block for block in pq if block is not None)]
        asked = Preparation("pq_val", [(block, offset, length) for block in blocks], (), result)
        prep_dma = super().prep_dma_pq_val
        return self.intercept_prep(
            asked, partial(prep_dma, pq, sources, coefficients, offset, length, result, flags)
        )

    def prep_dma_interrupt(self, flags: int) -> DmaAsyncTxDescriptor | None:
        """Prepare an operation that only interrupts."""
        return self.intercept_prep(
            Preparation("interrupt"), partial(super().prep_dma_interrupt, flags)
        )

    def prep_slave_sg(
        self, buffers: Sequence[Buffer], direction: int, flags: int
    ) -> DmaAsyncTxDescriptor | None:
        """Prepare a transfer between a peripheral and memory."""
        extents = [(buffer, 0, buffer.size) for buffer in buffers]
        if direction == DMA_FROM_DEVICE:
            asked = Preparation("slave", (), extents)
        else:
            asked = Preparation("slave", extents)
        return self.intercept_prep(asked, partial(super().prep_slave_sg, buffers, direction, flags))


def interpose(chan: DmaChan, interposer: type[Interposer]) -> None:
    """Put the hooks of ``interposer`` before those that ``chan`` has, unless they are there."""
    if not isinstance(chan, interposer):
        chan.__class__ = with_mixin(interposer, type(chan))


def with_mixin(mixin: type, cls: type) -> type:
    """Return the subclass of ``cls`` that has the methods of ``mixin`` first."""
    made = _with_mixin.get((mixin, cls))
    if made is None:
        name = f"{mixin.__name__.removesuffix('Channel')}{cls.__name__}"
        contents = {"__slots__": (), "__module__": mixin.__module__}
        made = _with_mixin[mixin, cls] = type(name, (mixin, cls), contents)
    return made


_with_mixin: dict[tuple[type, type], type] = {}
