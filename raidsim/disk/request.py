"""The one interface of a disk: requests go down, completions come back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

READ = 0
WRITE = 1
FLUSH = 2
OPERATION_NAMES = ("read", "write", "flush")


class DiskRequest:
    """One access to one disk; its owner may use it again once it has completed.

    Attributes:
        operation: ``READ``, ``WRITE`` or ``FLUSH``.
        sector: first sector of 512 bytes, from the start of the disk.
        buffer: one-dimensional ``uint8`` array, a multiple of 512 bytes; None for a flush.
        fua: a write that must be on stable storage when it completes.
        status: 0, or the errno of the failure; set before ``end_io`` is called.
        end_io: called once with the request when it has completed.
        owner: whatever the submitter needs in ``end_io``.
        member: the submitter's number for the disk.
        target: whatever the submitter has to know the disk by, should the number be given on.
        number: the access's, for those who watch; 0 when nobody does.
    """

    __slots__ = (
        "buffer",
        "end_io",
        "fua",
        "member",
        "number",
        "operation",
        "owner",
        "sector",
        "status",
        "target",
    )

    def __init__(
        self,
        operation: int,
        sector: int,
        buffer: NDArray[np.uint8] | None,
        end_io: Callable[[DiskRequest], None],
        owner: Any = None,
        member: int = -1,
        *,
        fua: bool = False,
    ) -> None:
        self.operation = operation
        self.sector = sector
        self.buffer = buffer
        self.fua = fua
        self.status = 0
        self.end_io = end_io
        self.owner = owner
        self.member = member
        self.target: Any = None
        self.number = 0


class Disk(Protocol):
    """What md asks of a member. Models of service time and faults wrap one and offer the same."""

    @property
    def name(self) -> str:
        """The name that messages use."""

    @property
    def sectors(self) -> int:
        """Size in sectors of 512 bytes."""

    def submit(self, request: DiskRequest) -> None:
        """Carry out ``request`` and call its ``end_io``, at once or later, never twice."""

    def close(self) -> None:
        """Let go of the disk; requests may not follow."""
