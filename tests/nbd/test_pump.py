from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from raidsim.nbd import pump as pump_module
from raidsim.nbd.pump import Pump
from raidsim.sim import Simulator


class Work:
    """Requests that take `steps` pieces of work each, and what was told about them."""

    def __init__(self, sim):
        self.sim = sim
        self.waiting = 0
        self.ended = 0
        self.delivered = []
        self.failures = []

    def step(self, steps):
        if steps:
            self.sim.call_soon(self.step, steps - 1)
        else:
            self.waiting -= 1
            self.ended += 1

    def pump(self, begin=lambda: None):
        return Pump(
            self.sim,
            begin,
            lambda: self.waiting,
            lambda: self.delivered.append(self.ended),
            self.failures.append,
        )


async def turns(work, until):
    for _ in range(10_000):
        if until():
            return
        await asyncio.sleep(0)
    raise AssertionError(vars(work))


@pytest.fixture
def work():
    return Work(Simulator(timers=True))


def test_what_ends_is_delivered_however_many_slices_it_takes(work):
    async def run():
        pump = work.pump()
        work.waiting = 1
        work.step(20_000)  # many slices, and the last need not be one that waits for clients
        pump.wake()
        await turns(work, lambda: work.delivered and work.delivered[-1] == 1)

    asyncio.run(run())


def test_the_loop_has_its_turn_while_work_goes_on_for_ever(work):
    async def run():
        pump = work.pump()

        def background():
            work.sim.call_soon(background)

        background()
        pump.wake()
        for _ in range(20):
            await asyncio.sleep(0)

    asyncio.run(run())


def test_background_work_has_as_much_time_as_clients_took(work, monkeypatch):
    clock = SimpleNamespace(now_ns=0)
    monkeypatch.setattr(pump_module.time, "monotonic_ns", lambda: clock.now_ns)
    done = []

    def background():
        clock.now_ns += 100_000
        done.append(clock.now_ns)
        work.sim.call_soon(background)

    def serve_client():
        clock.now_ns += 10_000_000
        work.waiting = 0

    async def run():
        pump = work.pump()
        work.waiting = 1
        work.sim.call_soon(serve_client)
        work.sim.call_soon(background)
        pump.wake()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert 100 <= len(done) <= 110

    asyncio.run(run())


def test_timers_of_the_simulation_follow_the_clock_on_the_wall(work):
    async def run():
        pump = work.pump()
        rang = asyncio.Event()
        work.sim.call_after(3_000_000, rang.set)
        pump.wake()
        await asyncio.wait_for(rang.wait(), 20)
        assert work.sim.now_ns >= 3_000_000

    asyncio.run(run())


def test_a_timer_before_the_one_that_is_awaited_is_not_late(work):
    async def run():
        pump = work.pump()
        rang = asyncio.Event()
        work.sim.call_after(3_600_000_000_000, list)
        pump.turn()
        work.sim.call_after(3_000_000, rang.set)
        pump.turn()
        await asyncio.wait_for(rang.wait(), 20)

    asyncio.run(run())


def test_a_timer_behind_the_one_that_rang_rings_as_well(work):
    async def run():
        pump = work.pump()
        rang = asyncio.Event()
        work.sim.call_after(1_000_000, list)
        work.sim.call_after(3_000_000, rang.set)
        pump.turn()
        await asyncio.wait_for(rang.wait(), 20)

    asyncio.run(run())


def test_a_turn_can_be_taken_at_once(work):
    async def run():
        pump = work.pump()
        work.waiting = 1
        work.step(3)
        pump.turn()
        assert work.delivered[-1] == 1

    asyncio.run(run())


def test_a_turn_that_is_due_is_not_taken_twice(work):
    async def run():
        begun = []
        pump = work.pump(begin=lambda: begun.append(1))
        pump.wake()
        pump.turn()
        assert begun == []
        await asyncio.sleep(0)
        assert begun == [1]

    asyncio.run(run())


def test_a_turn_within_a_turn_comes_after_it(work):
    async def run():
        log = []

        def begin():
            log.append("begun")
            if len(log) == 1:
                pump.turn()
                log.append("asked for another")

        pump = work.pump(begin)
        pump.turn()
        await turns(work, lambda: len(log) == 3)
        assert log == ["begun", "asked for another", "begun"]

    asyncio.run(run())


def test_what_ends_the_simulation_is_told_once(work):
    async def run():
        pump = work.pump()

        def defect():
            raise OSError("the host is full")

        work.sim.call_soon(defect)
        pump.wake()
        await turns(work, lambda: work.failures)
        pump.wake()
        await asyncio.sleep(0)
        assert [str(error) for error in work.failures] == ["the host is full"]

    asyncio.run(run())


def test_finish_ends_what_clients_wait_for_without_waiting_for_the_clock(work):
    async def run():
        pump = work.pump()
        work.waiting = 1
        work.sim.call_after(5_000_000_000, work.step, 5)
        pump.finish()
        assert work.delivered[-1] == 1

    asyncio.run(run())


def test_finish_leaves_what_can_not_end(work):
    async def run():
        pump = work.pump()
        work.waiting = 1
        pump.finish()
        assert work.ended == 0

    asyncio.run(run())
