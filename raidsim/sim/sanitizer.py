"""The sanitizer: who may touch which bytes when, as a happens-before order of all that is done.

The bytes of a buffer belong to the CPU, or to the operations in flight that touch them. What the
one CPU does is in order. An operation of a device begins after all that the CPU had done, and knew
to be complete, when it submitted it; and after the one operation it was made to depend on. The CPU
knows an operation complete when it has waited for it or was called back, and with it all that it
depended on. Nothing else is an order: not that something happens to be done already, and not that
two operations are on one channel.
"""

from __future__ import annotations

import sys
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from raidsim.errors import RaidsimError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import CodeType

    import numpy.typing as npt

    from raidsim.sim.hook import Hook

    Buffer = npt.NDArray[np.uint8]
    # A buffer, the first byte that is touched and how many are.
    Extent = tuple[Buffer, int, int]
    Site = tuple[CodeType, int]

# Bytes of memory that share one list of the operations in flight that touch them.
_GRANULE_SHIFT = 16
# Operations that nobody ever waits for are forgotten when so many newer ones are in flight.
MAX_IN_FLIGHT = 1024
# Modules in which something is submitted for others: not where, but how.
_INNER = (
    "raidsim.sim.",
    "raidsim.disk.",
    "raidsim.dmaengine.channel",
    "raidsim.dmaengine.completion",
    "raidsim.dmaengine.drivers.",
    "raidsim.dmaengine.interposer",
    "raidsim.dmaengine.sanitizer",
    "raidsim.async_tx.memcpy",
    "raidsim.async_tx.memset",
    "raidsim.async_tx.pq",
    "raidsim.async_tx.raid6_recov",
    "raidsim.async_tx.submit",
    "raidsim.async_tx.xor",
)
_PACKAGE = Path(__file__).parents[1]


class SanitizerError(RaidsimError):
    """The sanitizer has found something."""


class SanitizerReport(NamedTuple):
    """One finding, with both its sides; as an event it is emitted once.

    Attributes:
        what: What is wrong, in a line.
        first: What was there before, and where it was submitted.
        second: What came later, and where from.
        missing: What would have made it right.
    """

    what: str
    first: str
    second: str
    missing: str

    def __str__(self) -> str:
        return f"{self.what}\n  {self.first}\n  {self.second}\n  missing: {self.missing}"


class Operation:
    """Something done to memory beside the CPU: by an engine, or by a disk.

    Attributes:
        name: What it is, with the device that does it: "xor on dma0chan1".
        reads: What it reads, until it has begun.
        writes: What it writes, until it has begun.
        awaited: How its end is learnt of, for messages.
        site: Where it was submitted.
        after: The operation it depends on, until that is known complete.
        in_flight: Whether it has begun and is not known complete.
        has_children: Whether others can depend on it, and it on others.
    """

    has_children = False

    __slots__ = ("_roots", "after", "awaited", "in_flight", "name", "reads", "site", "writes")

    def __init__(
        self, name: str, reads: Sequence[Extent], writes: Sequence[Extent], awaited: str
    ) -> None:
        self.name = name
        self.reads: Sequence[Extent] = reads
        self.writes: Sequence[Extent] = writes
        self.awaited = awaited
        self.site = call_site()
        self.after: Operation | None = None
        self.in_flight = False
        self._roots: list[weakref.ref[Buffer]] = []

    def hold(self, extents: Sequence[Extent], forgotten: Callable[[Operation], None]) -> None:
        """Have ``forgotten(self)`` called if memory of ``extents`` is freed while in flight."""
        for buffer, _, _ in extents:
            root = _root(buffer)
            if root.flags.owndata:
                self._roots.append(weakref.ref(root, lambda _: forgotten(self)))

    def let_go(self) -> None:
        """Be in flight no longer, and hold on to nothing."""
        self.in_flight = False
        self._roots = []
        self.after = None


