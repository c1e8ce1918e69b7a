"""The interface of the arithmetic kernels, and what they share: operations prepared once.

md's stripe heads come round with the same lists of blocks again and again. So an operation on a
list of blocks that all lie in a pool is worked out once, kept under the identities of the blocks,
and from then on only run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Protocol

from raidsim.raid6.linear_map import (
    LinearMap,
    recovery_2data,
    recovery_datap,
    sum_product,
    syndrome,
    syndrome_change,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from raidsim.raid6.linear_map import Block

# ISA-L counts the bytes of one operation in an int.
MAX_LENGTH_BYTES = 2**31 - 1
# At most some 70 MB of prepared operations: 32768 lists of 12 members.
MAX_REMEMBERED_BLOCKS = 393216


class Operation(Protocol):
    """An operation prepared on its blocks: all that is left to say is the length."""

    def __call__(self, length: int, /) -> None:
        """Compute ``length`` bytes. Raises ValueError where a block is shorter."""


class Raid6Kernel(ABC):
    """GF(2^8) arithmetic on blocks, as Linux's lib/raid6 and crypto/xor offer it.

    Blocks are one-dimensional, contiguous, writable uint8 arrays of any alignment. An operation
    covers ``length`` bytes from ``offset`` in each of them; a length of 0 does nothing. In a list
    ``blocks`` the data (1 to 253 blocks, None for a block of zeros) is followed by P and Q.
    Blocks are the same or do not overlap.

    Blocks of a pool that ``remember`` was told of are held, to know them again, until ``forget``
    is called or too many came. Of other blocks nothing is kept. A kernel serves one thread.

    All operations raise ValueError where the lists make no sense or a block is too short.
    """

    name: ClassVar[str]

    def __init__(self) -> None:
        self._pools: dict[int, Block] = {}
        self._operations: dict[Hashable, Operation] = {}
        self._held: list[tuple[Block, ...]] = []
        self._remembered_blocks = 0

    def xor_gen(self, dest: Block, sources: Sequence[Block], length: int, offset: int = 0) -> None:
        """``dest`` = the xor of one or more sources; ``dest`` may be one of them."""
        key = ("xor_gen", offset, id(dest), *map(id, sources))
        operation = self._operations.get(key) or self._prepare(
            key, sum_product(dest, sources, (1,) * len(sources)), offset
        )
        operation(length)

    def xor_blocks(
        self, dest: Block, sources: Sequence[Block], length: int, offset: int = 0
    ) -> None:
        """``dest`` ^= the xor of the sources (Linux crypto/xor.c)."""
        key = ("xor_blocks", offset, id(dest), *map(id, sources))
        operation = self._operations.get(key) or self._prepare(
            key, sum_product(dest, (dest, *sources), (1,) * (len(sources) + 1)), offset
        )
        operation(length)

    def gen_syndrome(self, blocks: Sequence[Block | None], length: int, offset: int = 0) -> None:
        """Make P and Q of the data; only one of them where the other is None."""
        key = ("gen_syndrome", offset, *map(id, blocks))
        operation = self._operations.get(key) or self._prepare(key, syndrome(blocks), offset)
        operation(length)

    def xor_syndrome(
        self, blocks: Sequence[Block | None], start: int, stop: int, length: int, offset: int = 0
    ) -> None:
        """P, Q ^= the syndrome of the data blocks ``start`` to ``stop``, inclusive.

        Done with a block's old and then with its new content, it brings P and Q up to date.
        """
        changed = blocks[start : stop + 1]
        key = ("xor_syndrome", offset, start, *map(id, changed), id(blocks[-2]), id(blocks[-1]))
        operation = self._operations.get(key) or self._prepare(
            key, syndrome_change(blocks, start, stop), offset
        )
        operation(length)

    def mul(
        self, dest: Block, source: Block, coefficient: int, length: int, offset: int = 0
    ) -> None:
        """``dest`` = ``coefficient`` times ``source``; both may be the same block."""
        self.sum_product(dest, (source,), (coefficient,), length, offset)

    def sum_product(
        self,
        dest: Block,
        sources: Sequence[Block],
        coefficients: Sequence[int],
        length: int,
        offset: int = 0,
    ) -> None:
        """``dest`` = the sum of the sources times their coefficients; it may be one of them."""
        key = ("sum_product", offset, id(dest), *map(id, sources), *coefficients)
        operation = self._operations.get(key) or self._prepare(
            key, sum_product(dest, sources, coefficients), offset
        )
        operation(length)

    def recover_2data(
        self,
        blocks: Sequence[Block | None],
        faila: int,
        failb: int,
        length: int,
        offset: int = 0,
    ) -> None:
        """Rebuild two data blocks, in either order, from the others, P and Q."""
        key = ("recover_2data", offset, faila, failb, *map(id, blocks))
        operation = self._operations.get(key) or self._prepare(
            key, recovery_2data(blocks, faila, failb), offset
        )
        operation(length)

    def recover_datap(
        self, blocks: Sequence[Block | None], faila: int, length: int, offset: int = 0
    ) -> None:
        """Rebuild a data block and P from the other data and Q."""
        key = ("recover_datap", offset, faila, *map(id, blocks))
        operation = self._operations.get(key) or self._prepare(
            key, recovery_datap(blocks, faila), offset
        )
        operation(length)

    @abstractmethod
    def is_zero(self, buffer: Block, length: int, offset: int = 0) -> bool:
        """Return whether ``length`` bytes from ``offset`` are all zero."""

    @abstractmethod
    def equal(self, a: Block, b: Block, length: int, offset: int = 0) -> bool:
        """Return whether ``length`` bytes from ``offset`` are the same in ``a`` and ``b``."""

    def remember(self, pool: Block) -> None:
        """From now on keep what is worked out for blocks that lie in ``pool``, an array of its own.

        What is not in a pool is a guest, as the buffer of a bio is: it comes once.
        """
        self._pools[id(pool)] = pool

    def forget(self) -> None:
        """Let go of all pools and their blocks, as when an array is closed."""
        self._pools.clear()
        self._drop_operations()

    def _drop_operations(self) -> None:
        self._operations.clear()
        self._held.clear()
        self._remembered_blocks = 0

    @abstractmethod
    def _compile(self, linear_map: LinearMap, offset: int, room: int) -> Operation:
        """Return the operation that applies ``linear_map`` to up to ``room`` bytes."""

    def _prepare(self, key: tuple[object, ...], linear_map: LinearMap, offset: int) -> Operation:
        if offset < 0:
            raise ValueError(f"offset {offset} lies before the blocks")
        blocks = (*linear_map.dests, *linear_map.sources)
        room = min(block.size for block in blocks) - offset
        operation = self._compile(linear_map, offset, min(room, MAX_LENGTH_BYTES))
        pools = self._pools
        if all(id(block.base) in pools or id(block) in pools for block in blocks):
            if self._remembered_blocks > MAX_REMEMBERED_BLOCKS:
                self._drop_operations()
            self._operations[key] = operation
            # While a block is held, no other can take over its id.
            self._held.append(blocks)
            self._remembered_blocks += len(key)
        return operation


def check_length(length: int, room: int) -> None:
    """Raise ValueError unless ``length`` bytes are there."""
    if not 0 <= length <= room:
        raise ValueError(f"{length} bytes asked of blocks with room for {max(room, 0)}")
