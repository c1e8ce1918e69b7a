"""CPU profiles: how fast one kind of CPU computes and copies, and what md's steps take of it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raidsim.profiles import read_profile, shipped_profiles
from raidsim.tables import TableError, from_table, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_KIND = "CPU profile"
_SHIPPED = Path(__file__).parent / "profiles"

# Every operation that software carries out, and whose cost it has where a profile is silent.
COST_OF = {
    "memcpy": "memcpy",
    "memset": "memcpy",
    "xor": "xor",
    "xor_val": "xor",
    "pq": "pq",
    "pq_val": "pq",
    "xor_syndrome": "pq",
    "datap": "pq",
    "2data": "pq",
    "sum_product": "pq",
}
REQUIRED = frozenset(COST_OF.values())
_STEPS = ("stripe_ns", "request_ns", "descriptor_ns", "interrupt_ns")


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationCost:
    """What one kind of operation takes.

    Attributes:
        operation_ns: What each takes besides its bytes.
        bytes_per_second: Pairs of a number of sources and the rate at which the bytes of that many
            are worked through, by rising numbers; between two pairs the rate is interpolated.
    """

    operation_ns: int = 0
    bytes_per_second: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        mistakes = []
        if self.operation_ns < 0:
            mistakes.append(f"operation_ns = {self.operation_ns}: at least 0")
        if not self.bytes_per_second:
            mistakes.append("bytes_per_second: at least one pair")
        if any(number < 1 for pair in self.bytes_per_second for number in pair):
            mistakes.append("bytes_per_second: at least 1 source and 1 byte")
        counts = [count for count, _ in self.bytes_per_second]
        if any(first >= second for first, second in pairwise(counts)):
            mistakes.append("bytes_per_second: by rising numbers of sources")
        if mistakes:
            raise TableError("operation", mistakes)

    def rate(self, source_count: int) -> float:
        """Bytes a second with so many sources; outside of the pairs as the nearest has it."""
        pairs = self.bytes_per_second
        if source_count <= pairs[0][0]:
            return pairs[0][1]
        for (few, low), (many, high) in pairwise(pairs):
            if source_count <= many:
                return low + (high - low) * (source_count - few) / (many - few)
        return pairs[-1][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuProfile:
    """One kind of CPU, or one core of it: md's thread has no more.

    Attributes:
        description: One line about it.
        operations: What operations take, by name: ``memcpy``, ``xor`` and ``pq``, and where they
            differ ``memset`` (from memcpy), ``xor_val`` (from xor), ``pq_val``, ``xor_syndrome``,
            ``datap``, ``2data`` and ``sum_product`` (from pq).
        stripe_ns: One pass of md's thread over one unit of 4 KiB of a stripe.
        request_ns: One access to a member: its submission and its interrupt.
        descriptor_ns: One descriptor given to an engine.
        interrupt_ns: One clean-up of an engine's channel, with its interrupt and tasklet.
    """

    description: str
    operations: dict[str, OperationCost]
    stripe_ns: int = 0
    request_ns: int = 0
    descriptor_ns: int = 0
    interrupt_ns: int = 0

    def __post_init__(self) -> None:
        mistakes = list(self._mistakes())
        if mistakes:
            raise TableError("CPU", mistakes)

    def _mistakes(self) -> Iterator[str]:
        for name in self.operations:
            if name not in COST_OF:
                yield f"unknown operations.{name}: {suggest(name, COST_OF)}"
        for name in sorted(REQUIRED - self.operations.keys()):
            yield f"no operations.{name}"
        for name in _STEPS:
            if getattr(self, name) < 0:
                yield f"{name} = {getattr(self, name)}: at least 0"

    def cost(self, operation: str) -> OperationCost:
        """What ``operation`` takes."""
        return self.operations.get(operation) or self.operations[COST_OF[operation]]


def cpu_profile_names() -> list[str]:
    """Return the names of the CPUs that come with raidsim."""
    return shipped_profiles(_SHIPPED)


def load_cpu_profile(name: str) -> CpuProfile:
    """Return the CPU called ``name``, or of the TOML file of that path.

    Raises:
        UsageError: There is none, or its file makes no sense; all that is wrong is said at once.
    """
    return cpu_profile(read_profile(_KIND, _SHIPPED, name), name)


def cpu_profile(table: Mapping[str, Any], name: str = "") -> CpuProfile:
    """Return the CPU that a table describes.

    Raises:
        TableError: It makes no sense; all that is wrong is said at once.
    """
    return from_table(CpuProfile, table, f"{_KIND} {name!r}" if name else _KIND)
