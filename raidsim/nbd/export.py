"""An array as an export: clients' requests are made into bios, whole sectors all of them.

Whole-sector reads and writes may go on at once, in any order, as on any block device. A write that
covers a sector only in part has to read it first, and nobody else may write that sector in between:
so it is alone among the writes. Clients are told of the sectors, so that few ask for it.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from raidsim.array.requests import RequestMeter
from raidsim.md.bio import FLUSH, READ, WRITE, Bio
from raidsim.md.raid5.stripe_head import UNIT_BYTES
from raidsim.nbd import sequence
from raidsim.nbd.coalesce import neighbours, shared_read_buffer, shared_write_buffer
from raidsim.nbd.protocol import (
    NBD_CMD_CACHE,
    NBD_CMD_FLUSH,
    NBD_CMD_READ,
    NBD_EIO,
    NBD_FLAG_CAN_MULTI_CONN,
    NBD_FLAG_HAS_FLAGS,
    NBD_FLAG_READ_ONLY,
    NBD_FLAG_SEND_CACHE,
    NBD_FLAG_SEND_FAST_ZERO,
    NBD_FLAG_SEND_FLUSH,
    NBD_FLAG_SEND_FUA,
    NBD_FLAG_SEND_TRIM,
    NBD_FLAG_SEND_WRITE_ZEROES,
)
from raidsim.nbd.pump import Pump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from raidsim.array import Array
    from raidsim.nbd.request import Request

    # Something with replies to send.
    Replier = Callable[[], object]

# All connections use the one array, whose flush covers whatever was written before, by whomever.
_FLAGS = (
    NBD_FLAG_HAS_FLAGS
    | NBD_FLAG_SEND_FLUSH
    | NBD_FLAG_SEND_FUA
    | NBD_FLAG_SEND_TRIM
    | NBD_FLAG_SEND_WRITE_ZEROES
    | NBD_FLAG_SEND_FAST_ZERO
    | NBD_FLAG_SEND_CACHE
    | NBD_FLAG_CAN_MULTI_CONN
)

# What a request counts as; the others write.
_COUNTS_AS = {NBD_CMD_READ: READ, NBD_CMD_CACHE: READ, NBD_CMD_FLUSH: FLUSH}


class Export:
    """An array that clients read and write; made within a running event loop.

    Args:
        name: what clients call it.
        array: the array, live.
        failed: called with the exception that ended its simulation.

    Attributes:
        name, array: the same.
        size: bytes that clients see.
        flags: transmission flags, structured replies apart.
        description: one line for people.
        block_bytes_minimum: what clients should align requests to: a sector.
        block_bytes_preferred: a full row of data, or a chunk where that is no power of two, as the
            protocol wants it.
        clients: connections that use it.
        in_flight: requests that clients wait for.
        requests: counts what clients ask.
        pump: runs the array's simulation; whoever changes the array from outside wakes it.
    """

    def __init__(self, name: str, array: Array, failed: Callable[[Exception], object]) -> None:
        geometry = array.mddev.geometry
        chunk_bytes = geometry.chunk_sectors * 512
        row_bytes = chunk_bytes * geometry.data_disks
        self.name = name
        self.array = array
        self.size = array.size
        self.readonly = array.mddev.readonly
        self.flags = _FLAGS | (NBD_FLAG_READ_ONLY if self.readonly else 0)
        self.description = f"RAID{geometry.level} of {geometry.raid_disks} members"
        self.block_bytes_minimum = 512
        self.block_bytes_preferred = chunk_bytes if row_bytes & (row_bytes - 1) else row_bytes
        self.clients = 0
        self.in_flight = 0
        self.requests = RequestMeter()
        self._border_bytes = array.mddev.personality.conf.cache.max_units * UNIT_BYTES
        self._mddev = array.mddev
        self._sim = array.machine.sim
        self._reads: list[Request] = []
        self._writes: deque[Request] = deque()
        self._others: list[Request] = []
        self._writes_in_flight = 0
        self._alone = False
        self._repliers: list[Replier] = []
        self.pump = Pump(
            self._sim, self._begin_waiting, lambda: self.in_flight, self._deliver, failed
        )

    def submit(self, request: Request) -> None:
        """Take a request, to be begun when all that came with it are here: see ``begin``."""
        command = request.command
        request.begun_ns = time.perf_counter_ns()
        self.requests.in_flight += 1
        if command == NBD_CMD_READ:
            self._reads.append(request)
        elif command in {NBD_CMD_FLUSH, NBD_CMD_CACHE}:
            self._others.append(request)
        else:
            self._writes.append(request)
        self.in_flight += 1

    def begin(self) -> None:
        """Begin what was submitted, together with what other clients have sent by now.

        A client that is alone waits for no other, so its requests go on at once.
        """
        if self._reads or self._writes or self._others:
            if self.clients == 1:
                self.pump.turn()
            else:
                self.pump.wake()

    def has_replies(self, replier: Replier) -> None:
        """Call ``replier`` once the simulation has its turn no more."""
        self._repliers.append(replier)

    # -- beginning ------------------------------------------------------------------------------

    def _begin_waiting(self) -> None:
        if self._reads:
            reads, self._reads = self._reads, []
            self._begin_reads(reads)
        if self._writes:
            self._begin_writes()
        if self._others:
            others, self._others = self._others, []
            for request in others:
                self._begin_other(request)

    def _begin_reads(self, reads: Sequence[Request]) -> None:
        for group in neighbours(reads, self._border_bytes):
            buffer = shared_read_buffer(group)
            self._mddev.submit_bio(Bio(READ, group[0].first >> 9, buffer, self._end_bio, group))

    def _begin_writes(self) -> None:
        """Begin the writes that wait, up to one that has to be alone and is not."""
        writes = self._writes
        while writes and not self._alone:
            together: list[Request] = []
            while writes and not _alone_among_writes(writes[0]):
                together.append(writes.popleft())
            for group in neighbours(together, self._border_bytes):
                self._writes_in_flight += 1
                self._submit_write(group)
            if writes:
                if self._writes_in_flight:
                    return
                self._alone = True
                self._begin_sequence(writes.popleft())

    def _submit_write(self, group: list[Request]) -> None:
        first = group[0]
        bio = Bio(
            WRITE,
            first.offset >> 9,
            shared_write_buffer(group),
            self._end_write,
            group,
            fua=first.fua,
        )
        self._mddev.submit_bio(bio)

    def _begin_other(self, request: Request) -> None:
        if request.command == NBD_CMD_FLUSH:
            bio = Bio(FLUSH, 0, np.empty(0, np.uint8), self._end_bio, [request])
            self._mddev.submit_bio(bio)
        else:
            self._begin_sequence(request)

    def _begin_sequence(self, request: Request) -> None:
        bios = sequence.bios_of(request)
        self._go_on(request, bios, None)

    def _go_on(self, request: Request, bios: Iterator[Bio], ended: Bio | None) -> None:
        """Submit the next of the bios that make up a request, or end it."""
        bio = None if ended is not None and ended.status else next(bios, None)
        if bio is not None:
            bio.end_io = lambda bio: self._sim.call_soon(self._go_on, request, bios, bio)
            self._mddev.submit_bio(bio)
            return
        if request.command != NBD_CMD_CACHE:
            self._alone = False
            self._sim.call_soon(self._begin_writes)
        self._end(request, ended.status if ended is not None else 0)

    # -- ending ---------------------------------------------------------------------------------

    def _end_write(self, bio: Bio) -> None:
        self._writes_in_flight -= 1
        if bio.status and len(bio.private) > 1:
            self._writes_in_flight += len(bio.private)
        if self._writes:
            # Whoever ends a bio must not go on to use the stripe cache.
            self._sim.call_soon(self._begin_writes)
        self._end_bio(bio)

    def _end_bio(self, bio: Bio) -> None:
        group: list[Request] = bio.private
        if bio.status and len(group) > 1:
            # Each finds out for itself whether it was the one.
            self._sim.call_soon(self._try_one_by_one, bio.operation, group)
            return
        for request in group:
            self._end(request, bio.status)

    def _try_one_by_one(self, operation: int, group: Sequence[Request]) -> None:
        for request in group:
            if operation == READ:
                self._begin_reads([request])
            else:
                self._submit_write([request])

    def _end(self, request: Request, status: int) -> None:
        self.in_flight -= 1
        self.requests.end(
            _COUNTS_AS.get(request.command, WRITE),
            request.length,
            time.perf_counter_ns() - request.begun_ns,
            failed=bool(status),
        )
        request.error = NBD_EIO if status else 0
        request.end(request)

    def _deliver(self) -> None:
        repliers, self._repliers = self._repliers, []
        for reply in repliers:
            reply()


def _alone_among_writes(request: Request) -> bool:
    return request.buffer is None or not request.whole
