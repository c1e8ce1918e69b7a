"""Accesses that fail, with the words of md's ``faulty`` personality, and disks that do.

References: Linux drivers/md/md-faulty.c, drivers/md/dm-dust.c.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from raidsim.disk.extents import Extents
from raidsim.disk.faults.fault import ANY_OPERATION, READS, WRITES, DiskFault, end, sectors_of
from raidsim.disk.request import WRITE

if TYPE_CHECKING:
    from raidsim.disk.faults.fault import FaultyDisk
    from raidsim.disk.request import DiskRequest


@dataclass(slots=True, kw_only=True)
class FailStop(DiskFault):
    """The disk is dead: from the first strike on every access fails.

    Attributes:
        dead: Whether it has struck.
    """

    kind: ClassVar[str] = "fail-stop"
    could_strike: ClassVar[int] = ANY_OPERATION
    dead: bool = field(default=False, init=False)

    def submit(self, disk: FaultyDisk, request: DiskRequest) -> None:
        """Fail ``request`` if the disk is dead, or dies now."""
        if self.dead:
            self.fired += 1
            disk.tell(request)
            end(request)
        else:
            DiskFault.submit(self, disk, request)

    def strike(self, disk: FaultyDisk, request: DiskRequest) -> None:  # noqa: ARG002  a strike's form
        """Die."""
        self.dead = True
        end(request)

    def switched_off(self, disk: FaultyDisk) -> None:  # noqa: ARG002  as above
        """Come back to life, as a disk does whose cable was loose."""
        self.dead = False


@dataclass(slots=True, kw_only=True)
class ReadTransient(DiskFault):
    """A read fails; the next attempt is another access."""

    kind: ClassVar[str] = "read-transient"
    could_strike: ClassVar[int] = READS

    def strike(self, disk: FaultyDisk, request: DiskRequest) -> None:  # noqa: ARG002  a strike's form
        """Fail the access."""
        end(request)


@dataclass(slots=True, kw_only=True)
class WriteTransient(ReadTransient):
    """A write fails, and writes nothing; the next attempt is another access."""

    kind: ClassVar[str] = "write-transient"
    could_strike: ClassVar[int] = WRITES


@dataclass(slots=True, kw_only=True)
class ReadPersistent(DiskFault):
    """The sectors of a read that is struck can not be read any more.

    Of an access only the sectors among ``sectors`` go bad. Accesses to bad sectors fail, whatever
    the rule says.

    Attributes:
        bad: The sectors gone bad so far.
    """

    kind: ClassVar[str] = "read-persistent"
    could_strike: ClassVar[int] = READS
    heals: ClassVar[bool] = False
    """Whether writing to bad sectors makes them good."""
    bad: Extents = field(default_factory=Extents, init=False)

    def submit(self, disk: FaultyDisk, request: DiskRequest) -> None:
        """Fail ``request`` if it touches a bad sector, or if one goes bad now."""
        count = sectors_of(request)
        if self.heals and request.operation == WRITE:
            self.bad.remove(request.sector, count)
            if self.sectors is not None:
                self.sectors.remove(request.sector, count)
        can_fail = self._mask >> request.operation & 1
        if can_fail and self.bad.overlap(request.sector, count):
            self.fired += 1
            disk.tell(request)
            end(request)
        else:
            DiskFault.submit(self, disk, request)

    def strike(self, disk: FaultyDisk, request: DiskRequest) -> None:  # noqa: ARG002  a strike's form
        """Let the sectors go bad."""
        count = sectors_of(request)
        struck = [(request.sector, count)]
        if self.sectors is not None:
            struck = self.sectors.overlap(request.sector, count)
        for sector, length in struck:
            self.bad.add(sector, length)
        end(request)


@dataclass(slots=True, kw_only=True)
class ReadFixable(ReadPersistent):
    """Latent sector errors: the sectors can not be read until they are written.

    What was written does not go bad again: it leaves ``sectors`` as well, as a block leaves the
    list of dm-dust.
    """

    kind: ClassVar[str] = "read-fixable"
    heals: ClassVar[bool] = True


@dataclass(slots=True, kw_only=True)
class WritePersistent(ReadPersistent):
    """The sectors of a write that is struck can not be written any more and stay what they were."""

    kind: ClassVar[str] = "write-persistent"
    could_strike: ClassVar[int] = WRITES
