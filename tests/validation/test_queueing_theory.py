"""Question 1: do queues behave as queueing theory says? (One drive alone: tests/disk.)"""

import random
from itertools import pairwise
from statistics import mean

import numpy as np
import pytest

from raidsim import Machine
from raidsim.async_tx import (
    ASYNC_TX_ACK,
    AsyncSubmitCtl,
    async_memcpy,
    async_tx_issue_pending_all,
    async_xor,
)
from raidsim.bench import Contents, Workload, run_workload
from raidsim.cpu import CpuWork, cpu_profile
from raidsim.disk.events import DiskServiced

SERVICE_NS = 1_000_000
FIXED = {
    "kind": "fixed",
    "description": "the same time for everything",
    "service_ns": SERVICE_NS,
    "queue_depth": 1 << 20,
}
LOADS = (0.3, 0.6, 0.8)


def m_d_1_wait_ns(load):
    """The mean wait before a server with one service time and random arrivals."""
    return SERVICE_NS * load / (2 * (1 - load))


def read_at(array, load, requests=12_000):
    """Random reads that keep each member busy for ``load`` of the time."""
    rate = load * 1e9 / SERVICE_NS * array.mddev.geometry.raid_disks
    workload = Workload(
        rw="randread", rate_per_second=rate, arrivals="poisson", requests=requests, verify=False
    )
    return run_workload(array, workload, Contents(array.size), seed=3)


@pytest.mark.parametrize("load", LOADS)
def test_reads_of_an_array_wait_as_before_m_d_1_servers(array, load):
    report = read_at(array(FIXED, raid_disks=5), load)
    waits_ns = report.reads.latencies_ns - SERVICE_NS
    assert waits_ns.min() == 0
    assert mean(waits_ns) == pytest.approx(m_d_1_wait_ns(load), rel=0.06)


def test_the_utilisation_of_members_is_throughput_times_service_time(array):
    made, events = array(FIXED, raid_disks=5), []
    made.machine.sim.hook.subscribe(lambda _, event: events.append(event))
    before_ns = {name: disk.busy_ns for name, disk in made.hardware.disks.items()}
    report = read_at(made, 0.6, requests=4000)
    served = [event.disk for event in events if isinstance(event, DiskServiced)]
    for name, disk in made.hardware.disks.items():
        assert disk.busy_ns - before_ns[name] == served.count(name) * SERVICE_NS
        share = (disk.busy_ns - before_ns[name]) / report.elapsed_ns
        assert share == pytest.approx(0.6, rel=0.1)


def test_littles_law_holds_for_an_array_in_a_closed_loop(array):
    depth = 24
    workload = Workload(rw="randrw", depth=depth, requests=4000)
    made = array(FIXED, raid_disks=5)
    report = run_workload(made, workload, Contents(made.size))
    latencies_ns = np.concatenate((report.reads.latencies_ns, report.writes.latencies_ns))
    under_way = latencies_ns.sum() / report.elapsed_ns
    # At the very end, fewer are.
    assert under_way == pytest.approx(depth, rel=0.01)


@pytest.mark.parametrize("load", LOADS)
def test_operations_wait_before_the_cpu_as_before_an_m_d_1_server(load):
    each = {"operation_ns": SERVICE_NS, "bytes_per_second": [[1, 10**15]]}
    cpu = cpu_profile(
        {"description": "", "operations": dict.fromkeys(("memcpy", "xor", "pq"), each)}
    )
    machine = Machine(timed=True, kernel="numpy", cpu=cpu)
    sim, waits_ns, blocks = machine.sim, [], np.zeros((2, 4096), np.uint8)
    arrivals, due_ns = random.Random(5), 0

    def copy(arrived_ns):
        waits_ns.append(sim.now_ns - arrived_ns)
        async_memcpy(blocks[0], blocks[1], 0, 0, 1, AsyncSubmitCtl(machine))

    for _ in range(20_000):
        due_ns += round(arrivals.expovariate(load / SERVICE_NS))
        sim.call_after(due_ns, copy, due_ns)
    sim.run()
    assert mean(waits_ns) == pytest.approx(m_d_1_wait_ns(load), rel=0.06)
    assert machine.cpu.busy_ns == 20_000 * SERVICE_NS


def test_what_the_cpu_does_never_overlaps():
    each = {"bytes_per_second": [[1, 10**9]]}
    cpu = cpu_profile(
        {
            "description": "",
            "operations": dict.fromkeys(("memcpy", "xor", "pq"), each),
            "descriptor_ns": 1000,
            "interrupt_ns": 3000,
        }
    )
    machine = Machine(timed=True, kernel="numpy", engines=["ioat1"], cpu=cpu)
    sim, work, blocks = machine.sim, [], list(np.zeros((3, 4096), np.uint8))
    sim.hook.subscribe(lambda _, event: isinstance(event, CpuWork) and work.append(event))

    def copy_on_the_engine_and_xor_in_software():
        submit = AsyncSubmitCtl(machine)
        submit.flags = ASYNC_TX_ACK
        async_memcpy(blocks[0], blocks[1], 0, 0, 4096, submit)
        async_tx_issue_pending_all(machine)
        async_xor(blocks[0], blocks[1:], 0, 2, 4096, AsyncSubmitCtl(machine))

    for number in range(200):
        sim.call_after(number * 9000, copy_on_the_engine_and_xor_in_software)
    sim.run()
    spans = sorted((event.start_ns, event.start_ns + event.duration_ns) for event in work)
    assert len(spans) > 500
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert machine.cpu.busy_ns == sum(end - start for start, end in spans)
