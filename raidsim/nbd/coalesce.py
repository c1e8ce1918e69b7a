"""Requests that wait at the same moment and lie side by side become one bio.

So neighbouring small writes become one tall stripe head, and those of a whole row need nothing
read. Where stripe heads end anyway nothing is gained by going on, and nothing is copied.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from raidsim.nbd.request import Request


def neighbours(requests: Iterable[Request], border_bytes: int) -> Iterator[list[Request]]:
    """Group requests that follow one another on the array; one of partial sectors is by itself.

    Args:
        requests: reads, or writes.
        border_bytes: no group goes on across a multiple of this.
    """
    group: list[Request] = []
    end = -1
    for request in sorted(requests, key=attrgetter("offset")):
        if group and (
            request.offset != end
            or not end % border_bytes
            or not request.whole
            or request.fua != group[0].fua
        ):
            yield group
            group = []
        group.append(request)
        end = request.offset + request.length if request.whole else -1
    if group:
        yield group


def shared_read_buffer(group: Sequence[Request]) -> NDArray[np.uint8]:
    """One buffer for neighbouring reads, each of which gets its part of it."""
    buffer = np.empty(group[-1].last - group[0].first, np.uint8)
    if len(group) == 1:
        group[0].buffer = buffer
        return buffer
    start = 0
    for request in group:
        request.buffer = buffer[start : start + request.length]
        start += request.length
    return buffer


def shared_write_buffer(group: Sequence[Request]) -> NDArray[np.uint8]:
    """The data of neighbouring writes, one behind the other."""
    buffers = [request.buffer for request in group if request.buffer is not None]
    return buffers[0] if len(buffers) == 1 else np.concatenate(buffers)
