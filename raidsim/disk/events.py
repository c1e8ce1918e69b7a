"""What happens on disks, as the observation hook tells it."""

from __future__ import annotations

from typing import NamedTuple


class DiskServiced(NamedTuple):
    """A model of service time is done with an access.

    ``submitted_ns`` is when it was asked for, ``started_ns`` when the drive turned to it; a flush
    is at sector 0 and has none.
    """

    disk: str
    operation: str
    sector: int
    sectors: int
    submitted_ns: int
    started_ns: int


class DiskFaultFired(NamedTuple):
    """A fault strikes an access."""

    disk: str
    kind: str
    operation: str
    sector: int
    sectors: int


class PowerFailed(NamedTuple):
    """The power of these disks is cut; so many writes were under way or not yet flushed."""

    disks: tuple[str, ...]
    unsettled_writes: int
