"""How an event loop and a simulation take turns in one thread.

The simulation works off what there is to do, and then the loop waits for clients or for the next
timer of the simulation, whose clock follows the one on the wall. While a rebuild or a check goes on
there is always something to do: it is done in slices, between which clients are heard.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.sim import Simulator

# How long the simulation may run on while clients wait to be heard: about as long as a stripe head
# or two take.
_SLICE_NS = 500_000
# How far the clock may be moved on at the end, for requests that are still under way.
_FINISH_NS = 10_000_000_000


class Pump:
    """Runs a simulation beside the running event loop.

    Args:
        sim: the simulation; timed, its devices take their time on the wall's clock.
        begin: called to begin what waits to be begun, at the simulation's present.
        waiting_for: how many requests clients wait for.
        deliver: called to pass on what has come of them.
        failed: called with the exception that ended the simulation.
    """

    def __init__(
        self,
        sim: Simulator,
        begin: Callable[[], object],
        waiting_for: Callable[[], int],
        deliver: Callable[[], object],
        failed: Callable[[Exception], object],
    ) -> None:
        self._sim = sim
        self._begin = begin
        self._waiting_for = waiting_for
        self._deliver = deliver
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._turn_is_due = self._turning = False
        self._stopped = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0
        self._origin_ns = time.monotonic_ns() - sim.now_ns
        self._slice_end_ns = 0

    def wake(self) -> None:
        """There is something to do: take a turn once the loop has heard all who are ready."""
        if not self._turn_is_due:
            self._turn_is_due = True
            self._loop.call_soon(self._take_due_turn)

    def turn(self) -> None:
        """Take a turn now, with nobody else to be heard before, unless one is due anyway.

        One that is asked for in the midst of another comes after it.
        """
        if self._turning:
            self.wake()
        elif not self._turn_is_due:
            self._take_turn()

    def finish(self) -> None:
        """Run until no client waits any more, whatever the clock says; what can't end is left."""
        self._stopped = True
        self._disarm()
        sim = self._sim
        self._begin()
        end_ns = sim.now_ns + _FINISH_NS
        while self._waiting_for():
            due_ns = sim.now_ns if sim.busy else sim.next_ns
            if due_ns is None or due_ns > end_ns:
                break
            sim.run_until_ns(due_ns, self._clients_are_served)
        self._deliver()

    def _take_due_turn(self) -> None:
        self._turn_is_due = False
        self._take_turn()

    def _take_turn(self) -> None:
        if self._stopped:
            return
        self._turning = True
        try:
            done = self._run()
        except Exception as error:  # noqa: BLE001  the server has to end, whatever it was
            self._stopped = True
            self._failed(error)
            return
        finally:
            self._turning = False
        if done:
            self._arm()
        else:
            self.wake()

    def _arm(self) -> None:
        """Take a turn when the simulation's next timer is due, if not before."""
        next_ns = self._sim.next_ns
        if next_ns is None or (self._timer is not None and self._timer_ns <= next_ns):
            return
        self._disarm()
        self._timer_ns = next_ns
        delay_ns = next_ns - self._now_ns()
        self._timer = self._loop.call_later(max(delay_ns, 0) / 1e9, self._timer_rings)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _timer_rings(self) -> None:
        self._timer = None
        self._take_turn()

    def _run(self) -> bool:
        """Take a turn; tell whether all was done that was due.

        Once clients' requests have ended, background work has as much time as they took.
        """
        start_ns = self._now_ns()
        if self._sim.timed:
            # What is begun now must not come before what was due until now.
            self._run_slice(_SLICE_NS, self._slice_is_over)
        self._begin()
        if self._run_slice(_SLICE_NS, self._clients_are_served):
            return True
        return self._run_slice(max(_SLICE_NS, self._now_ns() - start_ns), self._slice_is_over)

    def _run_slice(self, length_ns: int, enough: Callable[[], bool]) -> bool:
        now_ns = self._now_ns()
        self._slice_end_ns = now_ns + length_ns
        done = self._sim.run_until_ns(now_ns, enough)
        self._deliver()
        return done

    def _now_ns(self) -> int:
        return time.monotonic_ns() - self._origin_ns

    def _slice_is_over(self) -> bool:
        return self._now_ns() >= self._slice_end_ns

    def _clients_are_served(self) -> bool:
        return not self._waiting_for() or self._slice_is_over()
