"""What happens on disks, as the observation hook tells it."""

from __future__ import annotations

from typing import NamedTuple


class DiskSubmitted(NamedTuple):
    """An access is asked for; ``origin`` is the number of what it is for.

    A flush is at sector 0 and has none.
    """

    disk: str
    number: int
    origin: int
    operation: str
    sector: int
    sectors: int
    fua: bool


class DiskEnded(NamedTuple):
    """An access has ended; ``status`` is 0 or an errno."""

    disk: str
    number: int
    operation: str
    sector: int
    sectors: int
    status: int


class DiskServiced(NamedTuple):
    """A model of service time is done with one access, or with several that it merged.

    ``submitted_ns`` is when it was asked for, ``started_ns`` when the drive turned to it;
    ``numbers`` are those of the accesses, as far as they have any.
    """

    disk: str
    operation: str
    sector: int
    sectors: int
    submitted_ns: int
    started_ns: int
    numbers: tuple[int, ...] = ()


class DiskFaultFired(NamedTuple):
    """A fault strikes an access."""

    disk: str
    kind: str
    operation: str
    sector: int
    sectors: int
    number: int = 0


class PowerFailed(NamedTuple):
    """The power of these disks is cut; so many writes were under way or not yet flushed."""

    disks: tuple[str, ...]
    unsettled_writes: int
