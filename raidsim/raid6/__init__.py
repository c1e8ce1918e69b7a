"""RAID-6 arithmetic over GF(2^8), and the kernels that do it (Linux lib/raid6, crypto/xor.c)."""

from raidsim.raid6.kernel import Raid6Kernel
from raidsim.raid6.select import select_kernel

__all__ = ["Raid6Kernel", "select_kernel"]
