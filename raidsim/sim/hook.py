"""The one observation hook: statistics, traces, views and tests all listen here."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from raidsim.sim.simulator import Simulator

    Listener = Callable[[int, object], None]


class Hook:
    """Passes each event to every listener, in the order of their subscription.

    A site that emits tests ``listeners`` before it builds its event, so that an unobserved run
    pays one attribute test and no allocation::

        if hook.listeners:
            hook.emit(Completed(...))

    What changes the state of something, and so happens seldom, is told with ``tell`` instead. Who
    wants nothing else subscribes for that alone, and all other sites stay unobserved.

    What is watched has numbers, by which one can follow it: requests, stripes, accesses to disks.
    Whoever works for one of them says so with ``working_for``, and what begins meanwhile tells that
    it was for that one.

    Attributes:
        listeners: Those subscribed; empty when nobody watches.
        first_number: The first number given out since somebody watches: what has a lower one got it
            when others did.
        origin: Number of what the running code works for; 0 when that is nothing that has one.
    """

    __slots__ = ("_for_changes", "_numbered", "_sim", "first_number", "listeners", "origin")

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self.listeners: tuple[Listener, ...] = ()
        self._for_changes: tuple[Listener, ...] = ()
        self.first_number = 1
        self.origin = 0
        self._numbered = 0

    def next_number(self) -> int:
        """Return a number for something that begins, unlike all before; from 1."""
        self._numbered += 1
        return self._numbered

    @contextmanager
    def working_for(self, number: int) -> Iterator[None]:
        """Let what begins while the body runs have ``number`` as its origin."""
        before, self.origin = self.origin, number
        try:
            yield
        finally:
            self.origin = before

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener(time_ns, event)`` for every event from now on.

        Returns:
            A function that ends the subscription.
        """
        if not self.listeners:
            self.first_number = self._numbered + 1
        self.listeners = (*self.listeners, listener)

        def unsubscribe() -> None:
            self.listeners = tuple(known for known in self.listeners if known is not listener)

        return unsubscribe

    def subscribe_to_changes(self, listener: Listener) -> None:
        """Call ``listener(time_ns, event)`` for every event that is told with ``tell``."""
        self._for_changes = (*self._for_changes, listener)

    def tell(self, event: object) -> None:
        """Hand ``event``, a change of state, to all listeners."""
        for listener in self._for_changes:
            listener(self._sim.now_ns, event)
        self.emit(event)

    def emit(self, event: object) -> None:
        """Hand ``event`` to the listeners, stamped with the virtual time."""
        time_ns = self._sim.now_ns
        for listener in self.listeners:
            listener(time_ns, event)
