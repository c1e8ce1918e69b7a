"""What a run leaves behind: its log, and what it counts by listening."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from raidsim.disk.events import DiskFaultFired, PowerFailed
from raidsim.dmaengine.events import EngineFaultFired
from raidsim.md.events import (
    ArrayDirty,
    BadBlocksRecorded,
    MemberActive,
    MemberFailed,
    MemberReplaced,
    MismatchFound,
    ReadErrorCorrected,
    SyncBegan,
    SyncEnded,
)


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
        log: One line for each thing that was done to the array, and each change of its state.
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

    def say(self, time_ns: int, text: str) -> None:
        """Add a line to the log."""
        self.log.append(f"{time_ns / 1e9:12.6f}  {text.replace('.img', '')}")

    def wake(self) -> None:
        """Something has happened that is no event of the hook."""
        self.attention = True

    def listen(self, time_ns: int, event: object) -> None:
        """Take note of a change."""
        match event:
            case DiskFaultFired() | EngineFaultFired():
                self.attention = True
                return
            case ArrayDirty(dirty):
                text = "the array is marked dirty" if dirty else "the array is marked clean"
            case MemberFailed(member, slot):
                self.failures += 1
                text = f"{member} has failed" + (f" in slot {slot}" if slot >= 0 else "")
            case MemberActive(member, slot):
                text = f"{member} is in sync in slot {slot}"
            case MemberReplaced(member, slot):
                text = f"{member} has been replaced in slot {slot}"
            case SyncBegan(action, sector):
                self._began_ns, self._mismatch_sectors = time_ns, 0
                text = f"{action} begins at sector {sector}"
            case SyncEnded(action, sector, interrupted, synced_sectors):
                self.syncs.append(
                    Sync(
                        action,
                        self._began_ns,
                        time_ns,
                        synced_sectors,
                        interrupted,
                        self._mismatch_sectors,
                    )
                )
                how = "is interrupted" if interrupted else "ends"
                text = f"{action} {how} at sector {sector}"
            case ReadErrorCorrected(member, sector, sectors):
                self.corrected_sectors += sectors
                text = f"{sectors} sectors of {member} at {sector} are read again, corrected"
            case BadBlocksRecorded(member, sector, sectors):
                self.bad_block_sectors += sectors
                text = f"{sectors} sectors of {member} at {sector} are bad blocks from now on"
            case MismatchFound(sector, sectors):
                self._mismatch_sectors += sectors
                text = f"{sectors} sectors at {sector} do not match"
            case PowerFailed(_, unsettled_writes):
                text = f"the power fails, {unsettled_writes} writes are not settled"
            case _:
                return
        self.attention = True
        self.say(time_ns, text)
