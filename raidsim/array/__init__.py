"""One array, opened: create, assemble, read, write, fail, add, rebuild, check, stop."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raidsim.array.array import Array
    from raidsim.array.creation import MISSING, ArraySpec
    from raidsim.array.opening import forget_image
    from raidsim.array.syncing import SyncReport

__all__ = ["MISSING", "Array", "ArraySpec", "SyncReport", "forget_image"]

if not TYPE_CHECKING:
    _MODULES = {
        "MISSING": "creation",
        "Array": "array",
        "ArraySpec": "creation",
        "SyncReport": "syncing",
        "forget_image": "opening",
    }

    def __getattr__(name: str) -> object:
        """Import what is asked for: who only looks at an array does without all that runs one."""
        if name in _MODULES:
            return getattr(import_module(f"raidsim.array.{_MODULES[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
