"""How a workload went: its figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from raidsim.bench.workload import Workload

PERCENTILES = (50, 95, 99, 99.9, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The requests of one kind.

    Attributes:
        bytes: How many those that ended well moved.
        latencies_ns: Of each that ended well, in the order in which they ended; from when it was
            due, where requests come at a rate or at the times of a trace.
        errors: How many failed.
    """

    bytes: int
    latencies_ns: NDArray[np.int64]
    errors: int

    @property
    def requests(self) -> int:
        """How many ended well."""
        return len(self.latencies_ns)

    def latency_ns(self, percentile: float) -> int:
        """The latency that so many of a hundred requests did not exceed; 0 without any."""
        if not self.requests:
            return 0
        return int(np.percentile(self.latencies_ns, percentile, method="inverted_cdf"))

    def to_table(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {
            "requests": self.requests,
            "bytes": self.bytes,
            "errors": self.errors,
            "latency_ns": {str(p): self.latency_ns(p) for p in PERCENTILES},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadReport:
    """How a workload went, so far or in all.

    Attributes:
        workload: What was run.
        elapsed_ns: How long, in virtual time on a timed machine.
        reads: Its reads.
        writes: Its writes.
        flushes: Its flushes.
        wrong: Sectors of the array that a read gave back otherwise than they were written.
        first_error: What failed first; empty if nothing did.
    """

    workload: Workload
    elapsed_ns: int
    reads: Figures
    writes: Figures
    flushes: Figures
    wrong: tuple[int, ...]
    first_error: str

    @property
    def transfers(self) -> Figures:
        """Its reads and writes together."""
        return Figures(
            bytes=self.reads.bytes + self.writes.bytes,
            latencies_ns=np.concatenate((self.reads.latencies_ns, self.writes.latencies_ns)),
            errors=self.reads.errors + self.writes.errors,
        )

    @property
    def errors(self) -> int:
        """How many requests failed, of any kind."""
        return self.reads.errors + self.writes.errors + self.flushes.errors

    @property
    def requests_per_second(self) -> float:
        """Rate of reads and writes that ended well."""
        return (self.reads.requests + self.writes.requests) / max(self.elapsed_ns, 1) * 1e9

    @property
    def bytes_per_second(self) -> float:
        """Throughput, of both directions."""
        return (self.reads.bytes + self.writes.bytes) / max(self.elapsed_ns, 1) * 1e9

    def latency_ns(self, percentile: float) -> int:
        """The latency that so many of a hundred reads and writes did not exceed."""
        return self.transfers.latency_ns(percentile)

    def to_table(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {
            "name": self.workload.name,
            "elapsed_ns": self.elapsed_ns,
            "bytes_per_second": round(self.bytes_per_second),
            "requests_per_second": round(self.requests_per_second),
            "reads": self.reads.to_table(),
            "writes": self.writes.to_table(),
            "flushes": self.flushes.to_table(),
            "wrong_sectors": list(self.wrong),
        }
