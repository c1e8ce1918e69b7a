"""What happens to an array, as the observation hook tells it."""

from __future__ import annotations

from typing import NamedTuple


class ArrayDirty(NamedTuple):
    """The array is about to be written to, or has not been for a while (``dirty`` is False)."""

    dirty: bool


class MemberFailed(NamedTuple):
    """A member is used no more; ``slot`` is -1 for a spare."""

    member: str
    slot: int


class MemberActive(NamedTuple):
    """A member was rebuilt and holds from now on what its slot should hold."""

    member: str
    slot: int


class MemberReplaced(NamedTuple):
    """Another member has taken this one's place."""

    member: str
    slot: int


class SyncBegan(NamedTuple):
    """A resync, recover, check or repair begins at this sector of the members."""

    action: str
    sector: int


class SyncEnded(NamedTuple):
    """It has ended there, ``interrupted`` if not because there was no more to do."""

    action: str
    sector: int
    interrupted: bool


class ReadErrorCorrected(NamedTuple):
    """What could not be read was computed, written, and read back."""

    member: str
    sector: int
    sectors: int


class BadBlocksRecorded(NamedTuple):
    """A member's log says from now on that it does not hold these sectors of its data."""

    member: str
    sector: int
    sectors: int


class MismatchFound(NamedTuple):
    """Parity and data differ at these sectors of the members' data."""

    sector: int
    sectors: int
