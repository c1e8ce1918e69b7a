"""The block device that other programs use: arrays served over NBD.

One idea a module, from the wire to the array: ``protocol`` has the numbers, ``handshake`` agrees
with a client on an export, ``transmission`` takes its requests apart and puts replies together, on
a ``connection``; ``export`` makes bios of requests, ``coalesce`` one of neighbours, and ``pump``
lets the simulation and the event loop take turns. ``server`` listens.
"""

from raidsim.nbd.server import NbdServer

__all__ = ["NbdServer"]
