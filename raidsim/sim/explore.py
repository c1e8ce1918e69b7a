"""Schedule exploration: another order of what has no order, for each seed, and always the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.sim.simulator import Simulator

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from typing import Any

    from raidsim.sim.simulator import Work


class ExploringSimulator(Simulator):
    """A simulator that takes ready work in any order that real devices could.

    Devices are as fast or as slow as chance has it: timed, they take up to twice their time;
    untimed, the CPU gets to do other things before a device is done. Which of several devices is
    done first, and which of several tasklets runs first, is drawn too. What a single CPU orders
    stays as it is: tasklets run before process context goes on, which takes its work in order.
    """

    __slots__ = ("_draw",)

    def __init__(self, seed: int = 0, *, timed: bool = False, timers: bool = False) -> None:
        super().__init__(seed, timed=timed, timers=timers)
        self._draw = self.random("explore")

    def _step(self) -> bool:
        if self._ready and not self._tasklets and self._draw.random() < 0.5:
            function, arguments = self._ready.popleft()
            function(*arguments)
            return True
        return super()._step()

    def _step_below_process(self) -> bool:
        if self._devices and self._tasklets and self._draw.random() < 0.5:
            _bring_forward(self._devices, self._draw.randrange(len(self._devices)))
            function, arguments = self._devices.popleft()
            function(*arguments)
            return True
        for queue in (self._tasklets, self._devices):
            if len(queue) > 1:
                _bring_forward(queue, self._draw.randrange(len(queue)))
        return super()._step_below_process()

    def device_timer(self, delay_ns: int, function: Callable[..., object], *arguments: Any) -> None:
        """As a simulator's, with up to twice the delay."""
        super().device_timer(self._drawn(delay_ns) if self.timers else 0, function, *arguments)

    def device_after(self, delay_ns: int, function: Callable[..., object], *arguments: Any) -> None:
        """As a simulator's, with up to twice the delay."""
        super().device_after(self._drawn(delay_ns) if self.timed else 0, function, *arguments)

    def _drawn(self, delay_ns: int) -> int:
        return self._draw.randrange(1, 2 * delay_ns + 1) if delay_ns > 0 else 0


def _bring_forward(queue: deque[Work], index: int) -> None:
    """Put what is at ``index`` first; the rest keeps its order."""
    work = queue[index]
    del queue[index]
    queue.appendleft(work)
