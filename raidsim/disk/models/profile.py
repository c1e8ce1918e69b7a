"""Drive profiles: the figures that make a model one drive or another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from raidsim.disk.models.elevator import ELEVATORS
from raidsim.tables import TableError, suggest


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A figure that the drive's maker publishes; the model is measured against it, and not fed it.

    Attributes:
        operation: ``read`` or ``write``.
        pattern: ``random`` or ``sequential``.
        block_bytes: Size of one access.
        queue_depth: How many are under way at any time.
        location: Where a sequential run begins, as a share of the disk: 0 outermost.
        operations_per_second: The figure, if it is a rate of accesses.
        bytes_per_second: The figure, if it is a data rate.
        latency_ns: The figure, if it is a mean time.
    """

    operation: str
    pattern: str
    block_bytes: int
    queue_depth: int = 1
    location: float = 0.0
    operations_per_second: float = 0.0
    bytes_per_second: float = 0.0
    latency_ns: float = 0.0

    def __post_init__(self) -> None:
        mistakes = [
            f"{name} = {value!r}: {suggest(value, known)}"
            for name, value, known in (
                ("operation", self.operation, ("read", "write")),
                ("pattern", self.pattern, ("random", "sequential")),
            )
            if value not in known
        ]
        if self.block_bytes < 512 or self.block_bytes % 512:
            mistakes.append(f"block_bytes = {self.block_bytes}: a multiple of 512")
        if self.queue_depth < 1:
            mistakes.append(f"queue_depth = {self.queue_depth}: at least 1")
        if not 0 <= self.location <= 1:
            mistakes.append(f"location = {self.location}: between 0 and 1")
        figures = (self.operations_per_second, self.bytes_per_second, self.latency_ns)
        if sum(figure > 0 for figure in figures) != 1:
            mistakes.append(
                "one figure: operations_per_second, bytes_per_second or latency_ns, above 0"
            )
        if mistakes:
            raise TableError("published figure", mistakes)

    @property
    def figure(self) -> float:
        """The figure, whatever it is."""
        return self.operations_per_second or self.bytes_per_second or self.latency_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskProfile:
    """What all drives have.

    Attributes:
        description: One line about it.
        scheduler: The host's queue, by the name that Linux has for it: ``mq-deadline``, ``none``.
        queue_depth: How many commands the drive takes at once.
        published: What its maker publishes.
    """

    description: str
    scheduler: str = "none"
    queue_depth: int = 32
    published: tuple[Published, ...] = ()

    kind: ClassVar[str]
    """What tables call such drives."""

    positive: ClassVar[tuple[str, ...]] = ("queue_depth",)
    not_negative: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        mistakes = list(self.mistakes())
        if mistakes:
            raise TableError("disk profile", mistakes)

    def mistakes(self) -> list[str]:
        """What makes no sense about it, one line each."""
        found = [
            f"{name} = {getattr(self, name)}: at least {least}"
            for least, names in ((1, self.positive), (0, self.not_negative))
            for name in names
            if getattr(self, name) < least
        ]
        if self.scheduler not in ELEVATORS:
            found.append(f"scheduler = {self.scheduler!r}: {suggest(self.scheduler, ELEVATORS)}")
        return found

    @property
    def volatile_cache_bytes(self) -> int:
        """How much of what was written a power cut may take back."""
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedProfile(DiskProfile):
    """A drive that takes the same time for every command.

    Attributes:
        service_ns: The time.
        bytes_per_second: A rate for the bytes besides; 0 for bytes that cost nothing.
        parallelism: How many commands it works on at once.
    """

    kind: ClassVar[str] = "fixed"
    positive: ClassVar[tuple[str, ...]] = ("queue_depth", "service_ns", "parallelism")
    not_negative: ClassVar[tuple[str, ...]] = ("bytes_per_second",)

    service_ns: int
    bytes_per_second: int = 0
    parallelism: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HddProfile(DiskProfile):
    """A hard disk.

    Attributes:
        revolutions_per_minute: How fast the platters turn.
        outer_bytes_per_second: The sustained rate of the first sectors.
        inner_bytes_per_second: The sustained rate of the last ones.
        zones: How many zones of equal tracks there are.
        track_switch_ns: What going on to the next track costs; sustained rates include it.
        single_track_seek_ns: The shortest seek, settling included.
        average_seek_ns: The mean over all pairs of tracks.
        full_stroke_seek_ns: The longest seek.
        write_settle_ns: How much longer a seek before a write is.
        command_ns: What the electronics take for a command, beside the arm's work.
        interface_bytes_per_second: The rate to and from the host.
        read_ahead_bytes: How far the drive reads ahead.
        cache_bytes: The volatile write cache; 0 when it is switched off.
    """

    kind: ClassVar[str] = "hdd"
    positive: ClassVar[tuple[str, ...]] = (
        "queue_depth",
        "revolutions_per_minute",
        "outer_bytes_per_second",
        "inner_bytes_per_second",
        "zones",
        "single_track_seek_ns",
        "average_seek_ns",
        "full_stroke_seek_ns",
        "interface_bytes_per_second",
    )
    not_negative: ClassVar[tuple[str, ...]] = (
        "track_switch_ns",
        "write_settle_ns",
        "command_ns",
        "read_ahead_bytes",
        "cache_bytes",
    )

    scheduler: str = "mq-deadline"
    revolutions_per_minute: int
    outer_bytes_per_second: int
    inner_bytes_per_second: int
    zones: int = 16
    track_switch_ns: int = 1_000_000
    single_track_seek_ns: int
    average_seek_ns: int
    full_stroke_seek_ns: int
    write_settle_ns: int = 0
    command_ns: int = 100_000
    interface_bytes_per_second: int = 600_000_000
    read_ahead_bytes: int = 1 << 20
    cache_bytes: int = 0

    @property
    def seek_curvature(self) -> float:
        """The share of the square root in the seek curve, which makes its mean the average seek.

        Over all pairs of tracks the mean distance is 1/3 of the stroke, and the mean of its square
        root 8/15.
        """
        span = self.full_stroke_seek_ns - self.single_track_seek_ns
        if span <= 0:
            return 0.0
        return ((self.average_seek_ns - self.single_track_seek_ns) / span - 1 / 3) / (
            8 / 15 - 1 / 3
        )

    def mistakes(self) -> list[str]:
        """What makes no sense about it, one line each."""
        found = DiskProfile.mistakes(self)
        if self.inner_bytes_per_second > self.outer_bytes_per_second:
            found.append("inner_bytes_per_second: at most outer_bytes_per_second")
        seeks = (self.single_track_seek_ns, self.average_seek_ns, self.full_stroke_seek_ns)
        if list(seeks) != sorted(seeks):
            found.append("seeks: single_track_seek_ns <= average_seek_ns <= full_stroke_seek_ns")
        elif not 0 <= self.seek_curvature <= 2:
            found.append(
                f"average_seek_ns = {self.average_seek_ns}: no arm has this mean between its"
                f" shortest and its longest seek; a third to two thirds of the way is usual"
            )
        return found

    @property
    def volatile_cache_bytes(self) -> int:
        """How much of what was written a power cut may take back."""
        return self.cache_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SsdProfile(DiskProfile):
    """A solid-state drive: a controller, dies that work side by side, a write buffer.

    Attributes:
        read_latency_ns: A random read of 4 KiB on an idle drive, whole.
        sequential_read_latency_ns: The same where the drive has read ahead.
        write_latency_ns: A write of 4 KiB on an idle drive, until it is in the buffer.
        read_command_ns: What each read takes of the link and the controller, besides its bytes.
        read_bytes_per_second: The rate of the bytes.
        write_command_ns: What each sequential write takes when it is put into flash.
        write_bytes_per_second: The rate of its bytes: the sustained one.
        random_write_command_ns: The same for a write that goes on behind no other.
        random_write_bytes_per_second: And its rate: garbage collection takes its share.
        full_duplex: Whether writes travel beside reads (PCIe), or in turns with them (SATA).
        dies: How many work side by side.
        page_bytes: Addresses are spread over the dies in pieces of so many.
        buffer_bytes: The write buffer.
        volatile_buffer: Whether a power cut empties it; a drive with capacitors saves it.
        flush_ns: What a flush takes when the buffer is empty.
        collection_bytes: After so many bytes of random writes a die collects garbage; 0 for never.
        collection_ns: For so long it answers no reads.
    """

    kind: ClassVar[str] = "ssd"
    positive: ClassVar[tuple[str, ...]] = (
        "queue_depth",
        "read_latency_ns",
        "sequential_read_latency_ns",
        "write_latency_ns",
        "read_bytes_per_second",
        "write_bytes_per_second",
        "random_write_bytes_per_second",
        "dies",
        "buffer_bytes",
        "flush_ns",
    )
    not_negative: ClassVar[tuple[str, ...]] = (
        "read_command_ns",
        "write_command_ns",
        "random_write_command_ns",
        "collection_bytes",
        "collection_ns",
    )

    read_latency_ns: int
    sequential_read_latency_ns: int
    write_latency_ns: int
    read_command_ns: int
    read_bytes_per_second: int
    write_command_ns: int
    write_bytes_per_second: int
    random_write_command_ns: int
    random_write_bytes_per_second: int
    full_duplex: bool
    dies: int
    page_bytes: int = 16384
    buffer_bytes: int
    volatile_buffer: bool
    flush_ns: int
    collection_bytes: int = 0
    collection_ns: int = 0

    def mistakes(self) -> list[str]:
        """What makes no sense about it, one line each."""
        found = DiskProfile.mistakes(self)
        if self.page_bytes < 512 or self.page_bytes % 512:
            found.append(f"page_bytes = {self.page_bytes}: a multiple of 512")
        if self.read_latency_ns < self.sequential_read_latency_ns:
            found.append("sequential_read_latency_ns: at most read_latency_ns")
        return found

    @property
    def volatile_cache_bytes(self) -> int:
        """How much of what was written a power cut may take back."""
        return self.buffer_bytes if self.volatile_buffer else 0
