"""What is done to an array, drawn from a seed: a plan that real md and raidsim both carry out."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from draw import LAYOUTS

from raidsim.array import ArraySpec
from raidsim.md.placement import NO_BITMAP, BitmapWish, place_array

KIB = 1 << 10


# Superblock, bad-block log and bitmap lie before or behind the data.
_OVERHEAD_BYTES = (2 << 20) + (128 << 10)
# What is written is cut from one file; two writes to one place take different parts of it.
_SALT_BYTES = 512
_MAX_SALT = 64


@dataclass(frozen=True)
class Write:
    offset: int
    length: int
    salt: int


@dataclass(frozen=True)
class Read:
    offset: int
    length: int


@dataclass(frozen=True)
class Idle:
    """No write comes for a while: md marks the array clean."""


@dataclass(frozen=True)
class Fail:
    disk: int


@dataclass(frozen=True)
class Remove:
    disk: int


@dataclass(frozen=True)
class Add:
    """All of them at once: none is put to use before the last has come."""

    disks: tuple[int, ...]


@dataclass(frozen=True)
class ReAdd:
    """A former member comes back into its slot."""

    disk: int


@dataclass(frozen=True)
class Replace:
    """A spare, the one given or any, is filled from a member that still works."""

    disk: int
    spare: int | None


@dataclass(frozen=True)
class Check:
    pass


@dataclass(frozen=True)
class Repair:
    pass


@dataclass(frozen=True)
class Stop:
    """A comparison point: what the members hold is looked at."""


@dataclass(frozen=True)
class Assemble:
    disks: tuple[int, ...]
    force: bool = False


@dataclass(frozen=True)
class Corrupt:
    """Bytes of a member's data change while its array is stopped."""

    disk: int
    offset: int
    length: int


Operation = (
    Write
    | Read
    | Idle
    | Fail
    | Remove
    | Add
    | ReAdd
    | Replace
    | Check
    | Repair
    | Stop
    | Assemble
    | Corrupt
)


@dataclass(frozen=True)
class Plan:
    """An array and its life.

    Attributes:
        seed: what it was drawn from; a shrunk plan keeps it.
        spec: the array; its first members are the first images, its spares follow.
        images: how many images there are.
        missing: slots that are created without a member.
        used_before: the images hold other bytes than zeros at first.
        operations: after the creation; the array is stopped at the end if it still runs.
    """

    seed: int
    spec: ArraySpec
    images: int
    missing: tuple[int, ...]
    used_before: bool
    operations: tuple[Operation, ...]

    @property
    def data_bytes(self) -> int:
        """Size of each member's data."""
        assert self.spec.size_sectors is not None
        return self.spec.size_sectors << 9

    @property
    def image_bytes(self) -> int:
        return self.data_bytes + _OVERHEAD_BYTES

    @property
    def array_bytes(self) -> int:
        parities = 2 if self.spec.level == 6 else 1
        return self.data_bytes * (self.spec.raid_disks - parities)

    @property
    def data_offset(self) -> int:
        """Where the data lie on each image, in bytes."""
        spec = self.spec
        sizes = {"image": self.image_bytes >> 9}
        _, places = place_array(
            spec.minor_version, sizes, spec.chunk_sectors, spec.size_sectors, spec.bitmap
        )
        return places["image"].data_offset << 9

    def content(self) -> bytes:
        """What writes are cut from."""
        size = self.array_bytes + _MAX_SALT * _SALT_BYTES
        return random.Random(f"{self.seed}/content").randbytes(size)

    def image_content(self, disk: int) -> bytes:
        """What image ``disk`` holds at first."""
        if not self.used_before:
            return bytes(self.image_bytes)
        data = random.Random(f"{self.seed}/image{disk}").randbytes(self.data_bytes)
        return data.join([bytes(self.data_offset), bytes(_OVERHEAD_BYTES - self.data_offset)])

    def content_offset(self, write: Write) -> int:
        return write.offset + write.salt * _SALT_BYTES

    @property
    def bitmap_chunk(self) -> int:
        """Bytes of a member for each bit of its bitmap; 0 without one."""
        assert self.spec.size_sectors is not None
        return self.spec.bitmap.chunk(self.spec.size_sectors)

    @property
    def members(self) -> list[int]:
        """The images that the array is created on, spares included."""
        count = self.spec.raid_disks + self.spec.spare_disks
        return [disk for disk in range(count) if disk not in self.missing]


