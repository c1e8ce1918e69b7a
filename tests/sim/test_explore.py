import pytest

from raidsim.sim import TASKLET, ExploringSimulator, Simulator


def order(sim):
    """The order in which three devices, their tasklets and two processes get to run."""
    log = []
    for number in range(3):
        sim.device_after(10, sim.tasklet_schedule, log.append, f"tasklet{number}")
        sim.device_after(10, log.append, f"device{number}")
    for number in range(2):
        sim.call_soon(log.append, f"process{number}")
    sim.run()
    return tuple(log)


@pytest.mark.parametrize("timed", [False, True])
def test_seeds_give_different_orders_and_each_the_same_again(timed):
    orders = [order(ExploringSimulator(seed, timed=timed)) for seed in range(30)]
    assert orders == [order(ExploringSimulator(seed, timed=timed)) for seed in range(30)]
    assert len(set(orders)) > 20
    assert all(sorted(found) == sorted(orders[0]) for found in orders)


def test_without_exploration_there_is_one_order():
    assert len({order(Simulator(seed)) for seed in range(10)}) == 1


@pytest.mark.parametrize("timed", [False, True])
def test_process_context_takes_its_work_in_order(timed):
    for seed in range(30):
        found = order(ExploringSimulator(seed, timed=timed))
        assert found.index("process0") < found.index("process1")


def test_tasklets_run_before_process_context_goes_on():
    for seed in range(30):
        sim, log = ExploringSimulator(seed), []
        for _ in range(3):
            sim.tasklet_schedule(lambda sim=sim, log=log: log.append(sim.context))
            sim.call_soon(log.append, "process")
        sim.run()
        assert log == [TASKLET] * 3 + ["process"] * 3


def test_devices_may_be_as_slow_as_twice_their_time():
    finished = set()
    for seed in range(200):
        sim = ExploringSimulator(seed, timed=True)
        sim.device_after(4, lambda: None)
        sim.run()
        finished.add(sim.now_ns)
    assert finished == set(range(1, 9))
