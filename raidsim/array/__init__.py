"""One array, opened: create, assemble, read, write, fail, add, rebuild, check, stop."""

from raidsim.array.array import Array, SyncReport
from raidsim.array.creation import MISSING, ArraySpec
from raidsim.array.opening import forget_image

__all__ = ["MISSING", "Array", "ArraySpec", "SyncReport", "forget_image"]