def draw_plan(seed: int) -> Plan:
    """The plan of a seed."""
    rng = random.Random(seed)
    level = rng.choice([4, 5, 5, 6, 6, 6])
    raid_disks = rng.randint(4 if level == 6 else 3, 8)
    chunk = rng.choice([4, 8, 16, 32, 64, 128, 256, 512]) * KIB
    rows = max(3, 384 * KIB // chunk) + rng.randint(0, 5)
    in_sync = rng.random() < 0.4
    max_degraded = 2 if level == 6 else 1
    missing = (
        tuple(sorted(rng.sample(range(raid_disks), rng.randint(1, max_degraded))))
        if rng.random() < 0.15
        else ()
    )
    spec = ArraySpec(
        level=level,
        raid_disks=raid_disks,
        layout=rng.choice(LAYOUTS[level]),
        chunk_sectors=chunk // 512,
        minor_version=rng.choice([0, 1, 2, 2]),
        spare_disks=rng.choice([0, 0, 0, 1, 2]),
        size_sectors=rows * chunk // 512,
        in_sync=in_sync,
        bitmap=BitmapWish(internal=True, chunksize=rng.choice([4, 8, 16, 64]) * KIB)
        if rng.random() < 0.3
        else NO_BITMAP,
    )
    plan = Plan(
        seed=seed,
        spec=spec,
        images=raid_disks + spec.spare_disks + 2,
        missing=missing,
        used_before=rng.random() < (0.15 if in_sync else 0.5),
        operations=(),
    )
    drawing = _Drawing(plan, rng)
    for _ in range(rng.randint(6, 24)):
        drawing.draw()
    return replace(plan, operations=tuple(drawing.operations))


@dataclass
class _Drawing:
    """Draws operations that mostly make sense, from what it believes the array to be like."""

    plan: Plan
    rng: random.Random
    operations: list[Operation] = field(default_factory=list)
    active: set[int] = field(init=False)
    spares: set[int] = field(init=False)
    failed: set[int] = field(default_factory=set)
    # All that ever had a slot.
    former: set[int] = field(default_factory=set)
    # Else what a lost block is taken for depends on what the stripe cache happens to hold, so that
    # is emptied before anything is lost.
    parity_right: bool = field(init=False)
    running: bool = True
    salt: int = 0

    def __post_init__(self) -> None:
        members = self.plan.members
        self.active = {disk for disk in members if disk < self.plan.spec.raid_disks}
        self.spares = set(members) - self.active
        self.parity_right = not (self.plan.used_before and self.plan.spec.in_sync)
        self._settle()

    def draw(self) -> None:
        if not self.running:
            self._draw_stopped()
            return
        if self._redundancy < 0:
            # md still reads and rebuilds what its stripe cache holds by chance, and a check that
            # finds nothing to compare empties slots: only what it refuses can be compared.
            self.rng.choice([self._write, self._remove, self._idle, self._stop])()
            return
        kinds = {
            self._write: 30,
            self._read: 8,
            self._idle: 8,
            self._fail: 10,
            self._remove: 8,
            self._add: 9,
            self._re_add: 20 if self.plan.spec.bitmap.internal else 4,
            self._replace: 6,
            self._check: 6,
            self._repair: 4,
            self._stop: 8,
        }
        self.rng.choices(list(kinds), list(kinds.values()))[0]()

    @property
    def _outside(self) -> list[int]:
        known = self.active | self.spares | self.failed
        return [disk for disk in range(self.plan.images) if disk not in known]

    @property
    def _redundancy(self) -> int:
        spec = self.plan.spec
        return len(self.active) - spec.raid_disks + (2 if spec.level == 6 else 1)

    def _settle(self) -> None:
        """Spares are put to use."""
        while (
            self.spares and len(self.active) < self.plan.spec.raid_disks and self._redundancy >= 0
        ):
            self.active.add(self.spares.pop())
            # md takes a failed member back as it is even if its slot is another's; raidsim does
            # not, see docs/fidelity.md.
            self.former -= self.failed
        self.former |= self.active

    def _extent(self) -> tuple[int, int]:
        rng = self.rng
        size = self.plan.array_bytes
        row = size // (self.plan.data_bytes // 512) * self.plan.spec.chunk_sectors
        length = rng.choice(
            [512, 4096, 512 * rng.randint(1, 64), 4096 * rng.randint(1, 64), row, 3 * row]
        )
        length = min(length, size)
        align = rng.choice([512, 4096, min(length, row)])
        return rng.randint(0, (size - length) // align) * align, length

    def _write(self) -> None:
        if not self.parity_right:
            # Read-modify-write keeps what is wrong and reconstruct-write heals it; md takes either,
            # as the stripe cache and the timing of a large write have it.
            self._repair()
            self.parity_right = len(self.active) == self.plan.spec.raid_disks
            return
        self.salt = (self.salt + 1) % _MAX_SALT
        self.operations.append(Write(*self._extent(), self.salt))

    def _read(self) -> None:
        self.operations.append(Read(*self._extent()))

    def _idle(self) -> None:
        self.operations.append(Idle())

    def _check(self) -> None:
        self._scrub(Check())

    def _repair(self) -> None:
        self._scrub(Repair())

    def _scrub(self, operation: Operation) -> None:
        self.operations.append(operation)
        if self.plan.spec.bitmap.internal and len(self.active) < self.plan.spec.raid_disks:
            # As if it had written to the missing member, md keeps the bits of later writes to the
            # stripes that are still in its cache.
            self._begin_anew()

    def _fail(self) -> None:
        last_straw = self.rng.random() < 0.1
        if not self.active or (self._redundancy <= 0 and not last_straw):
            self._read()
            return
        disk = self.rng.choice(sorted(self.active))
        if not self.parity_right:
            self._begin_anew()
        self.operations.append(Fail(disk))
        self.active.remove(disk)
        self.failed.add(disk)
        self._settle()

    def _remove(self) -> None:
        legal = sorted(self.failed | self.spares)
        if self.rng.random() < 0.1 and self.active:
            self.operations.append(Remove(self.rng.choice(sorted(self.active))))
        elif legal:
            disk = self.rng.choice(legal)
            self.operations.append(Remove(disk))
            self.failed.discard(disk)
            self.spares.discard(disk)
        else:
            self._write()

    def _add(self) -> None:
        outside = self._outside
        if self.rng.random() < 0.1 and self.active:
            self.operations.append(Add((self.rng.choice(sorted(self.active)),)))
        elif outside:
            disks = self.rng.sample(outside, min(len(outside), self.rng.choice([1, 1, 2])))
            self.operations.append(Add(tuple(disks)))
            self.spares.update(disks)
            self._settle()
        else:
            self._write()

    def _re_add(self) -> None:
        former = sorted(self.former - self.active - self.spares)
        if not former:
            self._write()
            return
        disk = self.rng.choice(former)
        self.operations.append(ReAdd(disk))
        # Without a bitmap this is refused once anything has changed.
        if self.plan.spec.bitmap.internal and disk not in self.failed:
            self.spares.add(disk)
            self._settle()

    def _replace(self) -> None:
        if not self.active or (not self.spares and self.rng.random() < 0.7):
            self._write()
            return
        disk = self.rng.choice(sorted(self.active))
        if not self.parity_right:
            self._begin_anew()
        spares = sorted(self.spares)
        spare = self.rng.choice([None, *spares])
        self.operations.append(Replace(disk, spare))
        if spares:
            used = spares[-1] if spare is None else spare
            self.spares.remove(used)
            self.active.add(used)
            self.active.remove(disk)
            self.failed.add(disk)
            self.former.discard(disk)

    def _begin_anew(self) -> None:
        """Empty the stripe cache."""
        self.operations += [Stop(), Assemble(tuple(sorted(self.active | self.spares)))]
        self.failed = set()

    def _stop(self) -> None:
        self.operations.append(Stop())
        self.running = False

    def _draw_stopped(self) -> None:
        rng = self.rng
        if rng.random() < 0.2 and self.active:
            length = rng.choice([512, 4096, 512 * rng.randint(1, 64)])
            length = min(length, self.plan.data_bytes)
            offset = 512 * rng.randint(0, (self.plan.data_bytes - length) // 512)
            self.operations.append(Corrupt(rng.choice(sorted(self.active)), offset, length))
            self.parity_right = False
            return
        disks = self.active | self.spares
        if rng.random() < 0.25 and disks:
            disks = disks - {rng.choice(sorted(disks))}
        if rng.random() < 0.15:
            disks = disks | set(rng.sample(range(self.plan.images), 1))
        left_out = (self.active | self.spares) - disks
        needed = self.plan.spec.raid_disks - (2 if self.plan.spec.level == 6 else 1)
        force = rng.random() < 0.1 or len(self.active - left_out) < needed
        order = sorted(disks)
        rng.shuffle(order)
        self.operations.append(Assemble(tuple(order), force=force))
        self.failed = set()
        if len(self.active - left_out) >= needed or force:
            self.active -= left_out
            self.spares -= left_out
            self.running = True
            self._settle()
