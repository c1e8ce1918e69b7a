"""DMA engine test (drivers/dma/dmatest.c): random transfers on exclusive channels, verified.

Every source byte says where it lies and whether it is to be copied, every destination byte where
it lies and whether it is to be overwritten; so what was written too much, too little or elsewhere
shows. What the kernel's module leaves out is in ``raidsim.dmaengine.dmatest_gf``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from raidsim.dmaengine.completion import dma_sync_wait
from raidsim.dmaengine.constants import (
    DMA_COMPLETE,
    DMA_CTRL_ACK,
    DMA_ERROR,
    DMA_MEMCPY,
    DMA_MEMSET,
    DMA_PQ,
    DMA_PQ_VAL,
    DMA_PREP_INTERRUPT,
    DMA_XOR,
    DMA_XOR_VAL,
)
from raidsim.dmaengine.dmatest_gf import PqVerification, Validation
from raidsim.dmaengine.dmatest_transfer import Transfer
from raidsim.dmaengine.registry import dma_release_channel, dma_request_channel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from raidsim.dmaengine.channel import DmaAsyncTxDescriptor, DmaChan
    from raidsim.dmaengine.dmatest_transfer import Job
    from raidsim.machine import Machine

CLIENT_NAME = "dmatest"


@dataclass(frozen=True, kw_only=True, slots=True)
class DmatestParameters:
    """The module's parameters.

    Attributes:
        test_buf_size: Bytes of each buffer.
        channel: Name of the one channel to test; empty for any.
        device: Name of the one device to test, ``dma0`` and so on; empty for any.
        threads_per_chan: Threads for each kind of operation on a channel.
        max_channels: Most channels to test; 0 for all.
        iterations: Tests of each thread; 0 for no end (the module's own default).
        xor_sources: Sources of a xor; made odd.
        pq_sources: Sources of a pq; made odd.
        timeout: Milliseconds of virtual time for one test; -1 for no end.
        dmatest: 0: copies; 1: fills.
        noverify: Do not fill and verify buffers.
        norandom: Whole buffers, no random lengths and offsets.
        alignment: log2 of what lengths and offsets are multiples of; -1: what the engine asks for.
        transfer_size: Bytes of each test; 0 for random ones.
        polled: Wait by polling the status instead of for a callback.
        gf: Test also what the module does not: multiplication in GF(2^8), xor_val and pq_val.
    """

    test_buf_size: int = 16384
    channel: str = ""
    device: str = ""
    threads_per_chan: int = 1
    max_channels: int = 0
    iterations: int = 100
    xor_sources: int = 3
    pq_sources: int = 3
    timeout: int = 3000
    dmatest: int = 0
    noverify: bool = False
    norandom: bool = False
    alignment: int = -1
    transfer_size: int = 0
    polled: bool = False
    gf: bool = False


@dataclass(slots=True)
class DmatestThread:
    """What one thread did.

    Attributes:
        name: ``dma0chan0-copy0``: the channel, the kind of operation, the thread's number.
        tests: Tests begun.
        failures: Tests that failed.
        transferred_bytes: Sum of the tests' lengths.
        runtime_ns: Virtual time the engine took, filling and verifying left out.
        messages: A line for each failure and each wrong byte told of.
    """

    name: str
    tests: int = 0
    failures: int = 0
    transferred_bytes: int = 0
    runtime_ns: int = 0
    messages: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """The module's last line about the thread."""
        hundredths = self._per_second(100 * self.tests)
        return (
            f"{self.name}: summary {self.tests} tests, {self.failures} failures"
            f" {hundredths // 100}.{hundredths % 100:02} iops"
            f" {self._per_second(self.transferred_bytes) >> 10} KB/s (0)"
        )

    def _per_second(self, amount: int) -> int:
        return amount * 1_000_000_000 // self.runtime_ns if self.runtime_ns else 0


class Dmatest:
    """A run of the test: threads on every channel that can be had for oneself.

    The threads are process context of the machine, so that other clients go on beside them. While
    async_tx or another client holds dmaengine no public channel can be had.

    Args:
        machine: Whose channels to test.
        parameters: As the module's.

    Attributes:
        channels: The channels that it holds while it runs.
        threads: What each thread did.
    """

    def __init__(self, machine: Machine, parameters: DmatestParameters) -> None:
        self.machine = machine
        self.parameters = parameters
        self.channels: list[DmaChan] = []
        self.threads: list[DmatestThread] = []
        self._runners: list[_Runner] = []

    def start(self) -> None:
        """Take the channels and start the threads."""
        wanted = [DMA_MEMSET if self.parameters.dmatest else DMA_MEMCPY, DMA_XOR, DMA_PQ]
        if self.parameters.gf:
            wanted += [DMA_XOR_VAL, DMA_PQ_VAL]
        for capability in wanted:
            while not 0 < self.parameters.max_channels <= len(self.channels):
                chan = dma_request_channel(self.machine, {capability}, self._filter)
                if chan is None:
                    break
                chan.client_name = CLIENT_NAME
                self.channels.append(chan)
                for kind, job in self._jobs(chan):
                    for number in range(self.parameters.threads_per_chan):
                        self._start_thread(chan, f"{chan.name}-{kind}{number}", job)

    def wait(self) -> list[DmatestThread]:
        """Let the machine run until all threads are done, then give the channels back.

        What is left when nothing moves any more has timed out.
        """
        sim = self.machine.sim
        while not all(runner.ended for runner in self._runners):
            sim.run()
            for runner in self._runners:
                runner.time_out()
        self.stop()
        return self.threads

    def stop(self) -> None:
        """End all threads where they are and give the channels back."""
        for runner in self._runners:
            runner.ended = True
        while self.channels:
            dma_release_channel(self.channels.pop())

    def _filter(self, chan: DmaChan, _param: object) -> bool:
        device = chan.name.partition("chan")[0]
        return self.parameters.channel in {"", chan.name} and self.parameters.device in {"", device}

    def _jobs(self, chan: DmaChan) -> Iterator[tuple[str, Callable[[], Job]]]:
        """The kinds of operation to test on a channel: name, and how to make a thread's job."""
        capabilities, parameters = chan.device.cap_mask, self.parameters
        random = self.machine.sim.random(f"dmatest {chan.name}")
        plain = (DMA_MEMSET, "set") if parameters.dmatest else (DMA_MEMCPY, "copy")
        for capability, kind in (plain, (DMA_XOR, "xor"), (DMA_PQ, "pq")):
            if capability in capabilities:
                yield kind, partial(Transfer, chan, kind, parameters, random)
        if not parameters.gf:
            return
        if DMA_PQ in capabilities:
            yield "gf", partial(PqVerification, chan, parameters, random)
        for capability, kind in ((DMA_XOR_VAL, "xorval"), (DMA_PQ_VAL, "pqval")):
            if capability in capabilities:
                yield kind, partial(Validation, chan, kind, parameters, random)

    def _start_thread(self, chan: DmaChan, name: str, job: Callable[[], Job]) -> None:
        thread = DmatestThread(name)
        self.threads.append(thread)
        runner = _Runner(self, chan, thread, job())
        self._runners.append(runner)
        self.machine.sim.call_soon(runner.next_test)


class _Runner:
    """The course of one thread: a test, its completion or its timeout, the next test."""

    def __init__(self, test: Dmatest, chan: DmaChan, thread: DmatestThread, job: Job) -> None:
        self.test = test
        self.chan = chan
        self.thread = thread
        self.job = job
        self.sim = chan.device.machine.sim
        self.waiting = False
        self.ended = False
        self.started_ns = 0
        if self.sim.timed and test.parameters.timeout >= 0:
            self._watch(test.parameters.timeout * 1_000_000)

    def next_test(self) -> None:
        """Set the next test going, unless all are done."""
        parameters, thread = self.test.parameters, self.thread
        if 0 < parameters.iterations <= thread.tests:
            self.ended = True
        if self.ended:
            return
        thread.tests += 1
        self.job.begin()
        self.started_ns = self.sim.now_ns
        tx = self.job.prepare(DMA_CTRL_ACK | (0 if parameters.polled else DMA_PREP_INTERRUPT))
        if tx is None:
            self._end_test("prep error")
        elif parameters.polled:
            self._poll(tx.tx_submit())
        else:
            self._wait_for_callback(tx)

    def _poll(self, cookie: int) -> None:
        status = dma_sync_wait(self.chan, cookie)
        if status == DMA_COMPLETE:
            self._end_test(None)
        else:
            self._end_test(f"completion {'error' if status == DMA_ERROR else 'busy'} status")

    def _wait_for_callback(self, tx: DmaAsyncTxDescriptor) -> None:
        number = self.thread.tests
        self.waiting = True
        tx.callback = lambda _param: self.sim.call_soon(self._completed, number)
        tx.tx_submit()
        self.chan.issue_pending()

    def _completed(self, number: int) -> None:
        if self.waiting and number == self.thread.tests:
            self._end_test(None)

    def time_out(self) -> None:
        """Give up the test that is waited for."""
        if self.waiting:
            self._end_test("test timed out")

    def _watch(self, timeout_ns: int) -> None:
        """Time out the test of now if it takes so long, and those that follow it."""

        def look() -> None:
            if self.ended:
                return
            left_ns = timeout_ns
            if self.waiting:
                left_ns -= self.sim.now_ns - self.started_ns
            if left_ns <= 0:
                self.time_out()
                left_ns = timeout_ns
            self.sim.call_after(left_ns, look)

        self.sim.call_after(timeout_ns, look)

    def _end_test(self, error: str | None) -> None:
        thread, job = self.thread, self.job
        self.waiting = False
        thread.runtime_ns += self.sim.now_ns - self.started_ns
        thread.transferred_bytes += job.length
        if error is None and not self.test.parameters.noverify:
            wrong = job.verify()
            thread.messages += [f"{thread.name}: {line}" for line in wrong]
            error = "data error" if wrong else None
        if error is not None:
            thread.failures += 1
            thread.messages.append(
                f"{thread.name}: result #{thread.tests}: '{error}' with src_off={job.src_off:#x}"
                f" dst_off={job.dst_off:#x} len={job.length:#x}"
            )
        self.sim.call_soon(self.next_test)
