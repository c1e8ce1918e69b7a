"""One array, opened: create, assemble, read, write, fail, add, rebuild, check, stop."""

from raidsim.array.array import Array
from raidsim.array.creation import MISSING, ArraySpec
from raidsim.array.opening import forget_image
from raidsim.array.syncing import SyncReport

__all__ = ["MISSING", "Array", "ArraySpec", "SyncReport", "forget_image"]
