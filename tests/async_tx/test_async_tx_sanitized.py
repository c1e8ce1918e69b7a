"""What the sanitizer says of async_tx's users: each class of mistake, with both its call sites."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_chains import run_chains

from raidsim import Machine
from raidsim.async_tx import (
    ASYNC_TX_ACK,
    ASYNC_TX_XOR_ZERO_DST,
    AsyncSubmitCtl,
    DependencyError,
    SubmissionContextError,
    SumCheck,
    async_gen_syndrome,
    async_memcpy,
    async_memset,
    async_raid6_2data_recov,
    async_raid6_datap_recov,
    async_syndrome_val,
    async_trigger_callback,
    async_tx_ack,
    async_xor,
    async_xor_val,
    init_async_submit,
)
from raidsim.dmaengine import (
    DMA_SLAVE,
    dma_request_channel,
    dma_sync_wait,
    dma_wait_for_async_tx,
)
from raidsim.dmaengine.constants import DMA_FROM_DEVICE, DMA_TO_DEVICE
from raidsim.sim import SanitizerError

SOURCE = Path(__file__).read_text().splitlines()


class Lab:
    """A sanitized machine and six blocks of 512 bytes in one pool."""

    def __init__(self, *engines):
        self.machine = Machine(engines=engines, sanitize=True, kernel="numpy")
        self.sanitizer = self.machine.sanitizer
        self.submit = AsyncSubmitCtl(self.machine)
        self.blocks = list(np.zeros((8, 512), np.uint8))

    def copy(self, dest, src, flags=0, tx=None, callback=None):
        init_async_submit(self.submit, flags, tx, callback, None, None)
        return async_memcpy(self.blocks[dest], self.blocks[src], 0, 0, 512, self.submit)

    def xor(self, dest, first, second, flags=0, tx=None):
        init_async_submit(self.submit, flags | ASYNC_TX_XOR_ZERO_DST, tx, None, None, None)
        sources = [self.blocks[first], self.blocks[second]]
        return async_xor(self.blocks[dest], sources, 0, 2, 512, self.submit)

    @property
    def report(self):
        (report,) = self.sanitizer.reports
        return report


def code_at(side):
    """The source line that one side of a report names."""
    line = re.search(r"test_async_tx_sanitized\.py:(\d+) in ", side)
    return SOURCE[int(line[1]) - 1].strip()


@pytest.fixture(params=["iop32x", "iop13xx", "mv_xor-kirkwood"])
def lab(request):
    return Lab(request.param)


def test_two_operations_without_a_dependency_are_reported_on_one_channel_too():
    lab = Lab("iop13xx")

    def client():
        init_async_submit(lab.submit, ASYNC_TX_ACK, None, None, None, None)
        async_memcpy(lab.blocks[0], lab.blocks[1], 0, 0, 512, lab.submit)  # first
        async_memcpy(lab.blocks[2], lab.blocks[0], 0, 0, 512, lab.submit)  # second

    client()
    report = lab.report
    channel = next(chan.name for chan in lab.machine.dmaengine.devices[0].channels)
    both = f"memcpy on {channel} and memcpy on {channel}"
    assert report.what == f"{both} touch the same bytes in no order"
    assert code_at(report.first).endswith("# first")
    assert code_at(report.second).endswith("# second")
    assert " writes bytes 0 to 511 " in report.first
    assert " reads bytes 0 to 511 " in report.second
    assert report.missing == (
        "an order: submit the second after its callback or a dma_wait_for_async_tx() for it, or"
        f" make the first its depend_tx (being on {channel} both is no order)"
    )


def test_a_dependency_orders_operations_on_and_across_channels(lab):
    tx = lab.copy(0, 1)
    tx = lab.xor(2, 0, 3, tx=tx)
    lab.copy(4, 2, ASYNC_TX_ACK, tx)
    assert not lab.sanitizer.reports


def test_a_write_under_a_reader_is_reported(lab):
    lab.xor(0, 1, 2, ASYNC_TX_ACK)
    lab.copy(2, 3, ASYNC_TX_ACK)
    assert " reads " in lab.report.first
    assert " writes " in lab.report.second


def test_an_operation_that_is_done_by_chance_is_still_in_no_order(lab):
    lab.copy(0, 1, ASYNC_TX_ACK)
    lab.machine.sim.run()
    lab.copy(2, 0, ASYNC_TX_ACK)
    assert lab.report.what.endswith("in no order")


@pytest.mark.parametrize(
    "wait", [dma_wait_for_async_tx, lambda tx: dma_sync_wait(tx.chan, tx.cookie)]
)
def test_a_wait_is_an_order(lab, wait):
    tx = lab.copy(0, 1)
    wait(tx)
    async_tx_ack(tx)
    lab.sanitizer.cpu_read(lab.blocks[0])
    lab.copy(0, 2, ASYNC_TX_ACK)
    assert not lab.sanitizer.reports


def test_waiting_for_a_descriptor_that_is_done_already_is_an_order(lab):
    tx = lab.copy(0, 1)
    tx.chan.issue_pending()
    lab.machine.sim.run()
    dma_wait_for_async_tx(tx)
    lab.sanitizer.cpu_write(lab.blocks[0])
    assert not lab.sanitizer.reports


def test_a_callback_is_an_order(lab):
    lab.copy(0, 1, ASYNC_TX_ACK, None, lambda _: lab.sanitizer.cpu_read(lab.blocks[0]))
    lab.sanitizer.cpu_read(lab.blocks[1])
    lab.machine.dmaengine.devices[0].channels[0].issue_pending()
    lab.machine.sim.run()
    lab.copy(0, 2, ASYNC_TX_ACK)
    assert not lab.sanitizer.reports


def test_a_callback_at_the_end_of_a_chain_is_an_order_for_all_of_it():
    lab, done = Lab("iop13xx"), []
    tx = lab.copy(0, 1)
    tx = lab.xor(2, 0, 3, tx=tx)
    init_async_submit(lab.submit, ASYNC_TX_ACK, tx, done.append, 1, None)
    async_trigger_callback(lab.submit).chan.issue_pending()
    lab.machine.sim.run()
    assert done
    for block in lab.blocks:
        lab.sanitizer.cpu_write(block)
    assert not lab.sanitizer.reports
    assert not lab.sanitizer._in_flight


def test_a_cpu_access_to_what_an_engine_writes_is_reported(lab):
    lab.copy(0, 1)
    lab.sanitizer.cpu_read(lab.blocks[0], 100, 1)  # too early
    report = lab.report
    assert code_at(report.second).endswith("# too early")
    assert report.second.startswith("the CPU reads bytes 100 to 100 of buffer 1 at ")
    assert report.missing == (
        "a wait: its callback or a dma_wait_for_async_tx() for it comes first"
    )


def test_the_cpu_may_read_what_an_engine_only_reads(lab):
    lab.copy(0, 1)
    lab.sanitizer.cpu_read(lab.blocks[1])
    assert not lab.sanitizer.reports
    lab.sanitizer.cpu_write(lab.blocks[1])
    assert len(lab.sanitizer.reports) == 1


SOFTWARE = {
    "memcpy": lambda b, s: async_memcpy(b[0], b[1], 0, 0, 512, s),
    "memset": lambda b, s: async_memset(b[0], 0, 0, 512, s),
    "xor": lambda b, s: async_xor(b[0], b[1:], 0, 2, 512, s),
    "xor_val": lambda b, s: async_xor_val(b[0], b, 0, 3, 512, SumCheck(), s),
    "pq": lambda b, s: async_gen_syndrome(b[2:] + b[:2], 0, 8, 512, s),
    "pq_val": lambda b, s: async_syndrome_val(b, 0, 8, 512, SumCheck(), np.empty(512, np.uint8), s),
    "datap": lambda b, s: async_raid6_datap_recov(8, 512, 0, b, s),
    "2data": lambda b, s: async_raid6_2data_recov(8, 512, 0, 1, b, s),
}


@pytest.mark.parametrize("operation", list(SOFTWARE))
def test_what_software_does_is_checked_against_what_is_in_flight(operation, engine):
    one_device, _ = engine
    # The only channel takes memcpy, in blocks of 16 bytes at least; the rest is software.
    lab = Lab(one_device(capabilities=("memcpy",), copy_align=16))
    init_async_submit(lab.submit, ASYNC_TX_ACK, None, None, None, None)
    async_memcpy(lab.blocks[0], lab.blocks[7], 0, 0, 512, lab.submit)
    blocks = lab.blocks
    if operation == "memcpy":
        async_memcpy(blocks[1], blocks[0], 0, 1, 5, lab.submit)
    else:
        SOFTWARE[operation](blocks, lab.submit)
    assert lab.report.what.startswith("memcpy on dma0chan0 and ")
    assert f"{operation} in software" in lab.report.second


def test_a_callback_that_submits_is_reported_with_the_operation_it_belongs_to(lab):
    def callback(_):
        lab.copy(2, 3)

    init_async_submit(lab.submit, ASYNC_TX_ACK, None, callback, None, None)
    tx = async_memcpy(lab.blocks[0], lab.blocks[1], 0, 0, 512, lab.submit)  # its operation
    tx.chan.issue_pending()
    with pytest.raises(SubmissionContextError):
        lab.machine.sim.run()
    report = lab.report
    assert report.what == f"the callback of memcpy on {tx.chan.name} submits an operation"
    assert code_at(report.first).endswith("# its operation")
    assert "async_memcpy(self.blocks" in code_at(report.second)
    assert "3.6, 2/" in report.missing


def test_a_callback_of_software_that_submits_is_reported():
    lab = Lab()

    def callback(_):
        init_async_submit(lab.submit, 0, None, None, None, None)
        async_memset(lab.blocks[0], 0, 0, 512, lab.submit)  # from the callback

    init_async_submit(lab.submit, 0, None, callback, None, None)
    with pytest.raises(SubmissionContextError):
        async_memset(lab.blocks[1], 0, 0, 512, lab.submit)  # its operation
    assert code_at(lab.report.first).endswith("# its operation")
    assert code_at(lab.report.second).endswith("# from the callback")


def test_a_submission_in_irq_context_is_reported(lab):
    with pytest.raises(SubmissionContextError):
        lab.machine.sim.interrupt(lab.copy, 0, 1)
    assert lab.report.what == "an operation is submitted in irq context"


def test_a_descriptor_used_as_a_dependency_after_its_acknowledgement_is_reported(lab):
    tx = lab.copy(0, 1)
    async_tx_ack(tx)  # acknowledged
    init_async_submit(lab.submit, 0, tx, None, None, None)
    with pytest.raises(DependencyError):
        async_memcpy(lab.blocks[2], lab.blocks[3], 0, 0, 512, lab.submit)  # used again
    report = lab.report
    assert report.what == (
        f"the descriptor of memcpy on {tx.chan.name} is made a dependency after it was acknowledged"
    )
    assert report.first.startswith("acknowledged by async_tx_ack() at ")
    assert code_at(report.first).endswith("# acknowledged")
    assert code_at(report.second).endswith("# used again")


def test_a_descriptor_acknowledged_twice_is_reported(lab):
    tx = lab.copy(0, 1, ASYNC_TX_ACK)
    async_tx_ack(tx)  # once more
    assert " is acknowledged again after it was acknowledged" in lab.report.what
    assert lab.report.first.startswith("acknowledged by ASYNC_TX_ACK at ")
    assert code_at(lab.report.second).endswith("# once more")


def test_a_descriptor_waited_for_after_it_became_a_dependency_is_reported(lab):
    tx = lab.copy(0, 1)
    lab.copy(2, 0, ASYNC_TX_ACK, tx)
    dma_wait_for_async_tx(tx)  # too late
    assert " is waited for after it was acknowledged" in lab.report.what
    assert lab.report.first.startswith("acknowledged by being the dependency of memcpy on ")
    assert code_at(lab.report.second).endswith("# too late")


def test_a_descriptor_used_after_its_driver_recycled_it_is_reported(engine):
    one_device, _ = engine
    lab = Lab(one_device(ring_slots=1))
    stale = lab.copy(0, 1, ASYNC_TX_ACK)
    stale.chan.issue_pending()
    lab.machine.sim.run()
    lab.copy(2, 3)
    with pytest.raises(DependencyError):
        lab.copy(4, 5, tx=stale)
    assert " is made a dependency after it was acknowledged" in lab.report.what


def test_a_parent_that_software_waits_for_is_acknowledged_and_known_complete(engine):
    one_device, _ = engine
    lab = Lab(one_device(capabilities=("memcpy",)))
    tx = lab.copy(0, 1)
    assert lab.xor(2, 0, 3, tx=tx) is None
    lab.sanitizer.cpu_write(lab.blocks[0])
    assert not lab.sanitizer.reports
    async_tx_ack(tx)
    assert lab.report.first.startswith("acknowledged by being waited for at ")


def test_a_buffer_forgotten_before_anybody_waited_is_reported(lab):
    buffer = np.zeros(512, np.uint8)
    init_async_submit(lab.submit, ASYNC_TX_ACK, None, None, None, None)
    tx = async_memcpy(buffer, lab.blocks[0], 0, 0, 512, lab.submit)
    del buffer
    assert not lab.sanitizer.reports
    tx.chan.issue_pending()
    lab.machine.sim.run()
    assert lab.report.what.startswith("a buffer was forgotten while memcpy on ")


def test_stopping_the_machine_raises_the_reports(lab):
    lab.copy(0, 1, ASYNC_TX_ACK)
    lab.copy(0, 1, ASYNC_TX_ACK)
    with pytest.raises(SanitizerError, match="1 finding:"):
        lab.machine.stop()


def test_a_direct_client_of_dmaengine_is_watched_too(lab):
    chan = lab.machine.dmaengine.devices[0].channels[0]
    dest, src, other = lab.blocks[:3]
    for source in (src, other):
        chan.prep_dma_memcpy(dest, 0, source, 0, 512, 0).tx_submit()
    assert lab.report.what.endswith("touch the same bytes in no order")


def test_a_direct_client_that_prepares_in_a_callback_is_reported(lab):
    chan = lab.machine.dmaengine.devices[0].channels[0]
    dest, src = lab.blocks[:2]
    tx = lab.copy(2, 3, ASYNC_TX_ACK, None, lambda _: chan.prep_dma_memcpy(dest, 0, src, 0, 8, 0))
    tx.chan.issue_pending()
    lab.machine.sim.run()
    assert lab.report.what == f"the callback of memcpy on {tx.chan.name} submits an operation"


def test_a_transfer_from_a_peripheral_writes_its_buffers(engine):
    one_device, _ = engine
    lab = Lab(one_device(capabilities=("slave", "private")))
    chan = dma_request_channel(lab.machine, {DMA_SLAVE})
    chan.slave_config(lab)
    chan.prep_slave_sg(lab.blocks[:2], DMA_FROM_DEVICE, 0).tx_submit()
    chan.prep_slave_sg(lab.blocks[2:4], DMA_TO_DEVICE, 0).tx_submit()
    lab.sanitizer.cpu_read(lab.blocks[2])
    assert not lab.sanitizer.reports
    lab.sanitizer.cpu_read(lab.blocks[1])
    assert lab.report.what == "slave on dma0chan0 and the CPU touch the same bytes in no order"


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_random_chains_that_wait_are_clean(every_engine, seed):
    for engines in every_engine.values():
        run_chains(engines, seed, sanitize=True)


def test_the_sanitized_run_ends_in_the_same_bytes(every_engine):
    for engines in every_engine.values():
        assert run_chains(engines, 3, sanitize=True)[:2] == run_chains([], 3)[:2]
