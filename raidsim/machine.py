"""A machine: what everything that happens in one simulation has in common.

There are no globals. A function finds its machine through the submit control, the channel or the
descriptor it is given, and two machines in one process never meet.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from raidsim.dmaengine import DmaRegistry, dmaengine_get, dmaengine_put
from raidsim.dmaengine.counts import AsyncTxStats
from raidsim.dmaengine.leaks import check_leaks
from raidsim.dmaengine.sanitizer import DmaSanitizer
from raidsim.errors import UsageError
from raidsim.raid6 import select_kernel
from raidsim.sim import ExploringSimulator, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from raidsim.cpu import Cpu, CpuProfile
    from raidsim.dmaengine.channel import Buffer
    from raidsim.dmaengine.drivers import EngineProfile


class Machine:
    """A simulated machine with its clock, its arithmetic and its offload engines.

    async_tx is a client of dmaengine from the start, as its module is from boot.

    Args:
        seed: All randomness comes from named streams of it.
        timed: Whether disks, engines and the CPU take virtual time.
        timers: Whether md's timers do where nothing else does, for who follows a real clock.
        engines: The offload engines it has: names of profiles, or profiles.
        kernel: Name of the arithmetic kernel; None lets ``raidsim.raid6`` choose.
        sanitize: Whether every access to memory and every use of a descriptor is checked; None
            leaves it to the environment's ``RAIDSIM_SANITIZE``.
        explore: Whether what has no order is done in one that the seed draws.
        cpus: How many CPUs it has; they share its channels and take turns at running.
        cpu: How fast the CPU is that md's thread has: the name of a profile, or a profile. None
            for one whose work takes no time, as none does on an untimed machine.

    Attributes:
        cpu: Charges the CPU's work to the clock; None where it takes no time.
        sim: Clock, queues, contexts, random streams and the observation hook.
        dmaengine: Its DMA devices and channels.
        raid6: The arithmetic kernel, used by software and emulated engines alike.
        async_tx_stats: How many operations ran in software and how many on engines.
        sanitizer: Checks and reports, if it was asked for.

    Raises:
        UsageError: There is not even one CPU, or a profile is not there or makes no sense.
    """

    __slots__ = ("_scratch", "async_tx_stats", "cpu", "dmaengine", "raid6", "sanitizer", "sim")

    def __init__(
        self,
        seed: int = 0,
        *,
        timed: bool = False,
        timers: bool = False,
        engines: Iterable[str | EngineProfile] = (),
        kernel: str | None = None,
        sanitize: bool | None = None,
        explore: bool = False,
        cpus: int = 1,
        cpu: str | CpuProfile | None = None,
    ) -> None:
        if cpus < 1:
            raise UsageError(f"a machine needs at least 1 CPU, not {cpus}")
        self.sim = (ExploringSimulator if explore else Simulator)(seed, timed=timed, timers=timers)
        self.cpu = None if cpu is None else _cpu(self.sim, cpu, timed=timed)
        if sanitize is None:
            sanitize = os.environ.get("RAIDSIM_SANITIZE", "") not in {"", "0"}
        self.sanitizer = DmaSanitizer(self.sim) if sanitize else None
        self.raid6 = select_kernel(kernel)
        self.dmaengine = DmaRegistry(cpus)
        self.async_tx_stats = AsyncTxStats()
        self._scratch: Buffer = np.empty(0, np.uint8)
        dmaengine_get(self)
        for engine in engines:
            from raidsim.dmaengine.drivers import register_engine  # noqa: PLC0415  most have none

            register_engine(self, engine)

    def stop(self) -> None:
        """Let async_tx give up dmaengine, as at the end of its module.

        Raises:
            LeakedDescriptorError: Descriptors that have completed were never acknowledged.
            SanitizerError: The sanitizer has reports.
        """
        try:
            check_leaks(self)
        finally:
            dmaengine_put(self)
        if self.sanitizer is not None:
            self.sanitizer.check()

    @contextmanager
    def on_cpu(self, number: int) -> Iterator[None]:
        """Run the body on CPU ``number``, with its cells of the channel table.

        Whatever the simulation runs meanwhile runs there too: no work is bound to a CPU.

        Raises:
            UsageError: The machine has no such CPU.
        """
        tables = self.dmaengine.cpu_tables
        if not 0 <= number < len(tables):
            raise UsageError(f"there is no CPU {number}: the machine has {len(tables)}, from 0")
        before = self.sim.cpu
        self._switch_cpu(number)
        try:
            yield
        finally:
            self._switch_cpu(before)

    def _switch_cpu(self, number: int) -> None:
        self.sim.cpu = number
        self.dmaengine.channel_table = self.dmaengine.cpu_tables[number]

    def scratch(self, size: int) -> Buffer:
        """Return the machine's scratch buffer, of at least ``size`` bytes.

        It is the caller's until anything else runs; what it holds is undefined.
        """
        if self._scratch.size < size:
            self._scratch = np.empty(size, np.uint8)
        self.raid6.remember(self._scratch)
        return self._scratch


def _cpu(sim: Simulator, profile: str | CpuProfile, *, timed: bool) -> Cpu | None:
    from raidsim.cpu import Cpu, load_cpu_profile  # noqa: PLC0415  most machines take no time

    if isinstance(profile, str):
        profile = load_cpu_profile(profile)
    return Cpu(sim, profile) if timed else None
