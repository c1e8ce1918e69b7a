"""What sync an array wants next, and the user's say in it (Linux drivers/md/md.c).

References: action_store, md_check_recovery, min_sync_store and max_sync_store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.spares import activate_spares
from raidsim.md.superblock import MAX_SECTOR

if TYPE_CHECKING:
    from raidsim.md.mddev import Mddev

# /proc/sys/dev/raid/speed_limit_min and _max, in KiB/s for each member.
SPEED_LIMIT_MIN = 1000
SPEED_LIMIT_MAX = 200000


class SyncControl:
    """What was said about resync, recovery, check and repair of one array.

    Attributes:
        frozen: nothing begins by itself (``MD_RECOVERY_FROZEN``).
        resync_min: member sector at which a check or repair begins.
        resync_max: member sector at which every sync pauses, ``MAX_SECTOR`` for none.
        sync_speed_min, sync_speed_max: KiB/s for each member; 0 for the system's limits.
        last_sync_action: what ran last: "none", "resync", "recovery", "check" or "repair".
    """

    __slots__ = (
        "frozen",
        "last_sync_action",
        "resync_max",
        "resync_min",
        "sync_speed_max",
        "sync_speed_min",
    )

    def __init__(self) -> None:
        self.frozen = False
        self.resync_min = 0
        self.resync_max = MAX_SECTOR
        self.sync_speed_min = 0
        self.sync_speed_max = 0
        self.last_sync_action = "none"

    @property
    def speed_min(self) -> int:
        """KiB/s for each member below which nothing holds a sync up."""
        return self.sync_speed_min or SPEED_LIMIT_MIN

    @property
    def speed_max(self) -> int:
        """KiB/s for each member above which a sync sleeps."""
        return self.sync_speed_max or SPEED_LIMIT_MAX


def next_action(mddev: Mddev) -> str | None:
    """What is to be run now of itself, in md's order (md_check_recovery).

    Spares take the slots that have no member, and are rebuilt before anything is resynced.

    Returns:
        "recover" or "resync"; None when there is nothing to do, or nothing may begin.
    """
    if mddev.sync_control.frozen or mddev.readonly or mddev.broken:
        return None
    if activate_spares(mddev) or recovery_pending(mddev):
        return "recover"
    return "resync" if mddev.recovery_cp < MAX_SECTOR else None


def recovery_pending(mddev: Mddev) -> bool:
    """Whether a member has a slot and still has to be rebuilt."""
    return any(rdev.recovering for rdev in mddev.rdevs)
