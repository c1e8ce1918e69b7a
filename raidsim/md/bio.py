"""A request to the array: the block layer's bio (Linux include/linux/blk_types.h)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from raidsim.disk import FLUSH, READ, WRITE

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["EIO", "FLUSH", "READ", "WRITE", "Bio"]

EIO = errno.EIO


class Bio:
    """One read, write or flush of whole sectors of the array.

    Args:
        operation: ``READ``, ``WRITE`` or ``FLUSH``.
        sector: first array sector of 512 bytes.
        buffer: one-dimensional ``uint8`` array, a multiple of 512 bytes; empty for a flush. It
            belongs to the array until the bio has ended.
        end_io: called once, with the bio, when it has ended.
        private: whatever the submitter needs in ``end_io``.
        fua: a write that must be on stable storage when it ends.
        sync: somebody waits for this write (``REQ_SYNC``), so it is not held back in the hope that
            the rest of its row is written too.

    Attributes:
        status: 0, or the errno of the first part that failed.
        remaining: parts still in flight, plus one while it is being taken apart.
        done: it has ended.
        number: the bio's, for those who watch; 0 when nobody does.
    """

    __slots__ = (
        "buffer",
        "done",
        "end_io",
        "fua",
        "number",
        "operation",
        "private",
        "remaining",
        "sector",
        "status",
        "sync",
    )

    def __init__(
        self,
        operation: int,
        sector: int,
        buffer: NDArray[np.uint8],
        end_io: Callable[[Bio], object] | None = None,
        private: Any = None,
        *,
        fua: bool = False,
        sync: bool = True,
    ) -> None:
        self.operation = operation
        self.sector = sector
        self.buffer = buffer
        self.end_io = end_io
        self.private = private
        self.fua = fua
        self.sync = sync
        self.status = 0
        self.remaining = 1
        self.done = False
        self.number = 0

    def put(self) -> None:
        """One part has ended; the last one ends the bio."""
        self.remaining -= 1
        if not self.remaining:
            self.done = True
            if self.end_io is not None:
                self.end_io(self)

    def fail_part(self) -> None:
        """One part has ended in an i/o error."""
        self.status = EIO
        self.put()
