"""What happens to an array, as the observation hook tells it."""

from __future__ import annotations

from typing import NamedTuple


class BioSubmitted(NamedTuple):
    """A request to the array begins; a flush is at sector 0 and has none."""

    number: int
    operation: str
    sector: int
    sectors: int
    fua: bool


class BioEnded(NamedTuple):
    """A request to the array has ended; ``status`` is 0 or an errno.

    ``origin`` is the number of what its last part was done by.
    """

    number: int
    operation: str
    sector: int
    sectors: int
    status: int
    origin: int


class SuperblocksBegun(NamedTuple):
    """An update of the superblocks begins: what was decided is not done before it has ended.

    ``events`` is the count that it writes down.
    """

    number: int
    origin: int
    events: int


class SuperblocksWritten(NamedTuple):
    """All superblocks are on their members."""

    number: int


class BitmapBegun(NamedTuple):
    """So many pages of the bitmap begin to be written to all members that have a slot."""

    number: int
    origin: int
    pages: int


class BitmapWritten(NamedTuple):
    """They are on the members."""

    number: int


class ArrayDirty(NamedTuple):
    """The array is about to be written to, or has not been for a while (``dirty`` is False)."""

    dirty: bool


class MemberFailed(NamedTuple):
    """A member is used no more; ``slot`` is -1 for a spare."""

    member: str
    slot: int


class ArrayFailed(NamedTuple):
    """More members are gone than the level can bear to lose."""


class MemberAssigned(NamedTuple):
    """A spare is given a slot, to be rebuilt; or to replace the member that is there."""

    member: str
    slot: int
    replacement: bool


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


class SyncCheckpoint(NamedTuple):
    """It has come that far, which is going to be written down."""

    action: str
    sector: int


class SyncEnded(NamedTuple):
    """It has ended there, ``interrupted`` if not because there was no more to do.

    ``synced_sectors`` is what it has dealt with of each member: no bitmap let it skip that.
    """

    action: str
    sector: int
    interrupted: bool
    synced_sectors: int


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
