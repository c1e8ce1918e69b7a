"""The tracks of what md does: the array's state, requests and stripes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md import events as md
from raidsim.md.raid5 import events as stripe
from raidsim.trace.canvas import Tracks, status_name

if TYPE_CHECKING:
    from typing import Any

    from raidsim.trace.canvas import Canvas, Lanes


class ArrayTracks(Tracks):
    """The array's state, its members, syncs and metadata."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._state = canvas.lanes("array", "1 state")
        self._members = canvas.lanes("array", "2 members").first
        self._syncs = canvas.lanes("array", "3 sync")
        self._superblocks = canvas.lanes("array", "4 superblocks")
        self._bitmap = canvas.lanes("array", "5 bitmap")
        self.handlers = {
            md.ArrayDirty: self._dirty,
            md.ArrayFailed: self._failed,
            md.MemberFailed: self._member,
            md.MemberAssigned: self._member,
            md.MemberActive: self._member,
            md.MemberReplaced: self._member,
            md.ReadErrorCorrected: self._member,
            md.BadBlocksRecorded: self._member,
            md.MismatchFound: self._mismatch,
            md.SyncBegan: self._sync_began,
            md.SyncCheckpoint: self._checkpoint,
            md.SyncEnded: self._sync_ended,
            md.SuperblocksBegun: self._superblocks_begun,
            md.SuperblocksWritten: self._ended,
            md.BitmapBegun: self._bitmap_begun,
            md.BitmapWritten: self._ended,
        }

    def _dirty(self, time_ns: int, event: md.ArrayDirty) -> None:
        if event.dirty:
            self._canvas.begin("dirty", self._state, "dirty", time_ns, {})
        else:
            self._canvas.end("dirty", time_ns, {})

    def _failed(self, time_ns: int, event: md.ArrayFailed) -> None:
        self._file.instant(self._state.first, "failed", time_ns, event._asdict())

    def _member(self, time_ns: int, event: Any) -> None:
        name = f"{event.member}: {type(event).__name__}"
        self._file.instant(self._members, name, time_ns, event._asdict())

    def _mismatch(self, time_ns: int, event: md.MismatchFound) -> None:
        self._canvas.instant("sync", "mismatch", time_ns, event._asdict())

    def _sync_began(self, time_ns: int, event: md.SyncBegan) -> None:
        self._canvas.begin("sync", self._syncs, event.action, time_ns, event._asdict())

    def _checkpoint(self, time_ns: int, event: md.SyncCheckpoint) -> None:
        self._canvas.instant("sync", "checkpoint", time_ns, event._asdict())

    def _sync_ended(self, time_ns: int, event: md.SyncEnded) -> None:
        self._canvas.end("sync", time_ns, event._asdict())

    def _superblocks_begun(self, time_ns: int, event: md.SuperblocksBegun) -> None:
        self._begin(self._superblocks, f"events {event.events}", time_ns, event)

    def _bitmap_begun(self, time_ns: int, event: md.BitmapBegun) -> None:
        self._begin(self._bitmap, f"pages {event.pages}", time_ns, event)

    def _begin(self, lanes: Lanes, name: str, time_ns: int, event: Any) -> None:
        self._canvas.begin(event.number, lanes, name, time_ns, event._asdict())
        self._canvas.arrow(event.origin, event.number, time_ns)

    def _ended(self, time_ns: int, event: Any) -> None:
        self._canvas.end(event.number, time_ns, {})


class RequestTracks(Tracks):
    """Requests and the stripes that they are carried out in."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._requests = canvas.lanes("requests", "requests")
        self.handlers = {
            md.BioSubmitted: self._submitted,
            md.BioEnded: self._ended,
            stripe.StripeTaken: self._taken,
            stripe.StripeAsked: self._asked,
            stripe.WriteCosts: self._costs,
            stripe.StripeOperations: self._operations,
            stripe.StripeReleased: self._released,
        }

    def _submitted(self, time_ns: int, event: md.BioSubmitted) -> None:
        name = f"{event.operation} {event.sectors * 512}"
        self._canvas.begin(event.number, self._requests, name, time_ns, event._asdict())

    def _ended(self, time_ns: int, event: md.BioEnded) -> None:
        self._canvas.arrow(event.origin, event.number, time_ns)
        self._canvas.end(event.number, time_ns, {"status": status_name(event.status)})

    def _taken(self, time_ns: int, event: stripe.StripeTaken) -> None:
        lanes = self._canvas.lanes("stripe cache", f"unit {event.slot}")
        name = f"row {event.row}: {event.sector}+{event.units * 8}"
        self._canvas.begin(event.number, lanes, name, time_ns, event._asdict())

    def _asked(self, time_ns: int, event: stripe.StripeAsked) -> None:
        self._canvas.instant(event.number, event.purpose, time_ns, event._asdict())
        self._canvas.arrow(event.origin, event.number, time_ns)

    def _costs(self, time_ns: int, event: stripe.WriteCosts) -> None:
        name = f"rmw {event.rmw}, rcw {event.rcw}"
        self._canvas.instant(event.number, name, time_ns, event._asdict())

    def _operations(self, time_ns: int, event: stripe.StripeOperations) -> None:
        name = ", ".join(name for name, _ in event.operations)
        self._canvas.instant(event.number, name, time_ns, event._asdict())

    def _released(self, time_ns: int, event: stripe.StripeReleased) -> None:
        self._canvas.end(event.number, time_ns, {})
