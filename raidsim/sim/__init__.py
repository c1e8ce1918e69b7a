"""The simulation's ground floor: virtual time, the queues, contexts, randomness, observation."""

from raidsim.sim.explore import ExploringSimulator
from raidsim.sim.hook import Hook
from raidsim.sim.sanitizer import Sanitizer, SanitizerError, SanitizerReport
from raidsim.sim.simulator import CONTEXT_NAMES, IRQ, PROCESS, TASKLET, DeadlockError, Simulator
from raidsim.sim.trigger import FaultError, Trigger

__all__ = [
    "CONTEXT_NAMES",
    "IRQ",
    "PROCESS",
    "TASKLET",
    "DeadlockError",
    "ExploringSimulator",
    "FaultError",
    "Hook",
    "Sanitizer",
    "SanitizerError",
    "SanitizerReport",
    "Simulator",
    "Trigger",
]
