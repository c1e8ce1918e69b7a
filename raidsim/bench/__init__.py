"""Workloads: what is read and written, how it is run, and whether every byte came back right."""

from raidsim.bench.contents import Contents
from raidsim.bench.runner import WorkloadReport, run_workload
from raidsim.bench.workload import WORKLOADS, Workload

__all__ = ["WORKLOADS", "Contents", "Workload", "WorkloadReport", "run_workload"]
