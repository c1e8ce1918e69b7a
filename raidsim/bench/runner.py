"""Driving workloads: requests go to an array that runs by itself, and come back by callback."""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np

from raidsim.bench.arrival import arrivals
from raidsim.bench.pattern import Request, requests_of
from raidsim.bench.report import Figures, WorkloadReport
from raidsim.bench.workload import SECTOR_BYTES
from raidsim.errors import UsageError
from raidsim.md.bio import FLUSH, READ, WRITE, Bio

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from numpy.typing import NDArray

    from raidsim.array import Array
    from raidsim.bench.contents import Contents
    from raidsim.bench.workload import Workload

_NO_BYTES = np.empty(0, np.uint8)
_VERBS = {READ: "read", WRITE: "write", FLUSH: "flush"}
# How often a random place is drawn again because something is under way there; then it waits.
_DRAWS = 16


class WorkloadRunner:
    """One workload on one array, driven by callbacks while somebody else runs the simulation.

    Args:
        array: The array; a workload that writes overwrites what it holds.
        workload: What to do.
        contents: What the array holds, shared by all its workloads; it learns of the writes.
        random: Decides what the workload leaves to chance.
        on_done: Called with this, in process context, when all of it has ended.

    Attributes:
        workload: As given.
        done: Whether all of it has ended.

    Raises:
        UsageError: The workload's region does not fit the array, or it needs virtual time and the
            machine has none.
    """

    def __init__(
        self,
        array: Array,
        workload: Workload,
        contents: Contents,
        random: Random,
        on_done: Callable[[WorkloadRunner], object] | None = None,
    ) -> None:
        self.workload = workload
        self.done = False
        self._mddev = array.mddev
        self._sim = array.machine.sim
        self._contents = contents
        self._on_done = on_done
        if workload.needs_time and not self._sim.timers:
            raise UsageError(
                f"workload {workload.name!r}: rates, times of a trace and pauses need virtual time;"
                " run it in a scenario"
            )
        self._open_loop = workload.open_loop
        self._think_ns = workload.think_ns
        self._verify = workload.verify
        self._any_order = workload.random and workload.trace is None
        region = _region(array, workload)
        self._requests = requests_of(workload, region, random)
        self._arrivals = arrivals(workload, random) if workload.rate_per_second else None
        self._depth = workload.depth or (math.inf if workload.open_loop else 1)
        ends_anyhow = workload.requests or workload.duration_ns or workload.trace is not None
        passes = 0 if workload.trace is not None else workload.passes or (not ends_anyhow)
        block = workload.largest_block
        self._bytes_left: float = passes * (len(region) // block * block) or math.inf
        self._requests_left: float = workload.requests or math.inf
        self._start_ns = self._end_ns = 0
        # Since when requests are due that were not submitted, and which where that is known; None
        # for a place in a closed loop that is free.
        self._due: deque[tuple[int, Request | None] | None] = deque()
        self._all_came = False
        self._under_way: set[Bio] = set()
        self._ended: list[Bio] = []
        self._pump_is_due = False
        self._buffers: defaultdict[int, list[NDArray[np.uint8]]] = defaultdict(list)
        self._latencies_ns: dict[int, list[int]] = {READ: [], WRITE: [], FLUSH: []}
        self._bytes = {READ: 0, WRITE: 0, FLUSH: 0}
        self._errors = {READ: 0, WRITE: 0, FLUSH: 0}
        self._wrong_sectors: list[int] = []
        self._first_error = ""

    # -- from outside ---------------------------------------------------------------------------

    def start(self) -> None:
        """Begin, now or when the workload says."""
        self._sim.call_after(self.workload.start_ns, self._begin)

    def stop(self) -> None:
        """Submit no more; it is done when what is under way has ended."""
        self._requests_left = 0
        self._pump_soon()

    def abandon(self) -> None:
        """The array is gone, as after a power cut: what is under way may be done or not."""
        for bio in self._under_way:
            if bio.operation == WRITE:
                self._contents.may_have_written(bio.private[0], bio.sector << 9, len(bio.buffer))
            self._leave(bio)
        self._under_way.clear()
        self._ended.clear()
        self._requests_left = 0
        self._end_ns = self._now_ns()
        self.done = True

    def report(self) -> WorkloadReport:
        """How it went, so far or in all."""
        return WorkloadReport(
            workload=self.workload,
            elapsed_ns=(self._end_ns if self.done else self._now_ns()) - self._start_ns,
            reads=self._figures(READ),
            writes=self._figures(WRITE),
            flushes=self._figures(FLUSH),
            wrong=tuple(self._wrong_sectors),
            first_error=self._first_error,
        )

    # -- the loop -------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._start_ns = self._now_ns()
        if self._open_loop:
            self._expect_next()
        else:
            self._due.extend([None] * int(self._depth))
        self._pump()

    def _pump(self) -> None:
        """Account for what has ended, and submit what is due."""
        self._pump_is_due = False
        if self.done:
            return
        if self._ended:
            self._take_ended()
        duration_ns = self.workload.duration_ns
        if duration_ns and self._now_ns() - self._start_ns >= duration_ns:
            self._requests_left = 0
        self._submit_due()
        nothing_left = not self._requests_left or (self._all_came and not self._due)
        if nothing_left and not self._under_way:
            self.done = True
            self._end_ns = self._now_ns()
            if self._on_done is not None:
                self._on_done(self)

    def _pump_soon(self) -> None:
        if not self._pump_is_due:
            self._pump_is_due = True
            self._sim.call_soon(self._pump)

    def _now_ns(self) -> int:
        return self._sim.now_ns if self._sim.timers else time.perf_counter_ns()

    # -- what is due ----------------------------------------------------------------------------

    def _expect_next(self) -> None:
        """Wait for the next request that comes at its own time."""
        request = None
        if self._arrivals is not None:
            after_ns = next(self._arrivals)
        else:
            request = next(self._requests, None)
            after_ns = 0 if request is None else request.due_ns
        duration_ns = self.workload.duration_ns
        if (self._arrivals is None and request is None) or 0 < duration_ns <= after_ns:
            self._all_came = True
            return
        due_ns = self._start_ns + after_ns
        self._sim.call_after(due_ns - self._now_ns(), self._arrive, due_ns, request)

    def _arrive(self, due_ns: int, request: Request | None) -> None:
        if not self._requests_left:
            return
        self._due.append((due_ns, request))
        self._expect_next()
        self._pump_soon()

    def _slot_is_free(self) -> None:
        """A closed loop goes on where a request has ended."""
        self._due.append(None)
        self._pump_soon()

    def _submit_due(self) -> None:
        due = self._due
        while due and self._requests_left and len(self._under_way) < self._depth:
            entry = due.popleft()
            since_ns, request = entry or (self._now_ns(), next(self._requests, None))
            if request is None and self._arrivals is not None:
                request = next(self._requests)
            if request is None:
                self._requests_left = 0
                return
            admitted = self._admitted(request)
            if admitted is None:
                due.appendleft((since_ns, request))
                self._contents.under_way.wait(self._pump_soon)
                return
            self._requests_left -= 1
            self._bytes_left -= admitted.length
            if self._bytes_left <= 0:
                self._requests_left = 0
            self._submit(admitted, since_ns)

    def _admitted(self, request: Request) -> Request | None:
        """``request``, or where order does not matter another one, that meets no other."""
        admits = self._contents.under_way.admits
        draws = _DRAWS if self._any_order else 0
        while request.length:
            if admits(request.offset, request.length, write=request.operation == WRITE):
                break
            if not draws:
                return None
            draws -= 1
            request = next(self._requests)
        return request

    # -- requests -------------------------------------------------------------------------------

    def _submit(self, request: Request, since_ns: int) -> None:
        operation, offset, length, fua, _ = request
        contents = self._contents
        mark, buffer = 0, _NO_BYTES
        if operation == READ:
            buffer = self._buffer(length)
        elif operation == WRITE:
            mark, buffer = contents.new_write(offset, length)
        else:
            mark = contents.begin_flush()
        bio = Bio(operation, offset >> 9, buffer, self._end_io, (mark, since_ns), fua=fua)
        self._under_way.add(bio)
        if operation == READ:
            contents.under_way.begin_read(bio)
        elif operation == WRITE:
            contents.under_way.begin_write(offset, length)
        self._mddev.submit_bio(bio)

    def _end_io(self, bio: Bio) -> None:
        """Called by md, who must not be called from here."""
        self._ended.append(bio)
        if not self._pump_is_due:
            self._pump_soon()

    def _take_ended(self) -> None:
        now_ns = self._now_ns()
        for bio in self._ended:
            operation = bio.operation
            self._under_way.remove(bio)
            if bio.status:
                self._failed(bio)
            else:
                if operation != READ:
                    self._made_so(bio)
                elif self._verify:
                    wrong = self._contents.wrong_sectors(bio.sector << 9, bio.buffer)
                    self._wrong_sectors += wrong.tolist()
                self._latencies_ns[operation].append(now_ns - bio.private[1])
                self._bytes[operation] += len(bio.buffer)
            if operation == READ:
                self._buffers[len(bio.buffer)].append(bio.buffer)
            self._leave(bio)
        if not self._open_loop:
            if self._think_ns:
                for _ in self._ended:
                    self._sim.call_after(self._think_ns, self._slot_is_free)
            else:
                self._due.extend(repeat(None, len(self._ended)))
        self._ended.clear()

    def _made_so(self, bio: Bio) -> None:
        """A write or a flush has ended well."""
        mark = bio.private[0]
        if bio.operation == WRITE:
            self._contents.wrote(mark, bio.sector << 9, len(bio.buffer), fua=bio.fua)
        else:
            self._contents.flushed(mark)

    def _failed(self, bio: Bio) -> None:
        offset, length = bio.sector << 9, len(bio.buffer)
        self._errors[bio.operation] += 1
        if bio.operation == WRITE:
            self._contents.may_have_written(bio.private[0], offset, length)
        if not self._first_error:
            self._first_error = f"{_VERBS[bio.operation]} of {length} bytes at byte {offset}"
        if not self.workload.continue_on_error:
            self._requests_left = 0

    def _leave(self, bio: Bio) -> None:
        """Others may touch these bytes again."""
        if bio.operation == READ:
            self._contents.under_way.end_read(bio)
        elif bio.operation == WRITE:
            self._contents.under_way.end_write(bio.sector << 9, len(bio.buffer))

    def _buffer(self, length: int) -> NDArray[np.uint8]:
        pool = self._buffers[length]
        return pool.pop() if pool else np.zeros(length, np.uint8)

    def _figures(self, operation: int) -> Figures:
        return Figures(
            bytes=self._bytes[operation],
            latencies_ns=np.array(self._latencies_ns[operation], np.int64),
            errors=self._errors[operation],
        )


def _region(array: Array, workload: Workload) -> range:
    """The bytes that a workload may touch.

    Raises:
        UsageError: The array does not have them, or one request needs more.
    """
    start = workload.offset_bytes
    end = start + workload.size_bytes if workload.size_bytes else array.size
    need = SECTOR_BYTES if workload.trace is not None else workload.largest_block
    if end > array.size or end - start < need:
        raise UsageError(
            f"workload {workload.name!r}: its region, from byte {start} to {end}, does not fit an"
            f" array of {array.size} bytes and requests of {need}"
        )
    return range(start, end)
