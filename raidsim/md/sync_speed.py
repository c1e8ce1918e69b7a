"""How fast a sync may go: the limits and the other i/o that md_do_sync minds (drivers/md/md.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raidsim.md.mddev import Mddev

# How long a sync that is too fast sleeps.
SLEEP_NS = 500_000_000

_SECOND_NS = 1_000_000_000
# What a sync has to begin before it looks around again: 32 pages.
_WINDOW_SECTORS = 256
# The speed is that of the last SYNC_MARKS * SYNC_MARK_STEP, or of what there was of it.
_SYNC_MARKS = 10
_SYNC_MARK_STEP_NS = 3 * _SECOND_NS
# So much other i/o may pass unnoticed.
_IDLE_SECTORS = 64

GO, SLEEP, YIELD = range(3)


class SyncSpeed:
    """The speed of one sync, over the last 30 seconds of virtual time.

    In an untimed machine no time passes, and nothing holds a sync up.

    Args:
        mddev: the array that is synced.

    Attributes:
        begun_sectors: sectors of each member that were begun so far.
    """

    __slots__ = (
        "_last_check",
        "_last_other",
        "_marks",
        "_mddev",
        "_sim",
        "begun_sectors",
    )

    def __init__(self, mddev: Mddev) -> None:
        self._mddev = mddev
        self._sim = mddev.machine.sim
        self.begun_sectors = 0
        self._last_check = 0
        self._last_other = mddev.io_sectors
        # (time, sectors done by then), the oldest first.
        self._marks = [(self._sim.now_ns, 0)]

    def begun(self, sectors: int) -> None:
        """So many more sectors of each member were begun."""
        self.begun_sectors += sectors

    def kib_per_second(self, active_sectors: int) -> int:
        """The speed as ``sync_speed`` tells it; ``active_sectors`` are begun but not done."""
        marked_ns, marked_sectors = self._marks[0]
        seconds = (self._sim.now_ns - marked_ns) // _SECOND_NS or 1
        return (self.begun_sectors - active_sectors - marked_sectors) // seconds // 2

    def look(self) -> bool:
        """Whether enough was begun since the last time to look around again."""
        if not self._sim.timers or self.begun_sectors < self._last_check + _WINDOW_SECTORS:
            return False
        self._last_check = self.begun_sectors
        return True

    def verdict(self, active_sectors: int) -> int:
        """What a sync should do now.

        Args:
            active_sectors: sectors of each member that are begun but not done.

        Returns:
            ``GO``; ``SLEEP`` for ``SLEEP_NS`` and ask again; or ``YIELD`` to other i/o: begin no
            more before all that was begun is done.
        """
        now = self._sim.now_ns
        done = self.begun_sectors - active_sectors
        if now >= self._marks[-1][0] + _SYNC_MARK_STEP_NS:
            self._marks.append((now, done))
            del self._marks[: -1 - _SYNC_MARKS]
        marked_ns, marked_sectors = self._marks[0]
        speed = (done - marked_sectors) // 2 // ((now - marked_ns) // _SECOND_NS + 1) + 1
        control = self._mddev.sync_control
        if speed <= control.speed_min:
            return GO
        if speed > control.speed_max:
            return SLEEP
        return GO if self._others_are_idle() else YIELD

    def _others_are_idle(self) -> bool:
        """Whether next to nothing was read or written since the last time (is_mddev_idle)."""
        io_sectors = self._mddev.io_sectors
        if io_sectors - self._last_other <= _IDLE_SECTORS:
            return True
        self._last_other = io_sectors
        return False
