"""raidsim: a RAID4/5/6 block device in user space, built the way Linux md builds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raidsim.machine import Machine

__version__ = "0.1.0"
__all__ = ["Machine"]


def __getattr__(name: str) -> object:
    """Import ``Machine`` when it is first asked for, so that ``import raidsim`` stays quick."""
    if name == "Machine":
        from raidsim.machine import Machine  # noqa: PLC0415  the import is what is put off

        return Machine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
