"""What there is to say about one request, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Work:
    """Operations that one chain carries out at one place, one after the other.

    Attributes:
        operation: "memcpy", "xor", "pq" ...; "switch" where the chain goes on on another channel.
        channel: the channel, or None for software.
        length: bytes of one block.
        sources: blocks that each descriptor reads; a second one carries on what the first left,
            for the engine takes no more at once. Empty for software, which takes any number.
        why: why software does it; or where a switch leads to, and how.
    """

    operation: str
    channel: str | None
    length: int
    sources: list[int] = field(default_factory=list)
    why: str = ""


@dataclass(slots=True, kw_only=True)
class Step:
    """Something that a stripe does.

    Attributes:
        kind: "read", "write" or "flush" of disks, or "run".
        slots: the slots of the disks.
        chains: the ops_run_* that are run, with the slots that each writes, checks or copies.
        work: how they are carried out.
    """

    kind: str
    slots: list[int] = field(default_factory=list)
    chains: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    work: list[Work] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Costs:
    """What md weighed when it first looked at a write.

    Attributes:
        rmw, rcw: the costs of read-modify-write and of reconstruct-write: 1 for a block to be read,
            more than all others together for one that cannot be read.
        rmw_reads, rcw_reads: the slots whose blocks either way lacked.
        rmw_refused: "rmw_level" or "resync", where that ruled read-modify-write out.
        chosen: "rmw" or "rcw", or "" where the write failed.
        why: why, in words.
    """

    rmw: int
    rcw: int
    rmw_reads: tuple[int, ...]
    rcw_reads: tuple[int, ...]
    rmw_refused: str
    chosen: str = ""
    why: str = ""


@dataclass(slots=True, kw_only=True)
class Stripe:
    """What happens in part of a row of chunks.

    Attributes:
        row: the row.
        sector: the first sector, from the start of the members' data.
        sectors: how many on each member.
        holds: per slot "D0", "D1" ..., "P" or "Q", or "-".
        lacks: slots that have no member that holds its part, and why.
        purpose: "read" or "write"; "direct": a read that needs no stripe.
        parts: what the request has here: slot, first byte, length.
        costs: of a write.
        steps: what it does, in order.
    """

    row: int
    sector: int
    sectors: int
    holds: list[str]
    lacks: dict[int, str]
    purpose: str
    parts: list[tuple[int, int, int]] = field(default_factory=list)
    costs: Costs | None = None
    steps: list[Step] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Metadata:
    """An update of superblocks or bitmap that the request waited for.

    Attributes:
        kind: "superblocks" or "bitmap".
        disks: how many disks are written to.
        events: the count that superblocks write down.
        pages: of the bitmap.
    """

    kind: str
    disks: int = 0
    events: int = 0
    pages: int = 0


@dataclass(slots=True, kw_only=True)
class Explanation:
    """One request.

    Attributes:
        array: the array directory.
        operation: "read" or "write".
        offset, length: in bytes.
        level, layout, chunk_bytes: the array's shape.
        disks: per slot the member's name, or None.
        degraded: slots without a member that is wholly in sync.
        engines: the machine's engine profiles.
        rmw_level: the array's.
        metadata: what is written down before data.
        stripes: what happens where, in order.
        disk_bytes: read from and written to disks for it, by operation, metadata left out.
        disk_accesses: the same, counted.
        failure: the error that it ends in, "" where it does not.
    """

    array: str
    operation: str
    offset: int
    length: int
    level: int
    layout: str
    chunk_bytes: int
    disks: list[str | None]
    degraded: int
    engines: list[str]
    rmw_level: int
    metadata: list[Metadata] = field(default_factory=list)
    stripes: list[Stripe] = field(default_factory=list)
    disk_bytes: dict[str, int] = field(default_factory=dict)
    disk_accesses: dict[str, int] = field(default_factory=dict)
    failure: str = ""
