"""What happens to stripe heads, as the observation hook tells it."""

from __future__ import annotations

from typing import NamedTuple


class StripeTaken(NamedTuple):
    """A stripe head comes into use.

    Attributes:
        number: by which other events mean it, until it is released.
        slot: its first unit in the pool of the stripe cache.
        sector: its first sector, from the start of the members' data.
        units: its height, in units of 4 KiB.
        row: the row of chunks that it is part of.
    """

    number: int
    slot: int
    sector: int
    units: int
    row: int


class StripeAsked(NamedTuple):
    """A stripe is given something to do.

    Attributes:
        number: the stripe's.
        origin: number of the request or the taller stripe that does so; 0 for a sync.
        purpose: "read", "write", "sync", or "split": it is part of a stripe whose units are no
            longer alike.
        parts: of a request: member, first byte in its part of the stripe, and length.
    """

    number: int
    origin: int
    purpose: str
    parts: tuple[tuple[int, int, int], ...] = ()


class WriteCosts(NamedTuple):
    """What the two ways to write would cost now (handle_stripe_dirtying).

    A block that would have to be read costs 1, one that cannot be read costs more than all others
    together. The cheaper way is taken; where both cost the same, reconstruct-write, unless
    ``rmw_level`` is 2.

    Attributes:
        number: the stripe's.
        rmw, rcw: the costs of read-modify-write and of reconstruct-write.
        rmw_reads, rcw_reads: the members whose blocks either way still lacks.
        rmw_refused: why read-modify-write is not considered, "" where it is: "rmw_level", or
            "resync" where parity may not be right yet.
    """

    number: int
    rmw: int
    rcw: int
    rmw_reads: tuple[int, ...]
    rcw_reads: tuple[int, ...]
    rmw_refused: str


class StripeOperations(NamedTuple):
    """The chains of operations that begin now (raid_run_ops).

    Attributes:
        number: the stripe's.
        operations: which of ops_run_* in their order, each with the members that it writes, or
            checks, or copies to or from.
    """

    number: int
    operations: tuple[tuple[str, tuple[int, ...]], ...]


class StripeReleased(NamedTuple):
    """A stripe head is idle, or was split."""

    number: int
