"""The points that a disk is checked for, and the bench they are looked at on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from raidsim.disk import FLUSH, READ, WRITE, DiskRequest
from raidsim.machine import Machine
from raidsim.testing.conformance import Nonconformity, require

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from raidsim.disk import Disk

    Buffer = NDArray[np.uint8]

# What is written and read lies within the first MiB, and at the end.
_AREA = 2048
_MANY = 64


class DiskPoint(NamedTuple):
    """One thing that md relies on.

    Attributes:
        name: What a failure is reported as.
        rule: The rule.
        check: Raises ``Nonconformity`` where it is broken.
        needs_later: Whether only disks have it that promise to complete later.
        needs_power_cut: Whether only disks have it that promise to keep what was flushed.
    """

    name: str
    rule: str
    check: Callable[[DiskBench], object]
    needs_later: bool = False
    needs_power_cut: bool = False


class DiskBench:
    """A machine with a disk, and requests whose ends are noted.

    Attributes:
        machine: The machine.
        disk: The disk.
        cut_power: Cuts its power and returns what is left, if that is promised.
        generator: Seeded random bytes.
        ended: The requests that have completed, in order, and the virtual times of that.
    """

    def __init__(
        self,
        factory: Callable[[Machine], Disk],
        cut_power: Callable[[Disk], Disk] | None,
        *,
        timed: bool,
    ) -> None:
        self.factory = factory
        self.cut_power = cut_power
        self.machine = Machine(timed=timed, kernel="numpy")
        self.disk = factory(self.machine)
        self.generator = np.random.default_rng(0)
        self.ended: list[tuple[DiskRequest, int]] = []

    def bytes(self, sectors: int) -> Buffer:
        """Return random bytes."""
        return self.generator.integers(0, 256, sectors * 512, np.uint8)

    def request(
        self, operation: int, sector: int = 0, buffer: Buffer | None = None, *, fua: bool = False
    ) -> DiskRequest:
        """Return a request whose end will be noted."""
        return DiskRequest(operation, sector, buffer, self.note_end, owner=self, member=7, fua=fua)

    def note_end(self, request: DiskRequest) -> None:
        """Note that ``request`` has completed."""
        self.ended.append((request, self.machine.sim.now_ns))

    def do(self, *requests: DiskRequest) -> None:
        """Submit all, let them complete, and require that none fails."""
        for request in requests:
            self.disk.submit(request)
        self.settle(*requests)
        for request in requests:
            require(request.status == 0, f"{describe(request)} failed with {request.status!r}")

    def settle(self, *requests: DiskRequest) -> None:
        """Let all complete, each of them once."""
        self.machine.sim.run()
        times = Counter(id(request) for request, _ in self.ended)
        for request in requests:
            count = times[id(request)]
            require(count == 1, f"{describe(request)} completed {count} times")

    def write(self, sector: int, buffer: Buffer, *, fua: bool = False) -> None:
        """Write and wait."""
        self.do(self.request(WRITE, sector, buffer, fua=fua))

    def read(self, sector: int, sectors: int) -> Buffer:
        """Read and wait."""
        buffer = self.bytes(sectors)
        self.do(self.request(READ, sector, buffer))
        return buffer

    def expect(self, sector: int, expected: Buffer, what: str) -> None:
        """Require that the disk holds ``expected``."""
        wrong = np.flatnonzero(self.read(sector, len(expected) >> 9) != expected)
        if wrong.size:
            raise Nonconformity(f"{what}: sector {sector + wrong[0] // 512} is wrong")


def describe(request: DiskRequest) -> str:
    """Say what a request asks for."""
    if request.operation == FLUSH or request.buffer is None:
        return "a flush"
    name = "a read" if request.operation == READ else "a write"
    return f"{name} of {len(request.buffer) >> 9} sectors at {request.sector}"


def _check_identity(bench: DiskBench) -> None:
    disk: Any = bench.disk
    require(isinstance(disk.name, str) and disk.name, f"its name is {disk.name!r}")
    sectors = disk.sectors
    require(isinstance(sectors, int), f"it has {sectors!r} sectors")
    require(sectors >= _AREA, f"it has {sectors} sectors: too few to be checked")
    bench.write(0, bench.bytes(8))
    require(disk.sectors == sectors, f"after a write it has {disk.sectors} sectors, not {sectors}")


def _check_completion(bench: DiskBench) -> None:
    requests = []
    for number in range(_MANY):
        for operation in (WRITE, READ, FLUSH):
            buffer = None if operation == FLUSH else bench.bytes(8)
            sector = 0 if operation == FLUSH else number * 16 + operation * 8
            requests.append(bench.request(operation, sector, buffer))
    bench.do(*requests)


def _check_later(bench: DiskBench) -> None:
    for request in (
        bench.request(WRITE, 0, bench.bytes(8)),
        bench.request(READ, 0, bench.bytes(8)),
        bench.request(FLUSH),
    ):
        bench.disk.submit(request)
        require(
            all(request is not ended for ended, _ in bench.ended),
            f"{describe(request)} completed before submit() returned",
        )
        bench.settle(request)


def _check_request(bench: DiskBench) -> None:
    buffer = bench.bytes(8)
    for request in (
        bench.request(WRITE, 16, buffer, fua=True),
        bench.request(READ, 16, buffer),
        bench.request(FLUSH),
    ):
        before = _fields(request)
        bench.do(request)
        for name, was in before.items():
            now = _fields(request)[name]
            same = now is was or (isinstance(was, int) and now == was) or now == bench.note_end
            require(same, f"{describe(request)} came back with another {name}")


def _fields(request: DiskRequest) -> dict[str, object]:
    names = ("operation", "sector", "buffer", "fua", "owner", "member", "end_io")
    return {name: getattr(request, name) for name in names}


def _check_reuse(bench: DiskBench) -> None:
    left = [3]

    def again(request: DiskRequest) -> None:
        left[0] -= 1
        if left[0]:
            request.sector += 8
            bench.disk.submit(request)

    data = bench.bytes(8)
    bench.disk.submit(DiskRequest(WRITE, 0, data, again))
    bench.machine.sim.run()
    require(left == [0], f"a request submitted again by its end_io() ended {3 - left[0]} times")
    for sector in (0, 8, 16):
        bench.expect(sector, data, "of a request submitted again by its end_io()")


def _check_bytes(bench: DiskBench) -> None:
    area = bench.bytes(_AREA)
    bench.write(0, area)
    pieces = _pieces(bench)
    writes = []
    for sector, sectors in pieces[::2]:
        data = bench.bytes(sectors)
        area[sector * 512 : (sector + sectors) * 512] = data
        writes.append(bench.request(WRITE, sector, data, fua=sectors == 8))
    bench.do(*writes)
    reads = [bench.request(READ, sector, bench.bytes(sectors)) for sector, sectors in pieces]
    bench.do(*reads)
    for request in reads:
        assert request.buffer is not None
        start = request.sector * 512
        expected = area[start : start + len(request.buffer)]
        require(np.array_equal(request.buffer, expected), f"{describe(request)} gave wrong bytes")


def _pieces(bench: DiskBench) -> list[tuple[int, int]]:
    """The area cut into pieces of all sizes, out of order."""
    sizes = [1, 7, 8, 16, 3, 64, 8, 8, 128, 1]
    pieces: list[tuple[int, int]] = []
    sector = 0
    while sector + 128 <= _AREA:
        size = sizes[len(pieces) % len(sizes)]
        pieces.append((sector, size))
        sector += size
    return [pieces[number] for number in bench.generator.permutation(len(pieces))]


def _check_buffers(bench: DiskBench) -> None:
    data = bench.bytes(8)
    copy = data.copy()
    bench.write(24, data)
    require(np.array_equal(data, copy), "a write changed the buffer it was given")
    data ^= 0xFF
    bench.expect(24, copy, "after a write's buffer was used for something else")


def _check_latest(bench: DiskBench) -> None:
    for _ in range(8):
        data = bench.bytes(16)
        bench.write(40, data)
        bench.expect(40, data, "read after a write had completed")
        part = bench.bytes(4)
        bench.write(46, part)
        data[6 * 512 : 10 * 512] = part
        bench.expect(40, data, "read after a part was written again")


def _check_end(bench: DiskBench) -> None:
    sectors = bench.disk.sectors
    last = bench.bytes(8)
    bench.write(sectors - 8, last)
    for operation in (READ, WRITE):
        for sector in (sectors - 4, sectors, sectors + 800):
            request = bench.request(operation, sector, bench.bytes(8))
            bench.disk.submit(request)
            bench.settle(request)
            status: Any = request.status
            require(
                isinstance(status, int) and status > 0,
                f"{describe(request)}, of {sectors} there are, ended with {status!r}: no errno",
            )
    bench.expect(sectors - 8, last, "after a write beyond the end")


def _check_flush(bench: DiskBench) -> None:
    bench.do(bench.request(FLUSH))
    writes = [bench.request(WRITE, number * 8, bench.bytes(8)) for number in range(_MANY)]
    bench.do(*writes, bench.request(FLUSH))
    bench.do(bench.request(FLUSH))


def _check_repeatable(bench: DiskBench) -> None:
    logs = []
    for _ in range(2):
        again = DiskBench(bench.factory, None, timed=bench.machine.sim.timed)
        pieces = _pieces(again)
        requests = [
            again.request((READ, WRITE)[number % 2], sector, again.bytes(sectors))
            for number, (sector, sectors) in enumerate(pieces)
        ]
        again.do(*requests)
        numbers = {id(request): number for number, request in enumerate(requests)}
        logs.append([(numbers[id(request)], time_ns) for request, time_ns in again.ended])
    require(logs[0] == logs[1], "the same requests ended in another order or at other times")


def _check_durability(bench: DiskBench) -> None:
    # Once with a flush and once with FUA: a drive may do either of them by the other.
    for fua in (False, True):
        each = DiskBench(bench.factory, bench.cut_power, timed=bench.machine.sim.timed)
        _check_outlives(each, fua=fua)


def _check_outlives(bench: DiskBench, *, fua: bool) -> None:
    assert bench.cut_power is not None
    stable = bench.bytes(1024)
    bench.write(0, stable[: 512 * 512], fua=fua)
    bench.write(512, stable[512 * 512 :], fua=fua)
    if not fua:
        bench.do(bench.request(FLUSH))
    newer = stable.copy()
    newer[: 256 * 512] = bench.bytes(256)
    newer[600 * 512 : 664 * 512] = bench.bytes(64)
    bench.write(0, newer[: 256 * 512])
    bench.disk.submit(bench.request(WRITE, 600, newer[600 * 512 : 664 * 512].copy()))
    bench.disk = bench.cut_power(bench.disk)
    left = bench.read(0, 1024)
    how = "written with FUA" if fua else "flushed"
    for at in range(0, len(left), 512):
        sector, found = at >> 9, left[at : at + 512]
        old, new = (np.array_equal(found, each[at : at + 512]) for each in (stable, newer))
        if sector < 256 or 600 <= sector < 664:
            require(old or new, f"sector {sector} is neither what was {how} nor what came then")
        else:
            require(old, f"sector {sector} was {how}, and is lost")


def _check_close(bench: DiskBench) -> None:
    bench.write(0, bench.bytes(8))
    bench.disk.close()


DISK_BENCH_POINTS = (
    DiskPoint("identity", "a disk has a name and a size, and keeps them", _check_identity),
    DiskPoint("completion", "every request completes, and completes once", _check_completion),
    DiskPoint("request", "a request comes back as it was, but for its status", _check_request),
    DiskPoint("later", "end_io() is called after submit() has returned", _check_later, True),
    DiskPoint("reuse", "from its end_io() on a request is its owner's again", _check_reuse),
    DiskPoint("bytes", "what was written is read, whatever else is under way", _check_bytes),
    DiskPoint("buffers", "a write's buffer is left alone, and is free at its end", _check_buffers),
    DiskPoint("latest", "a read sees every write that completed before it", _check_latest),
    DiskPoint("end", "beyond the last sector there is an error, an errno", _check_end),
    DiskPoint("flush", "a flush completes, whatever is under way", _check_flush),
    DiskPoint(
        "repeatable", "the same seed gives the same ends at the same times", _check_repeatable
    ),
    DiskPoint(
        "durability",
        "what was flushed or written with FUA outlives a power cut, the rest is old or new",
        _check_durability,
        needs_power_cut=True,
    ),
    DiskPoint("close", "a disk can be closed", _check_close),
)
