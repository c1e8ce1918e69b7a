"""An engine that is real: a worker thread for each channel does what its ring holds.

NumPy and ISA-L let go of the interpreter's lock while they compute, so the work goes on beside
the simulation. How long it takes is real, and so is the order in which channels get done: a run
on this engine is not repeated by its seed. Virtual time does not pass meanwhile.
"""

from __future__ import annotations

import weakref
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np

from raidsim.dmaengine.drivers.ring import RingChannel, RingDevice
from raidsim.dmaengine.errors import EngineHaltedError
from raidsim.dmaengine.events import Issued
from raidsim.raid6 import select_kernel

if TYPE_CHECKING:
    from raidsim.dmaengine.channel import Buffer
    from raidsim.dmaengine.drivers.profile import DeviceProfile
    from raidsim.dmaengine.drivers.ring import RingDescriptor
    from raidsim.machine import Machine

    Queue = SimpleQueue[tuple["ThreadsChannel", RingDescriptor] | None]


class WorkerUnit:
    """What one worker computes with: kernels and scratch buffers serve one thread.

    Attributes:
        raid6: Its arithmetic kernel.
    """

    __slots__ = ("_scratch", "raid6")

    def __init__(self, kernel: str) -> None:
        self.raid6 = select_kernel(kernel)
        self._scratch: Buffer = np.empty(0, np.uint8)

    def scratch(self, size: int) -> Buffer:
        """Return the worker's scratch buffer, of at least ``size`` bytes."""
        if self._scratch.size < size:
            self._scratch = np.empty(size, np.uint8)
        return self._scratch


class ThreadsChannel(RingChannel):
    """A ring channel whose hardware is a thread, which works while the channel has clients.

    Attributes:
        halted: Whether a descriptor failed. The channel then does no more work: what is on it
            never completes, as on a chip that stops at an error.
    """

    __slots__ = ("_end_worker", "_fetched", "halted")

    device: ThreadsDevice

    def __init__(self, device: ThreadsDevice, profile: DeviceProfile) -> None:
        super().__init__(device, profile)
        self.halted = False
        self._fetched: Queue = SimpleQueue()

    def alloc_chan_resources(self) -> int:
        """Make the ring and start the worker."""
        self.unit = WorkerUnit(self.device.machine.raid6.name)
        self.halted = False
        self._fetched = SimpleQueue()
        # The worker knows its queue only, so as not to keep alive a machine nobody else wants.
        self._end_worker = weakref.finalize(self.device, self._fetched.put, None)
        Thread(
            target=_work, args=(self._fetched,), name=f"raidsim {self.name}", daemon=True
        ).start()
        return super().alloc_chan_resources()

    def free_chan_resources(self) -> None:
        """Give the ring up and let the worker end."""
        self._end_worker()
        super().free_chan_resources()

    def issue_pending(self) -> None:
        """Let the worker have everything that was submitted."""
        sim = self.device.machine.sim
        listeners = sim.hook.listeners
        for tx in self.submitted:
            if listeners:
                sim.hook.emit(Issued(self.name, tx.cookie, tx.operation))
            sim.outside_begin()
            self._fetched.put((self, tx))
        self.submitted.clear()
        self.submitted_slots = 0

    def finished(self, tx: RingDescriptor, error: Exception | None) -> None:
        """Take back a descriptor from the worker, in the simulation's thread.

        Raises:
            EngineHaltedError: Its work failed, which halts the channel.
        """
        if self.halted:
            return
        if error is not None:
            self.halted = True
            raise EngineHaltedError(f"{self.name}: {tx.operation} failed: {error}") from error
        tx.arguments = ()
        self._done.append(tx)
        self.device.machine.sim.interrupt(self._irq)


class ThreadsDevice(RingDevice):
    """A device whose channels are worker threads, as its profile describes it."""

    def __init__(self, machine: Machine, profile: DeviceProfile) -> None:
        super().__init__(machine, profile)
        self.channels = [ThreadsChannel(self, profile) for _ in range(profile.channels)]


def _work(fetched: Queue) -> None:
    """Do what is fetched, in order, until told to end; after an error nothing more is done."""
    halted = False
    while (job := fetched.get()) is not None:
        chan, tx = job
        error = None
        if not halted:
            try:
                tx.work(*tx.arguments)
            except Exception as caught:  # noqa: BLE001  raised again in the simulation's thread
                error = caught
                halted = True
        chan.device.machine.sim.device_from_outside(chan.finished, tx, error)
        # Between two jobs a worker holds nothing of its machine.
        del job, chan, tx, error
