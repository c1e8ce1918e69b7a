"""A CPU whose work takes time: what it takes, what goes on meanwhile, and who gets to wait."""

import numpy as np
import pytest

from raidsim import Machine
from raidsim.async_tx import (
    ASYNC_TX_ACK,
    ASYNC_TX_PQ_XOR_DST,
    AsyncSubmitCtl,
    SumCheck,
    async_gen_syndrome,
    async_memcpy,
    async_memset,
    async_raid6_2data_recov,
    async_raid6_datap_recov,
    async_syndrome_val,
    async_xor,
    async_xor_val,
)
from raidsim.cpu import CpuWork, cpu_profile
from raidsim.dmaengine import dma_wait_for_async_tx

LENGTH = 4096
# An operation's time says which one it was and over how many sources: 1 ns for each byte of each.
EACH_NS = {
    "memcpy": 1_000_000,
    "memset": 2_000_000,
    "xor": 3_000_000,
    "xor_val": 4_000_000,
    "pq": 5_000_000,
    "pq_val": 6_000_000,
    "xor_syndrome": 7_000_000,
    "datap": 8_000_000,
    "2data": 9_000_000,
    "sum_product": 10_000_000,
}
CPU = cpu_profile(
    {
        "description": "one byte of a source each nanosecond",
        "operations": {
            name: {"operation_ns": each_ns, "bytes_per_second": [[1, 1_000_000_000]]}
            for name, each_ns in EACH_NS.items()
        },
        "descriptor_ns": 100,
        "interrupt_ns": 10,
    }
)


def make(engines=(), **settings):
    return Machine(timed=True, engines=engines, kernel="numpy", cpu=CPU, **settings)


def blocks(count):
    return list(np.random.default_rng(1).integers(0, 256, (count, LENGTH), np.uint8))


OPERATIONS = {
    ("memcpy", 1): lambda b, s: async_memcpy(b[0], b[1], 0, 0, LENGTH, s),
    ("memset", 1): lambda b, s: async_memset(b[0], 1, 0, LENGTH, s),
    ("xor", 3): lambda b, s: async_xor(b[0], [*b[1:4], None], 0, 4, LENGTH, s),
    ("xor_val", 4): lambda b, s: async_xor_val(b[0], b[:4], 0, 4, LENGTH, SumCheck(), s),
    ("pq", 3): lambda b, s: async_gen_syndrome([*b[:3], None, *b[4:6]], 0, 6, LENGTH, s),
    ("pq_val", 4): lambda b, s: async_syndrome_val(b, 0, 6, LENGTH, SumCheck(), b[6], s),
    ("datap", 3): lambda b, s: async_raid6_datap_recov(6, LENGTH, 1, b, s),
    ("2data", 2): lambda b, s: async_raid6_2data_recov(6, LENGTH, 1, 3, b, s),
}


@pytest.mark.parametrize(("name", "sources"), OPERATIONS)
def test_an_operation_in_software_takes_its_time(name, sources):
    machine = make()
    OPERATIONS[name, sources](blocks(7), AsyncSubmitCtl(machine))
    expected_ns = EACH_NS[name] + sources * LENGTH
    assert machine.sim.now_ns == machine.cpu.busy_ns == expected_ns


def test_bringing_a_syndrome_up_to_date_has_its_own_cost():
    machine = make()
    submit = AsyncSubmitCtl(machine)
    submit.flags = ASYNC_TX_PQ_XOR_DST
    async_gen_syndrome([None, *blocks(1), None, *blocks(2)], 0, 5, LENGTH, submit)
    assert machine.sim.now_ns == EACH_NS["xor_syndrome"] + LENGTH


def test_the_callback_comes_when_the_operation_is_done():
    machine = make()
    called = []
    submit = AsyncSubmitCtl(machine)
    submit.cb_fn = lambda _: called.append(machine.sim.now_ns)
    async_memcpy(*blocks(2), 0, 0, LENGTH, submit)
    assert called == [EACH_NS["memcpy"] + LENGTH]


def test_devices_go_on_while_the_cpu_works_and_process_context_waits():
    machine = make()
    sim, log = machine.sim, []

    def note(what):
        log.append((what, sim.now_ns))

    sim.device_after(500_000, note, "device")
    sim.device_after(500_000, sim.tasklet_schedule, note, "tasklet")
    sim.device_after(9_000_000, note, "late device")
    sim.call_after(400_000, note, "process")
    async_memcpy(*blocks(2), 0, 0, LENGTH, AsyncSubmitCtl(machine))
    assert log == [("device", 500_000), ("tasklet", 500_000)]
    sim.run()
    assert log[2:] == [("process", 1_000_000 + LENGTH), ("late device", 9_000_000)]


def test_what_interrupts_take_is_added_to_the_work_under_way():
    machine = make()
    sim = machine.sim
    sim.device_after(10, sim.interrupt, machine.cpu.clean_up)
    async_memcpy(*blocks(2), 0, 0, LENGTH, AsyncSubmitCtl(machine))
    assert sim.now_ns == machine.cpu.busy_ns == 1_000_000 + LENGTH + 10


def test_what_interrupts_take_of_an_idle_cpu_is_gone_when_it_is_over():
    machine = make()
    sim = machine.sim
    sim.interrupt(machine.cpu.clean_up)
    assert (sim.now_ns, sim.cpu_free_ns) == (0, 10)
    sim.run_until_ns(1000)
    async_memcpy(*blocks(2), 0, 0, LENGTH, AsyncSubmitCtl(machine))
    assert sim.now_ns == 1_001_000 + LENGTH


def test_a_descriptor_takes_its_submission_its_interrupt_and_the_spinning_for_it():
    machine = make(["iop13xx"])
    submit = AsyncSubmitCtl(machine)
    tx = async_memcpy(*blocks(2), 0, 0, LENGTH, submit)
    assert tx is not None
    assert machine.cpu.busy_ns == 100
    dma_wait_for_async_tx(tx)
    assert machine.sim.now_ns > LENGTH
    assert machine.cpu.busy_ns == machine.sim.now_ns


def test_a_descriptor_that_nobody_spins_for_takes_no_more_than_its_handling():
    machine = make(["iop13xx"])
    submit = AsyncSubmitCtl(machine)
    submit.flags = ASYNC_TX_ACK
    tx = async_memcpy(*blocks(2), 0, 0, LENGTH, submit)
    tx.chan.issue_pending()
    machine.sim.run()
    assert machine.cpu.busy_ns == 110


def test_work_is_told_with_its_times():
    machine, events = make(), []
    machine.sim.hook.subscribe(lambda _, event: events.append(event))
    async_memcpy(*blocks(2), 0, 0, LENGTH, AsyncSubmitCtl(machine))
    async_memset(*blocks(1), 0, 0, LENGTH, AsyncSubmitCtl(machine))
    assert [event for event in events if isinstance(event, CpuWork)] == [
        CpuWork("memcpy", 0, 1_004_096),
        CpuWork("memset", 1_004_096, 2_004_096),
    ]


def test_without_a_profile_or_without_time_software_is_done_at_once():
    for machine in (Machine(timed=True, kernel="numpy"), Machine(kernel="numpy", cpu=CPU)):
        assert machine.cpu is None
        async_memcpy(*blocks(2), 0, 0, LENGTH, AsyncSubmitCtl(machine))
        assert machine.sim.now_ns == 0
