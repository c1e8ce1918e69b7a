"""The one observation hook: statistics, traces, views and tests all listen here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.sim.simulator import Simulator

    Listener = Callable[[int, object], None]


class Hook:
    """Passes each event to every listener, in the order of their subscription.

    A site that emits tests ``listeners`` before it builds its event, so that an unobserved run
    pays one attribute test and no allocation::

        if hook.listeners:
            hook.emit(Completed(...))

    Attributes:
        listeners: Those subscribed; empty when nobody watches.
    """

    __slots__ = ("_sim", "listeners")

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self.listeners: tuple[Listener, ...] = ()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener(time_ns, event)`` for every event from now on.

        Returns:
            A function that ends the subscription.
        """
        self.listeners = (*self.listeners, listener)

        def unsubscribe() -> None:
            self.listeners = tuple(known for known in self.listeners if known is not listener)

        return unsubscribe

    def emit(self, event: object) -> None:
        """Hand ``event`` to the listeners, stamped with the virtual time."""
        time_ns = self._sim.now_ns
        for listener in self.listeners:
            listener(time_ns, event)
