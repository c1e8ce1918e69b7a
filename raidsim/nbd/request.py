"""What a client asks of an export, from its header until the reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray


class Request:
    """One request that needs the array.

    Args:
        command: one of ``NBD_CMD_*``.
        cookie: the client's name for it.
        offset, length: the bytes of the export it is about.
        end: called once, with the request, when it has ended.

    Attributes:
        whole: it covers whole sectors.
        fua: its writes must be on stable storage when it ends.
        buffer: whole sectors, of which the client's bytes are a part; none of a flush and the like.
        begun_ns: when it came, by the host's clock.
        error: what the client is told, 0 if all went well.
    """

    __slots__ = (
        "begun_ns",
        "buffer",
        "command",
        "cookie",
        "end",
        "error",
        "fua",
        "length",
        "offset",
        "whole",
    )

    def __init__(
        self,
        command: int,
        cookie: int,
        offset: int,
        length: int,
        end: Callable[[Request], Any],
        *,
        fua: bool = False,
    ) -> None:
        self.command = command
        self.cookie = cookie
        self.offset = offset
        self.length = length
        self.end = end
        self.fua = fua
        self.whole = not (offset | length) & 511
        self.begun_ns = 0
        self.buffer: NDArray[np.uint8] | None = None
        self.error = 0

    @property
    def first(self) -> int:
        """Where the first sector begins that it touches."""
        return self.offset & ~511

    @property
    def last(self) -> int:
        """Where the last sector ends that it touches."""
        return self.offset + self.length + 511 & ~511

    @property
    def data(self) -> memoryview:
        """The client's own part of the buffer."""
        assert self.buffer is not None
        start = self.offset & 511
        return self.buffer.data[start : start + self.length]
