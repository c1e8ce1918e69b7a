"""Where sectors are on a hard disk, and how long the arm and the platter take to get there."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from raidsim.disk.models.profile import HddProfile

SECOND_NS = 1_000_000_000


class _Zone(NamedTuple):
    """Tracks of one length: first sector, sectors a track, arm's position there and at its end."""

    sector: int
    track_sectors: int
    position: float
    next_position: float
    sectors: int


class Place(NamedTuple):
    """Where a sector is.

    Attributes:
        position: The arm's, from 0 (outermost) to 1.
        angle_ns: How far the platter has to have turned, as a time of one revolution's range.
        track_sectors: Sectors on its track.
        rest: Sectors from it to the end of its track.
    """

    position: float
    angle_ns: int
    track_sectors: int
    rest: int


class Platter:
    """The geometry of a drive of any size.

    The sectors of the disk below are spread over the whole stroke, so that a small image has the
    seek times and the zones of the drive, not those of its outermost tracks. Data rates fall from
    the first sector to the last as radii do. Tracks are skewed by the time that a head or track
    switch takes, so reading on over the end of a track loses no revolution.

    Args:
        profile: The drive.
        sectors: The size of the disk.

    Attributes:
        revolution_ns: The time of one turn.
    """

    __slots__ = ("_curvature", "_full_ns", "_profile", "_single_ns", "_starts", "_zones",
                 "revolution_ns")  # fmt: skip

    def __init__(self, profile: HddProfile, sectors: int) -> None:
        self._profile = profile
        self.revolution_ns = 60 * SECOND_NS // profile.revolutions_per_minute
        self._zones = list(self._make_zones(sectors))
        self._starts = [zone.sector for zone in self._zones]
        self._single_ns = profile.single_track_seek_ns
        self._full_ns = profile.full_stroke_seek_ns
        self._curvature = profile.seek_curvature

    def _make_zones(self, sectors: int) -> list[_Zone]:
        profile = self._profile
        outer, inner = profile.outer_bytes_per_second, profile.inner_bytes_per_second
        turn_ns = self.revolution_ns + profile.track_switch_ns
        count = profile.zones
        zones = []
        for number in range(count):
            first, end = sectors * number // count, sectors * (number + 1) // count
            rates = [_rate(outer, inner, edge / count) for edge in (number, number + 1)]
            # The first zone has the published outer rate, the last one the inner.
            rate = _rate(outer, inner, number / (count - 1) if count > 1 else 0.0)
            track = max(1, round(rate * turn_ns / SECOND_NS) >> 9)
            position, next_position = (
                ((outer - edge) / (outer - inner) if outer > inner else 0.0) for edge in rates
            )
            zones.append(_Zone(first, track, position, next_position, max(1, end - first)))
        return zones

    def place(self, sector: int) -> Place:
        """Say where ``sector`` is."""
        zone = self._zones[max(0, bisect_right(self._starts, sector) - 1)]
        within = sector - zone.sector
        track, offset = divmod(within, zone.track_sectors)
        turn = self.revolution_ns
        angle_ns = offset * turn // zone.track_sectors + track * self._profile.track_switch_ns
        share = within / zone.sectors
        position = zone.position + (zone.next_position - zone.position) * share
        return Place(position, angle_ns % turn, zone.track_sectors, zone.track_sectors - offset)

    def seek_ns(self, start: float, end: float) -> int:
        """How long the arm takes from one position to another, settling included."""
        distance = abs(end - start)
        curve = self._curvature * math.sqrt(distance) + (1 - self._curvature) * distance
        return self._single_ns + int((self._full_ns - self._single_ns) * curve)

    def turn_ns(self, now_ns: int, angle_ns: int) -> int:
        """How long until ``angle_ns`` is under the head."""
        return (angle_ns - now_ns) % self.revolution_ns

    def transfer_ns(self, place: Place, sectors: int) -> int:
        """How long ``sectors`` from ``place`` on take to pass under the heads."""
        turn = self.revolution_ns
        switches = 0
        if sectors > place.rest:
            switches = 1 + (sectors - place.rest - 1) // place.track_sectors
        return sectors * turn // place.track_sectors + switches * self._profile.track_switch_ns


def _rate(outer: int, inner: int, share: float) -> float:
    """The data rate where ``share`` of the sectors lie further out: areas are as squares of it."""
    return math.sqrt(outer * outer - share * (outer * outer - inner * inner))
