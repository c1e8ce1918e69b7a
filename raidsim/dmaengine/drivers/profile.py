"""Engine profiles: what one chip's devices can do, and how they differ from others."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from raidsim.dmaengine.constants import CAPABILITY_NAMES
from raidsim.dmaengine.counts import OPERATIONS
from raidsim.tables import TableError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPLETIONS = ("interrupt", "coalesced", "polled")
DRIVERS = ("ring", "threads")

_POWERS_OF_TWO = ("copy_align", "xor_align", "pq_align", "fill_align")
# max_xor and max_pq are an unsigned short each (Linux include/linux/dmaengine.h).
_MOST_SOURCES = 0xFFFF
_MAY_BE_ZERO = ("max_xor", "max_pq", "ring_slots_max", "threshold_slots", "descriptor_latency_ns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """What a chip or its driver does that others do not.

    The first three change results or refuse operations, the others take slots and time.

    Attributes:
        ignores_pq_continue: A continued pq forgets what P and Q held, so that a pq of more than
            ``max_pq`` sources gives wrong bytes.
        needs_two_pq_sources: A pq of one source is given that source twice, the second time times
            0, which only Q bears: with P it is refused.
        needs_q: A pq without Q is refused; the chip would write it to address 0.
        separate_p_and_q: P and Q are made one after the other, each from all sources.
        segment_bytes: Longer operations are cut into hardware descriptors of so many bytes; 0 for
            no limit.
        xor_val_segment_bytes: The same for xor_val alone; its results are or-ed.
        pq_coefficient_limit: A pq that multiplies by a power of 2 from this one on is done one
            source at a time; 0 for no limit.
        interrupt_bytes: The interrupt descriptor is a dummy operation on so many bytes.
    """

    ignores_pq_continue: bool = False
    needs_two_pq_sources: bool = False
    needs_q: bool = False
    separate_p_and_q: bool = False
    segment_bytes: int = 0
    xor_val_segment_bytes: int = 0
    pq_coefficient_limit: int = 0
    interrupt_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProfile:
    """One DMA device of an engine.

    Attributes:
        capabilities: Names of its ``DMA_*`` capabilities.
        withheld: Those of them that it offers only when asked for: its results may be wrong, or
            its driver waits to be told.
        channels: How many channels it has.
        max_xor: Most sources of one xor.
        max_pq: Most sources of one pq, continuation sources included.
        native_pq_continue: Whether a continued pq costs no sources.
        copy_align: What offsets and lengths of a memcpy are multiples of, in bytes; so are
            ``xor_align``, ``pq_align`` and ``fill_align`` of the other operations.
        min_length: Fewest bytes of one operation.
        max_length: Most bytes of one operation.
        ring_slots: Hardware descriptor slots of one channel.
        ring_slots_max: What the ring doubles up to when it is full; 0 for a ring that does not.
        xor_slots: Pairs of a number of sources and the slots that a xor or xor_val of up to so
            many takes; one slot where no pair applies.
        pq_slots: The same for pq and pq_val.
        threshold_slots: Slots submitted at which pending work is issued; 0 for never.
        parallel_descriptors: How many descriptors the hardware works on at once. With more than 1
            only ``DMA_PREP_FENCE`` keeps the next one from overtaking.
        completion: ``interrupt``: at the end of the ring, and where a descriptor asks for it;
            ``coalesced``: after ``coalesced_descriptors`` or ``completion_timer_ns``, whatever is
            first; ``polled``: no interrupts, the driver looks when somebody waits and every
            ``completion_timer_ns``.
        coalesced_descriptors: See ``completion``.
        completion_timer_ns: See ``completion``.
        publishes_each_completion: Whether the channel's cookie advances before each callback, or
            after all callbacks of a clean-up.
        descriptor_latency_ns: Time to fetch and complete one hardware descriptor, when timed.
        bytes_per_second: Rate at which source bytes are worked through, when timed.
        operation_bytes_per_second: The rate of single operations, by name, where it differs.
        quirks: What it does that others do not.
        count: How many such devices a profile's file means; each of an engine's is one.
    """

    capabilities: tuple[str, ...]
    withheld: tuple[str, ...] = ()
    channels: int = 1
    max_xor: int = 0
    max_pq: int = 0
    native_pq_continue: bool = False
    copy_align: int = 1
    xor_align: int = 1
    pq_align: int = 1
    fill_align: int = 1
    min_length: int = 1
    max_length: int = 1 << 30
    ring_slots: int = 128
    ring_slots_max: int = 0
    xor_slots: tuple[tuple[int, int], ...] = ()
    pq_slots: tuple[tuple[int, int], ...] = ()
    threshold_slots: int = 1
    parallel_descriptors: int = 1
    completion: str = "interrupt"
    coalesced_descriptors: int = 1
    completion_timer_ns: int = 100_000
    publishes_each_completion: bool = False
    descriptor_latency_ns: int = 1_000
    bytes_per_second: int = 1_000_000_000
    operation_bytes_per_second: dict[str, int] = field(default_factory=dict)
    quirks: Quirks = field(default_factory=Quirks)
    count: int = 1

    def __post_init__(self) -> None:
        mistakes = [*self._wrong_numbers(), *self._wrong_words()]
        if mistakes:
            raise TableError("DMA device", mistakes)

    def _wrong_numbers(self) -> Iterator[str]:
        for entry in fields(self):
            value = getattr(self, entry.name)
            least = 0 if entry.name in _MAY_BE_ZERO else 1
            if type(value) is int and value < least:
                yield f"{entry.name} = {value}: at least {least}"
        for name in ("max_xor", "max_pq"):
            if getattr(self, name) > _MOST_SOURCES:
                yield f"{name} = {getattr(self, name)}: at most {_MOST_SOURCES}"
        for name in _POWERS_OF_TWO:
            if getattr(self, name).bit_count() != 1:
                yield f"{name} = {getattr(self, name)}: a power of 2"
        for name, rate in self.operation_bytes_per_second.items():
            if rate < 1:
                yield f"operation_bytes_per_second.{name} = {rate}: at least 1"
        for name in ("xor_slots", "pq_slots"):
            if any(number < 1 for pair in getattr(self, name) for number in pair):
                yield f"{name}: at least 1 source and 1 slot"

    def _wrong_words(self) -> Iterator[str]:
        if not self.capabilities:
            yield "capabilities: at least one"
        for name, words, known in (
            ("capabilities", self.capabilities, CAPABILITY_NAMES),
            ("withheld", self.withheld, self.capabilities),
            ("operation_bytes_per_second", self.operation_bytes_per_second, OPERATIONS),
            ("completion", (self.completion,), COMPLETIONS),
        ):
            for word in words:
                if word not in known:
                    yield f"{name}: no {word!r}: {suggest(word, known)}"

    @property
    def cap_mask(self) -> set[int]:
        """The capabilities that it offers, as numbers; a new set at each call."""
        return {
            CAPABILITY_NAMES.index(name) for name in self.capabilities if name not in self.withheld
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineProfile:
    """An offload engine: some DMA devices that come together.

    Attributes:
        name: What users call it.
        description: One line about it.
        devices: Its devices, in the order of registration.
        driver: What works through its rings: ``ring``, the model of a chip, or ``threads``.
    """

    name: str
    description: str
    devices: tuple[DeviceProfile, ...]
    driver: str = "ring"

    def __post_init__(self) -> None:
        if self.driver not in DRIVERS:
            raise TableError(
                "engine", [f"driver = {self.driver!r}: {suggest(self.driver, DRIVERS)}"]
            )


def slots_needed(pairs: tuple[tuple[int, int], ...], source_count: int) -> int:
    """Return what ``xor_slots`` or ``pq_slots`` say of a descriptor of ``source_count`` sources."""
    return next((slots for sources, slots in pairs if source_count <= sources), 1)
