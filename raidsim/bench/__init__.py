"""Workloads: what is read and written, how it is run, and whether every byte came back right."""

from raidsim.bench.contents import Contents
from raidsim.bench.fio_job import read_fio_job
from raidsim.bench.report import Figures, WorkloadReport
from raidsim.bench.run import run_workload, run_workloads
from raidsim.bench.runner import WorkloadRunner
from raidsim.bench.traces import Trace
from raidsim.bench.workload import WORKLOADS, Workload

__all__ = [
    "WORKLOADS",
    "Contents",
    "Figures",
    "Trace",
    "Workload",
    "WorkloadReport",
    "WorkloadRunner",
    "read_fio_job",
    "run_workload",
    "run_workloads",
]
