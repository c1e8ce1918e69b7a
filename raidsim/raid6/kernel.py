"""The interface of the arithmetic kernels, and what they share: operations prepared once.

An operation's matrix depends on which blocks there are and which are wanted, not on the blocks. So
it is worked out once for all lists of one shape, and from then on only run. Of blocks that lie in
a pool, which md's stripe heads bring round again and again, a kernel remembers where they are.
"""

from __future__ import annotations

import ctypes
from abc import ABC, abstractmethod
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from raidsim.raid6.linear_map import (
    LinearMap,
    recovery_2data,
    recovery_datap,
    sum_product,
    syndrome,
    syndrome_change,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from raidsim.raid6.linear_map import Block, Present

# ISA-L counts the bytes of one operation in an int.
MAX_LENGTH_BYTES = 2**31 - 1
# At most some 80 MB of what is known of blocks: 32768 lists of 12 members.
MAX_REMEMBERED_BLOCKS = 393216
# Operations that are kept prepared, of some 10 to 60 KB in the widest recoveries.
_MAX_OPERATIONS = 2048


class Operation(Protocol):
    """An operation prepared for lists of one shape."""

    def __call__(self, blocks: Sequence[Block | None], length: int, offset: int, /) -> None:
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
        # While a block is held, no other can take over its id.
        self._held: list[Block] = []
        # By identity, what operations have to know of the blocks held.
        self._known: dict[int, Any] = {}

    def xor_gen(self, dest: Block, sources: Sequence[Block], length: int, offset: int = 0) -> None:
        """``dest`` = the xor of one or more sources; ``dest`` may be one of them."""
        key = ("xor_gen", len(sources))
        operation = self._operations.get(key) or self._prepare(
            key, sum_product(len(sources), (1,) * len(sources))
        )
        operation((dest, *sources), length, offset)

    def xor_blocks(
        self, dest: Block, sources: Sequence[Block], length: int, offset: int = 0
    ) -> None:
        """``dest`` ^= the xor of the sources (Linux crypto/xor.c)."""
        self.xor_gen(dest, (dest, *sources), length, offset)

    def gen_syndrome(self, blocks: Sequence[Block | None], length: int, offset: int = 0) -> None:
        """Make P and Q of the data; only one of them where the other is None."""
        key = ("gen_syndrome", present := _present(blocks))
        operation = self._operations.get(key) or self._prepare(key, syndrome(present))
        operation(blocks, length, offset)

    def xor_syndrome(
        self, blocks: Sequence[Block | None], start: int, stop: int, length: int, offset: int = 0
    ) -> None:
        """P, Q ^= the syndrome of the data blocks ``start`` to ``stop``, inclusive.

        Done with a block's old and then with its new content, it brings P and Q up to date.
        """
        key = ("xor_syndrome", start, stop, present := _present(blocks))
        operation = self._operations.get(key) or self._prepare(
            key, syndrome_change(present, start, stop)
        )
        operation(blocks, length, offset)

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
        key = ("sum_product", len(sources), *coefficients)
        operation = self._operations.get(key) or self._prepare(
            key, sum_product(len(sources), coefficients)
        )
        operation((dest, *sources), length, offset)

    def recover_2data(
        self,
        blocks: Sequence[Block | None],
        faila: int,
        failb: int,
        length: int,
        offset: int = 0,
    ) -> None:
        """Rebuild two data blocks, in either order, from the others, P and Q."""
        key = ("recover_2data", faila, failb, present := _present(blocks))
        operation = self._operations.get(key) or self._prepare(
            key, recovery_2data(present, faila, failb)
        )
        operation(blocks, length, offset)

    def recover_datap(
        self, blocks: Sequence[Block | None], faila: int, length: int, offset: int = 0
    ) -> None:
        """Rebuild a data block and P from the other data and Q."""
        key = ("recover_datap", faila, present := _present(blocks))
        operation = self._operations.get(key) or self._prepare(key, recovery_datap(present, faila))
        operation(blocks, length, offset)

    @abstractmethod
    def is_zero(self, buffer: Block, length: int, offset: int = 0) -> bool:
        """Return whether ``length`` bytes from ``offset`` are all zero."""

    @abstractmethod
    def equal(self, a: Block, b: Block, length: int, offset: int = 0) -> bool:
        """Return whether ``length`` bytes from ``offset`` are the same in ``a`` and ``b``."""

    def remember(self, pool: Block) -> None:
        """From now on keep what is known of blocks that lie in ``pool``, an array of its own.

        What is not in a pool is a guest, as the buffer of a bio is: it comes once.
        """
        self._pools[id(pool)] = pool

    def forget(self) -> None:
        """Let go of all pools and their blocks, as when an array is closed."""
        self._pools.clear()
        self._known.clear()
        self._held.clear()

    @abstractmethod
    def compile(self, linear_map: LinearMap) -> Operation:
        """Return the operation that applies ``linear_map`` to a list of blocks."""

    @abstractmethod
    def _look_at(self, block: Block) -> Any:
        """Return what an operation has to know of ``block``."""

    def _prepare(self, key: Hashable, linear_map: LinearMap) -> Operation:
        if len(self._operations) >= _MAX_OPERATIONS:
            self._operations.clear()
        operation = self._operations[key] = self.compile(linear_map)
        return operation

    def _get_to_know(self, blocks: Sequence[Block]) -> list[Any]:
        """Return what an operation has to know of each block; some are new, or guests."""
        known = self._known
        return [known.get(id(block)) or self._look_at_first(block) for block in blocks]

    def _look_at_first(self, block: Block) -> Any:
        knowledge = self._look_at(block)
        if id(block.base) in self._pools or id(block) in self._pools:
            if len(self._held) >= MAX_REMEMBERED_BLOCKS:
                self._known.clear()
                self._held.clear()
            self._held.append(block)
            self._known[id(block)] = knowledge
        return knowledge


def _present(blocks: Sequence[Block | None]) -> Present:
    return tuple([block is not None for block in blocks])


def picker(places: tuple[int, ...]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Return what takes the blocks at these places, at least one, out of a list."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda blocks: (blocks[places[0]],)


def address_of(block: Block) -> int:
    """Return where ``block`` lies; a read-only or scattered one raises TypeError."""
    return ctypes.addressof(ctypes.c_char.from_buffer(block.data)) if block.size else 0


def check_extent(blocks: Sequence[Block], length: int, offset: int) -> None:
    """Raise ValueError unless each block has ``length`` bytes from ``offset`` on."""
    if offset < 0:
        raise ValueError(f"offset {offset} lies before the blocks")
    check_length(length, min(min(map(len, blocks)) - offset, MAX_LENGTH_BYTES))


def check_length(length: int, room: int) -> None:
    """Raise ValueError unless ``length`` bytes are there."""
    if not 0 <= length <= room:
        raise ValueError(f"{length} bytes asked of blocks with room for {max(room, 0)}")