class Access:
    """Some bytes that an operation touches.

    Attributes:
        start: Address of the first.
        end: Address behind the last.
        writes: Whether they are written.
        operation: By what.
        root: The array whose memory they are, while there is one.
    """

    __slots__ = ("end", "operation", "root", "start", "writes")

    def __init__(self, extent: Extent, writes: bool, operation: Operation) -> None:
        buffer, offset, length = extent
        self.start = _address(buffer) + offset
        self.end = self.start + length
        self.writes = writes
        self.operation = operation
        self.root = weakref.ref(_root(buffer))

    @property
    def granules(self) -> range:
        """The numbers of the granules that the bytes lie in."""
        return range(self.start >> _GRANULE_SHIFT, (self.end - 1 >> _GRANULE_SHIFT) + 1)


class Sanitizer:
    """Checks every access to the memory of one machine.

    Attributes:
        reports: What was found, each thing once.
    """

    def __init__(self, hook: Hook) -> None:
        self.reports: list[SanitizerReport] = []
        self._hook = hook
        self._seen: set[tuple[object, ...]] = set()
        self._in_flight: dict[Operation, list[Access]] = {}
        self._granules: dict[int, list[Access]] = {}
        self._named: list[weakref.ref[Buffer]] = []

    def begin(self, operation: Operation, after: Operation | None = None) -> None:
        """Let ``operation`` be in flight from now on, behind ``after`` if that is given."""
        operation.in_flight = True
        operation.after = after if after is not None and after.in_flight else None
        accesses: list[Access] = []
        for extents, writes in ((operation.reads, False), (operation.writes, True)):
            for extent in extents:
                access = Access(extent, writes, operation)
                self._check(access)
                accesses.append(access)
            operation.hold(extents, self._forgotten)
        operation.reads = operation.writes = ()
        for access in accesses:
            for granule in access.granules:
                self._granules.setdefault(granule, []).append(access)
        self._in_flight[operation] = accesses
        if len(self._in_flight) > MAX_IN_FLIGHT:
            self._drop(next(iter(self._in_flight)))

    def known_complete(self, operation: Operation | None) -> None:
        """Note that the CPU knows ``operation`` complete, and so all that it depended on."""
        while operation is not None and operation.in_flight:
            parent = operation.after
            self._drop(operation)
            operation = parent

    def cpu_read(self, buffer: Buffer, offset: int = 0, length: int | None = None) -> None:
        """Check that the CPU may read ``buffer``, or ``length`` bytes of it from ``offset``."""
        extent = buffer, offset, buffer.size - offset if length is None else length
        self.cpu("the CPU", (extent,), ())

    def cpu_write(self, buffer: Buffer, offset: int = 0, length: int | None = None) -> None:
        """Check that the CPU may write ``buffer``, or ``length`` bytes of it from ``offset``."""
        extent = buffer, offset, buffer.size - offset if length is None else length
        self.cpu("the CPU", (), (extent,))

    def cpu(self, name: str, reads: Sequence[Extent], writes: Sequence[Extent]) -> None:
        """Check what the CPU does at once: reading ``reads`` and writing ``writes``."""
        if not self._in_flight:
            return
        operation = Operation(name, (), (), "")
        for extent in reads:
            self._check(Access(extent, False, operation))
        for extent in writes:
            self._check(Access(extent, True, operation))

    def free(self, buffer: Buffer) -> None:
        """Check that ``buffer`` may be given back: no operation in flight touches it."""
        here = Operation("the buffer's owner", (), (), "")
        access = Access((buffer, 0, buffer.size), True, here)
        for other in self._touching(access):
            operation = other.operation
            self.report(
                (operation.site, here.site, "freed"),
                f"a buffer was freed while {operation.name} has it mapped",
                self._side(other),
                f"{here.name} frees {self._bytes(access)} at {show_site(here.site)}",
                f"keep the buffer until {operation.awaited}",
            )

    def check(self) -> None:
        """Raise what was found.

        Raises:
            SanitizerError: There are reports.
        """
        if self.reports:
            count = f"{len(self.reports)} finding{'s' if len(self.reports) > 1 else ''}"
            text = "\n".join(str(report) for report in self.reports)
            raise SanitizerError(f"the sanitizer has {count}:\n{text}")

    def report(
        self, key: tuple[object, ...], what: str, first: str, second: str, missing: str
    ) -> None:
        """Keep and emit a finding, unless there was one with the same ``key``."""
        if key in self._seen:
            return
        self._seen.add(key)
        report = SanitizerReport(what, first, second, missing)
        self.reports.append(report)
        if self._hook.listeners:
            self._hook.emit(report)

    def _check(self, access: Access) -> None:
        """Report what is in flight and in no order with ``access``."""
        operation = access.operation
        for other in self._touching(access):
            earlier = other.operation
            if (other.writes or access.writes) and not _is_before(earlier, operation):
                self._report_race(other, access)

    def _touching(self, access: Access) -> list[Access]:
        """Return what is in flight and touches a byte of ``access``."""
        start, end = access.start, access.end
        return [
            other
            for granule in access.granules
            for other in self._granules.get(granule, ())
            if other.start < end and start < other.end
        ]

    def _report_race(self, first: Access, second: Access) -> None:
        earlier, later = first.operation, second.operation
        if later.awaited:
            missing = f"an order: submit the second after {earlier.awaited}"
            if earlier.has_children and later.has_children:
                missing += ", or make the first its depend_tx"
            channel = earlier.name.split(" on ")[-1]
            if later.name.endswith(f" on {channel}"):
                missing += f" (being on {channel} both is no order)"
        else:
            missing = f"a wait: {earlier.awaited} comes first"
        self.report(
            (earlier.site, later.site),
            f"{earlier.name} and {later.name} touch the same bytes in no order",
            self._side(first),
            self._side(second),
            missing,
        )

    def _forgotten(self, operation: Operation) -> None:
        if operation.in_flight:
            self.report(
                (operation.site, "forgotten"),
                f"a buffer was forgotten while {operation.name} had it mapped",
                f"{operation.name}, submitted at {show_site(operation.site)}, uses it",
                "its owner has let go of it: in C the memory would be another's by now",
                f"keep the buffer until {operation.awaited}",
            )

    def _side(self, access: Access) -> str:
        operation = access.operation
        verb = "writes" if access.writes else "reads"
        return f"{operation.name} {verb} {self._bytes(access)} at {show_site(operation.site)}"

    def _bytes(self, access: Access) -> str:
        """Name the bytes of an access by their place in the memory they are a view of."""
        root = access.root()
        if root is None:
            return "a buffer"
        known = (number for number, named in enumerate(self._named, 1) if named() is root)
        number = next(known, 0)
        if not number:
            self._named.append(access.root)
            number = len(self._named)
        start = access.start - _address(root)
        return f"bytes {start} to {start + access.end - access.start - 1} of buffer {number}"

    def _drop(self, operation: Operation) -> None:
        for access in self._in_flight.pop(operation):
            for granule in access.granules:
                accesses = self._granules[granule]
                accesses.remove(access)
                if not accesses:
                    del self._granules[granule]
        operation.let_go()


