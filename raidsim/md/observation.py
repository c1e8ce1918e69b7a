"""Telling of requests to an array; nothing here is called while nobody listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.disk.request import OPERATION_NAMES
from raidsim.md.events import BioEnded, BioSubmitted

if TYPE_CHECKING:
    from raidsim.md.bio import Bio
    from raidsim.sim import Hook


def tell_submitted(hook: Hook, bio: Bio) -> None:
    """Give ``bio`` a number and tell of it, now and as it ends."""
    number = bio.number = hook.next_number()
    operation = OPERATION_NAMES[bio.operation]
    sectors = len(bio.buffer) >> 9
    owners_end_io = bio.end_io

    def end_io(bio: Bio) -> None:
        hook.emit(BioEnded(number, operation, bio.sector, sectors, bio.status, hook.origin))
        if owners_end_io is not None:
            owners_end_io(bio)

    bio.end_io = end_io
    hook.emit(BioSubmitted(number, operation, bio.sector, sectors, bio.fua))
