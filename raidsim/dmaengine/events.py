"""What happens to operations, as the observation hook tells it."""

from __future__ import annotations

from typing import NamedTuple


class Submitted(NamedTuple):
    """A descriptor got its cookie; the engine holds it until it is issued.

    ``source_bytes`` is what the hardware will work through for it, ``origin`` the number of what
    it was prepared for.
    """

    channel: str
    cookie: int
    operation: str
    length: int
    source_bytes: int = 0
    origin: int = 0


class Issued(NamedTuple):
    """The hardware may fetch the descriptor."""

    channel: str
    cookie: int
    operation: str


class Serviced(NamedTuple):
    """The hardware is done with a descriptor, which it turned to at ``started_ns``."""

    channel: str
    cookie: int
    operation: str
    started_ns: int


class Completed(NamedTuple):
    """The driver's clean-up found the descriptor done."""

    channel: str
    cookie: int
    operation: str


class Callback(NamedTuple):
    """A completion callback is about to run; ``channel`` is None in the synchronous path."""

    channel: str | None
    context: int


class ChannelSwitch(NamedTuple):
    """A dependency crosses from one channel to another.

    ``interrupt`` tells whether an interrupt descriptor carries it over, or the CPU polled;
    ``origin`` is the number of what both operations are for.
    """

    parent: str
    child: str
    interrupt: bool
    origin: int = 0


class EngineFaultFired(NamedTuple):
    """A fault strikes a descriptor that is being prepared."""

    channel: str
    kind: str
    operation: str


class Software(NamedTuple):
    """The synchronous path carries out an operation; ``origin`` is the number of what it is for."""

    operation: str
    length: int
    origin: int = 0