def call_sites() -> Iterator[Site]:
    """Yield where the code that runs was called from: first by whom, then by whom that was."""
    frame = sys._getframe(1)  # noqa: SLF001  the documented way to walk the stack cheaply
    inner = True
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(_INNER):
            inner = True
        elif inner:
            inner = False
            yield frame.f_code, frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]  # the outermost has none


def call_site() -> Site:
    """Return who outside of the layers of a simulation calls them."""
    return next(call_sites())


def show_site(site: Site) -> str:
    """Return a call site as ``file:line in function``."""
    code, line = site
    path = Path(code.co_filename)
    for base in (_PACKAGE.parent, Path.cwd()):
        if path.is_relative_to(base):
            path = path.relative_to(base)
            break
    return f"{path}:{line} in {code.co_name}"


def _is_before(earlier: Operation, later: Operation) -> bool:
    parent = later.after
    while parent is not None:
        if parent is earlier:
            return True
        parent = parent.after
    return False


def _address(buffer: Buffer) -> int:
    address: int = buffer.__array_interface__["data"][0]
    return address


def _root(buffer: Buffer) -> Buffer:
    """Return the array whose memory ``buffer`` is a view of."""
    while isinstance(buffer.base, np.ndarray):
        buffer = buffer.base
    return buffer
