"""Running workloads and waiting until they have ended."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from raidsim.bench.runner import WorkloadRunner
from raidsim.md.mddev import ArrayStateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raidsim.array import Array
    from raidsim.bench.contents import Contents
    from raidsim.bench.report import WorkloadReport
    from raidsim.bench.workload import Workload


def run_workload(
    array: Array, workload: Workload, contents: Contents, *, seed: int = 0
) -> WorkloadReport:
    """Run ``workload`` on ``array`` and wait until all of it has ended.

    Args:
        array: the array; a workload that writes overwrites what it holds.
        workload: what to do.
        contents: what the array holds; it learns of the writes.
        seed: of what the workload leaves to chance.

    Raises:
        UsageError: the workload does not fit the array.
        ArrayStateError: a request failed and the workload does not go on then.
    """
    return run_workloads(array, [workload], contents, seed=seed)[0]


def run_workloads(
    array: Array, workloads: Sequence[Workload], contents: Contents, *, seed: int = 0
) -> list[WorkloadReport]:
    """Run several workloads at once, as ``run_workload``."""
    going: set[WorkloadRunner] = set()
    runners = []
    for number, workload in enumerate(workloads):
        random = Random(f"{seed}/{number}")  # noqa: S311  a workload wants repeatable numbers
        runners.append(WorkloadRunner(array, workload, contents, random, going.remove))
    for runner in runners:
        going.add(runner)
        runner.start()
    array.machine.sim.run_until(lambda: not going, "workloads")
    reports = [runner.report() for runner in runners]
    for report in reports:
        if report.errors and not report.workload.continue_on_error:
            raise ArrayStateError(
                f"{array.directory.path}: {report.workload.name}: input/output error:"
                f" {report.first_error}"
            )
    return reports
