"""Safe mode: an array goes clean by itself a while after its last write (drivers/md/md.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raidsim.md.bio import Bio
    from raidsim.md.mddev import Mddev

_MS_NS = 1_000_000
# As on a kernel of 1000 ticks a second: 200 ms and a tick, and what 32 bits of ticks hold.
_DEFAULT_MS = 201
MAX_DELAY_MS = 4294967


class SafeMode:
    """The timer that marks an array clean; only a timed machine's clock ever gets there.

    Args:
        mddev: the array.

    Attributes:
        delay_ms: an array is clean once it was not written for one to two times as long; 0 for
            never.
    """

    __slots__ = ("_armed", "_expires_ns", "_mddev", "_sim", "_writes_pending", "delay_ms")

    def __init__(self, mddev: Mddev) -> None:
        self._mddev = mddev
        self._sim = mddev.machine.sim
        self.delay_ms = _DEFAULT_MS
        self._writes_pending = 0
        self._expires_ns = 0
        self._armed = False

    def write_start(self, bio: Bio) -> None:
        """A write begins, and is pending until it ends (md_write_start)."""
        self._writes_pending += 1
        end_io = bio.end_io

        def write_end(bio: Bio) -> None:
            self._write_end()
            if end_io is not None:
                end_io(bio)

        bio.end_io = write_end

    def _write_end(self) -> None:
        """Put the timer off, to the second multiple of the delay from now (md_write_end)."""
        self._writes_pending -= 1
        delay_ns = self.delay_ms * _MS_NS
        if delay_ns:
            now = self._sim.now_ns
            self._expires_ns = now + -now % delay_ns + delay_ns
            self._arm()

    def _arm(self) -> None:
        if not self._armed:
            self._armed = True
            self._sim.call_after(self._expires_ns - self._sim.now_ns, self._expire)

    def _expire(self) -> None:
        self._armed = False
        if self._sim.now_ns < self._expires_ns:
            self._arm()
        elif not self._writes_pending:
            self._mddev.idle()
