"""What goes wrong without a word: every access says that all is well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from raidsim.disk.faults.fault import FLUSHES, READS, WRITES, DiskFault, end, sectors_of
from raidsim.disk.request import FLUSH, WRITE, DiskRequest

if TYPE_CHECKING:
    from raidsim.disk.faults.fault import FaultyDisk


@dataclass(slots=True, kw_only=True)
class Corrupt(DiskFault):
    """Bit rot: when a read is struck, one bit of what it asks for has changed on the medium.

    It stays so until it is written. With ``sectors`` the bit is in one of them.
    """

    kind: ClassVar[str] = "corrupt"
    could_strike: ClassVar[int] = READS

    def strike(self, disk: FaultyDisk, request: DiskRequest) -> None:
        """Change a bit of one sector, then do the read."""
        sectors = [(request.sector, sectors_of(request))]
        if self.sectors is not None:
            sectors = self.sectors.overlap(request.sector, sectors_of(request))
        bit = disk.random.randrange(sum(count for _, count in sectors) << 12)
        sector = 0
        for first, count in sectors:
            if bit < count << 12:
                sector = first + (bit >> 12)
                break
            bit -= count << 12
        bit &= 4095
        offset = (sector - request.sector) << 9
        owners_end_io, buffer = request.end_io, request.buffer
        assert buffer is not None
        rotten = buffer[offset : offset + 512]

        def has_read(request: DiskRequest) -> None:
            request.end_io = owners_end_io
            if request.status:
                owners_end_io(request)
                return
            rotten[bit >> 3] ^= 1 << (bit & 7)
            disk.disk.submit(DiskRequest(WRITE, sector, rotten, has_rotted))

        def has_rotted(_: DiskRequest) -> None:
            end(request, 0)

        request.end_io = has_read
        disk.disk.submit(request)


@dataclass(slots=True, kw_only=True)
class LostWrite(DiskFault):
    """A write is acknowledged and never done (zinject's ``noop``)."""

    kind: ClassVar[str] = "lost-write"
    could_strike: ClassVar[int] = WRITES

    def strike(self, disk: FaultyDisk, request: DiskRequest) -> None:  # noqa: ARG002  a strike's form
        """Only say that it is done."""
        end(request, 0)


@dataclass(slots=True, kw_only=True)
class MisdirectedWrite(DiskFault):
    """A write goes to the wrong place: what should be written stays, what is there is lost.

    Attributes:
        displacement: How many sectors further on the write goes; negative for towards the start. At
            the disk's ends it goes the other way.
    """

    kind: ClassVar[str] = "misdirected-write"
    could_strike: ClassVar[int] = WRITES
    displacement: int = 8

    def strike(self, disk: FaultyDisk, request: DiskRequest) -> None:
        """Write elsewhere."""
        sector = request.sector + self.displacement
        if not 0 <= sector <= disk.sectors - sectors_of(request):
            sector = request.sector - self.displacement

        def has_written(elsewhere: DiskRequest) -> None:
            end(request, elsewhere.status)

        disk.disk.submit(DiskRequest(WRITE, sector, request.buffer, has_written, fua=request.fua))


@dataclass(slots=True, kw_only=True)
class TornWrite(DiskFault):
    """Of a write only the first sectors are done, as many as chance has it; one never tears."""

    kind: ClassVar[str] = "torn-write"
    could_strike: ClassVar[int] = WRITES

    def aims_at(self, request: DiskRequest) -> bool:
        """Whether ``request`` is a write that could tear."""
        return sectors_of(request) > 1 and DiskFault.aims_at(self, request)

    def strike(self, disk: FaultyDisk, request: DiskRequest) -> None:
        """Write the beginning."""
        assert request.buffer is not None
        done = request.buffer[: disk.random.randrange(1, sectors_of(request)) << 9]

        def has_written(beginning: DiskRequest) -> None:
            end(request, beginning.status)

        disk.disk.submit(DiskRequest(WRITE, request.sector, done, has_written, fua=request.fua))


@dataclass(slots=True, kw_only=True)
class IgnoredFlush(DiskFault):
    """The drive says it has flushed, and has not; FUA is ignored likewise.

    It shows only when the power is cut.
    """

    kind: ClassVar[str] = "ignored-flush"
    could_strike: ClassVar[int] = WRITES | FLUSHES

    def aims_at(self, request: DiskRequest) -> bool:
        """Whether ``request`` wants anything to be on stable storage."""
        return (request.fua or request.operation == FLUSH) and DiskFault.aims_at(self, request)

    def strike(self, disk: FaultyDisk, request: DiskRequest) -> None:
        """Only say that it is stable."""
        if request.operation == FLUSH:
            end(request, 0)
            return

        def has_written(plain: DiskRequest) -> None:
            end(request, plain.status)

        disk.disk.submit(DiskRequest(WRITE, request.sector, request.buffer, has_written))


@dataclass(slots=True, kw_only=True)
class Watch(DiskFault):
    """Nothing goes wrong: an access that is struck only counts, and may set the fault state.

    So one rule waits for another: ``new_state`` here, ``state`` there (blkdebug's ``set-state``).
    """

    kind: ClassVar[str] = "watch"
    could_strike: ClassVar[int] = READS | WRITES | FLUSHES

    def strike(self, disk: FaultyDisk, request: DiskRequest) -> None:
        """Pass it on."""
        disk.disk.submit(request)
