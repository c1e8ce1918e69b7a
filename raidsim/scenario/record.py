"""What a run leaves behind: its log, and what it counts by listening."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple

from raidsim.disk.events import DiskFaultFired
from raidsim.dmaengine.events import EngineFaultFired
from raidsim.md.events import (
    BadBlocksRecorded,
    MemberFailed,
    MismatchFound,
    ReadErrorCorrected,
    SyncBegan,
    SyncEnded,
)
from raidsim.trace import event_line, in_columns

# The first mismatches of a sync show where they begin; all of them would drown the rest.
_LOGGED_MISMATCH_SECTORS = 64


class Happened(NamedTuple):
    """An event of the scenario is being carried out."""

    name: str
    action: str


class Refused(NamedTuple):
    """The array has refused what an event asked of it."""

    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Sync:
    """A resync, recovery, check or repair that has ended.

    Attributes:
        action: Which.
        began_ns: When it began.
        ended_ns: When it ended.
        synced_sectors: What it dealt with of each member.
        interrupted: It ended early.
        mismatch_sectors: Where parity and data differed, in sectors of each member.
    """

    action: str
    began_ns: int
    ended_ns: int
    synced_sectors: int
    interrupted: bool
    mismatch_sectors: int

    def to_table(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return asdict(self)


class Record:
    """Listens to a run.

    Attributes:
        log: One line for each event of the scenario and each change of the array's state, and for
            the first strike of each fault.
        attention: Something happened that an event may wait for.
        done: Names of the events that were carried out.
        syncs: What has ended.
        failures: Members that have failed.
        corrected_sectors: Sectors that were computed and rewritten after a read error.
        bad_block_sectors: Sectors that were taken down as bad blocks.
    """

    def __init__(self) -> None:
        self.log: list[str] = []
        self.attention = False
        self.done: set[str] = set()
        self.syncs: list[Sync] = []
        self.failures = 0
        self.corrected_sectors = 0
        self.bad_block_sectors = 0
        self._began_ns = 0
        self._mismatch_sectors = 0
        self._struck: set[tuple[str, str]] = set()

    def wake(self) -> None:
        """Something has happened that is no event of the hook."""
        self.attention = True

    def listen(self, time_ns: int, event: object) -> None:
        """Take note of a change."""
        self.attention = True
        match event:
            case DiskFaultFired(name, kind) | EngineFaultFired(name, kind):
                if (name, kind) in self._struck:
                    return
                self._struck.add((name, kind))
            case MemberFailed():
                self.failures += 1
            case SyncBegan():
                self._began_ns, self._mismatch_sectors = time_ns, 0
            case SyncEnded(action, _, interrupted, synced_sectors):
                sync = Sync(
                    action,
                    self._began_ns,
                    time_ns,
                    synced_sectors,
                    interrupted,
                    self._mismatch_sectors,
                )
                self.syncs.append(sync)
            case ReadErrorCorrected(_, _, sectors):
                self.corrected_sectors += sectors
            case BadBlocksRecorded(_, _, sectors):
                self.bad_block_sectors += sectors
            case MismatchFound(_, sectors):
                self._mismatch_sectors += sectors
                if self._mismatch_sectors > _LOGGED_MISMATCH_SECTORS:
                    return
            case _:
                pass
        line = log_line(time_ns, event)
        if line is not None:
            self.log.append(line)


def log_line(time_ns: int, event: object) -> str | None:
    """Return the line of an event, the scenario's own included; None for one not known."""
    match event:
        case Happened(name, action):
            return in_columns(time_ns, ("event", name, "", action))
        case Refused(name, message):
            return in_columns(time_ns, ("event", name, "refused", message))
        case _:
            return event_line(time_ns, event)
