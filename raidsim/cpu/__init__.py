"""The CPU's time: what its arithmetic, its copies and md's own steps take of it."""

from raidsim.cpu.model import Cpu, CpuWork
from raidsim.cpu.profile import (
    CpuProfile,
    OperationCost,
    cpu_profile,
    cpu_profile_names,
    load_cpu_profile,
)

__all__ = [
    "Cpu",
    "CpuProfile",
    "CpuWork",
    "OperationCost",
    "cpu_profile",
    "cpu_profile_names",
    "load_cpu_profile",
]
