"""The event loop: a virtual clock, three ready queues and, when timed, a heap of what is to come.

Work waits in the queue of the context it runs in. Tasklets go first, then what devices do, then
process context: the order in which a single CPU would get to them.

A device may be real: threads of this process that work while the simulation goes on. What they
have done arrives in a queue of its own, the only thing here that another thread may touch.
"""

from __future__ import annotations

import random
from collections import deque
from heapq import heappop, heappush
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from raidsim.errors import RaidsimError
from raidsim.sim.hook import Hook

if TYPE_CHECKING:
    from collections.abc import Callable

    Work = tuple[Callable[..., object], tuple[Any, ...]]

PROCESS, TASKLET, IRQ = range(3)
CONTEXT_NAMES = ("process", "tasklet", "irq")


class DeadlockError(RaidsimError):
    """Something is awaited that nothing left to run can bring about."""


class Simulator:
    """One thread of simulated time.

    Timed, work asked for later waits in a heap and the clock jumps from one due time to the next;
    ties are broken by the order of asking. Untimed, every service time is zero: work asked for
    later is simply ready, the heap stays empty and the clock stands.

    Between the two, devices take no time and timers do: whoever runs the simulation alongside the
    clock on the wall moves it on with ``run_until_ns``.

    Args:
        seed: All randomness comes from named streams of it.
        timed: Whether devices take time.
        timers: Whether timers are kept where devices take none.

    Attributes:
        timed: Whether devices take time.
        timers: Whether timers are kept, as they are when timed.
        now_ns: The virtual clock.
        cpu: Number of the CPU that everything runs on, whatever asked for it.
        cpu_free_ns: When the CPU will have done what it was occupied with.
        context: ``PROCESS``, ``TASKLET`` or ``IRQ``: where the running code runs.
        in_callback: Whether the running code is a completion callback.
        fault_state: What the last trigger with a new state left behind; others wait for it.
        hook: Where events are observed.
    """

    __slots__ = (
        "_arrivals",
        "_devices",
        "_future",
        "_outside",
        "_ready",
        "_seed",
        "_sequence",
        "_streams",
        "_tasklets",
        "_working",
        "context",
        "cpu",
        "cpu_free_ns",
        "fault_state",
        "hook",
        "in_callback",
        "now_ns",
        "timed",
        "timers",
    )

    def __init__(self, seed: int = 0, *, timed: bool = False, timers: bool = False) -> None:
        self.timed = timed
        self.timers = timed or timers
        self.now_ns = 0
        self.cpu = 0
        self.cpu_free_ns = 0
        self.context = PROCESS
        self.in_callback = False
        self.fault_state = ""
        self.hook = Hook(self)
        self._seed = seed
        self._streams: dict[str, random.Random] = {}
        self._ready: deque[Work] = deque()
        self._devices: deque[Work] = deque()
        self._tasklets: deque[Work] = deque()
        self._future: list[tuple[int, int, deque[Work], Work]] = []
        self._sequence = 0
        self._arrivals: SimpleQueue[Work] = SimpleQueue()
        self._outside = 0
        self._working = False

    def random(self, name: str) -> random.Random:
        """Return the random stream called ``name``: its numbers depend on it and the seed alone."""
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = random.Random(f"{self._seed}/{name}")  # noqa: S311  a simulation wants repeatable numbers, not secret ones
        return stream

    def call_soon(self, function: Callable[..., object], *arguments: Any) -> None:
        """Run ``function(*arguments)`` in process context, after what is ready already."""
        self._ready.append((function, arguments))

    def call_after(self, delay_ns: int, function: Callable[..., object], *arguments: Any) -> None:
        """Run ``function(*arguments)`` in process context, ``delay_ns`` from now if timers are."""
        self._after(delay_ns if self.timers else 0, self._ready, (function, arguments))

    def device_after(self, delay_ns: int, function: Callable[..., object], *arguments: Any) -> None:
        """Let a device do ``function(*arguments)``, ``delay_ns`` from now when timed.

        A device is no CPU: its work goes on while process context spins.
        """
        if delay_ns > 0 and self.timed:
            self._sequence += 1
            due = (self.now_ns + delay_ns, self._sequence, self._devices, (function, arguments))
            heappush(self._future, due)
        else:
            self._devices.append((function, arguments))

    def device_timer(self, delay_ns: int, function: Callable[..., object], *arguments: Any) -> None:
        """Let a device do ``function(*arguments)``, ``delay_ns`` from now if timers are kept."""
        self._after(delay_ns if self.timers else 0, self._devices, (function, arguments))

    def outside_begin(self) -> None:
        """Expect one ``device_from_outside``: real work was set going that will end with it.

        Until it has come, the simulation does not stop for want of anything to do, and the
        virtual clock does not move on: work outside takes no virtual time.
        """
        self._outside += 1

    def device_from_outside(self, function: Callable[..., object], *arguments: Any) -> None:
        """Let a device do ``function(*arguments)`` in the simulation's thread.

        Any thread may call this, once for each ``outside_begin``.
        """
        self._arrivals.put((function, arguments))

    def tasklet_schedule(self, function: Callable[..., object], *arguments: Any) -> None:
        """Run ``function(*arguments)`` in tasklet context, before any more process context."""
        self._tasklets.append((function, arguments))

    def interrupt(self, handler: Callable[..., object], *arguments: Any) -> None:
        """Run ``handler(*arguments)`` at once, in irq context: a device calls for the CPU."""
        interrupted, self.context = self.context, IRQ
        try:
            handler(*arguments)
        finally:
            self.context = interrupted

    def occupy_cpu(self, duration_ns: int) -> None:
        """Let the CPU be busy for so long.

        In process context this returns when it has done so, and all that devices, interrupts and
        tasklets do meanwhile is done. What interrupts and tasklets themselves take of the CPU is
        added to what process context is at, or does next.
        """
        self.cpu_free_ns = max(self.cpu_free_ns, self.now_ns) + duration_ns
        if self.context != PROCESS or self._working:
            return
        self._working = True
        try:
            while True:
                if self._step_below_process():
                    continue
                if self._outside:
                    self._arrive()
                elif self._future and self._future[0][0] <= self.cpu_free_ns:
                    self._advance()
                else:
                    break
            self.now_ns = self.cpu_free_ns
        finally:
            self._working = False

    def run(self) -> None:
        """Run until nothing is left to do."""
        while self._step():
            pass

    def run_until(
        self, predicate: Callable[[], object], waiting_for: object = "a condition"
    ) -> None:
        """Run until ``predicate()`` is true.

        Args:
            predicate: Asked before each piece of work.
            waiting_for: What is awaited, for the error; turned into text only then.

        Raises:
            DeadlockError: Nothing is left to run and the predicate is still false.
        """
        while not predicate():
            if not self._step():
                raise DeadlockError(f"nothing left to run, still waiting for {waiting_for}")

    def run_until_ns(self, time_ns: int, enough: Callable[[], object] | None = None) -> bool:
        """Run all that is due until ``time_ns``, and set the clock to it.

        Where devices take no time it is the work that does, so the clock is set first.

        Args:
            time_ns: The virtual time to get to.
            enough: Asked after each piece of work; once it is true the rest is left for later.

        Returns:
            Whether nothing is left that is due.
        """
        if not self.timed:
            while self._future and self._future[0][0] <= time_ns:
                self._advance()
            self.now_ns = max(self.now_ns, time_ns)
        while self._is_due(time_ns):
            self._step()
            if enough is not None and enough():
                return not self._is_due(time_ns)
        self.now_ns = max(self.now_ns, time_ns)
        return True

    def _is_due(self, time_ns: int) -> bool:
        return self.busy or bool(self._future and self._future[0][0] <= time_ns)

    @property
    def busy(self) -> bool:
        """Whether there is work to be done at the present time."""
        return bool(self._ready or self._devices or self._tasklets or self._outside)

    @property
    def next_ns(self) -> int | None:
        """When the next piece of work is due that is not yet; None for never."""
        return self._future[0][0] if self._future else None

    def spin(self) -> bool:
        """Run one piece of work that is not process context, if need be by advancing the clock.

        This is all that a CPU lets happen while it spins in process context: devices work,
        interrupts come, tasklets run, other process context waits.

        Returns:
            Whether there was any.
        """
        while not self._step_below_process():
            if self._outside:
                self._arrive()
                return True
            if not self._future:
                return False
            self._advance()
        return True

    def _step(self) -> bool:
        """Run the next piece of work in any context; tell whether there was any."""
        if (self._tasklets or self._devices or self._outside) and self._step_below_process():
            return True
        if self._ready:
            function, arguments = self._ready.popleft()
        elif self._outside:
            self._arrive()
            return True
        elif self._future:
            # Nothing else is ready: what is due first is next, whatever its context.
            self.now_ns, _, _, (function, arguments) = heappop(self._future)
        else:
            return False
        function(*arguments)
        return True

    def _step_below_process(self) -> bool:
        if self._tasklets:
            function, arguments = self._tasklets.popleft()
            interrupted, self.context = self.context, TASKLET
            try:
                function(*arguments)
            finally:
                self.context = interrupted
            return True
        if self._devices:
            function, arguments = self._devices.popleft()
            function(*arguments)
            return True
        if self._outside and not self._arrivals.empty():
            self._arrive()
            return True
        return False

    def _arrive(self) -> None:
        """Do what comes from outside next; wait for it if need be."""
        function, arguments = self._arrivals.get()
        self._outside -= 1
        function(*arguments)

    def _advance(self) -> None:
        """Set the clock to the next due time and make ready what is due first."""
        self.now_ns, _, queue, work = heappop(self._future)
        queue.append(work)

    def _after(self, delay_ns: int, queue: deque[Work], work: Work) -> None:
        if delay_ns > 0:
            self._sequence += 1
            heappush(self._future, (self.now_ns + delay_ns, self._sequence, queue, work))
        else:
            queue.append(work)
