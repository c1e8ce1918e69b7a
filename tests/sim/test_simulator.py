from threading import Timer

import pytest

from raidsim.errors import RaidsimError
from raidsim.sim import IRQ, PROCESS, TASKLET, DeadlockError, Simulator


def test_work_runs_in_the_order_it_was_asked_for():
    sim, log = Simulator(), []
    for number in range(3):
        sim.call_soon(log.append, number)
    sim.run()
    assert log == [0, 1, 2]


def test_untimed_delays_take_no_time_and_keep_order():
    sim, log = Simulator(), []
    sim.call_after(1000, log.append, "later")
    sim.call_after(1, log.append, "soon")
    sim.run()
    assert log == ["later", "soon"]
    assert sim.now_ns == 0


def test_timed_delays_order_work_and_move_the_clock():
    sim, log = Simulator(timed=True), []
    sim.call_after(1000, lambda: log.append(sim.now_ns))
    sim.call_after(1, lambda: log.append(sim.now_ns))
    sim.run()
    assert log == [1, 1000]


def test_ties_in_time_are_broken_by_sequence():
    sim, log = Simulator(timed=True), []
    for number in range(20):
        sim.call_after(7, log.append, number)
    sim.run()
    assert log == list(range(20))


def test_ready_process_work_runs_before_the_clock_moves_on():
    sim, log = Simulator(timed=True), []
    sim.device_after(5, lambda: log.append(sim.now_ns))
    sim.call_soon(lambda: log.append(sim.now_ns))
    sim.run()
    assert log == [0, 5]


def test_tasklets_go_before_devices_and_devices_before_process_context():
    sim, log = Simulator(), []
    sim.call_soon(log.append, "process")
    sim.device_after(0, log.append, "device")
    sim.tasklet_schedule(log.append, "tasklet")
    sim.run()
    assert log == ["tasklet", "device", "process"]


def test_contexts_are_those_of_the_queues():
    sim, log = Simulator(), []

    def note():
        log.append(sim.context)

    sim.call_soon(note)
    sim.tasklet_schedule(note)
    sim.device_after(0, sim.interrupt, note)
    sim.run()
    assert log == [TASKLET, IRQ, PROCESS]
    assert sim.context == PROCESS


def test_context_is_restored_when_a_handler_raises():
    sim = Simulator()
    with pytest.raises(ZeroDivisionError):
        sim.interrupt(lambda: 1 // 0)
    assert sim.context == PROCESS
    sim.tasklet_schedule(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        sim.run()
    assert sim.context == PROCESS


def test_run_until_stops_as_soon_as_the_predicate_holds():
    sim, log = Simulator(), []
    sim.call_soon(log.append, 1)
    sim.call_soon(log.append, 2)
    sim.run_until(lambda: log)
    assert log == [1]


def test_run_until_names_what_waits_when_nothing_is_left_to_run():
    with pytest.raises(DeadlockError, match="still waiting for stripe 7") as caught:
        Simulator().run_until(lambda: False, "stripe 7")
    assert isinstance(caught.value, RaidsimError)


def test_spinning_lets_devices_and_tasklets_run_but_no_process_context():
    sim, log = Simulator(timed=True), []
    sim.call_after(1, log.append, "process")
    sim.device_after(2, sim.tasklet_schedule, log.append, "tasklet")
    while sim.spin():
        pass
    assert log == ["tasklet"]
    sim.run()
    assert log == ["tasklet", "process"]


def test_random_streams_depend_on_seed_and_name_alone():
    first, second = Simulator(1), Simulator(1)
    second.random("disk0").random()
    assert first.random("disk1").random() == second.random("disk1").random()
    assert first.random("disk1") is first.random("disk1")
    assert Simulator(1).random("a").random() != Simulator(2).random("a").random()


def test_what_happens_outside_is_waited_for_when_nothing_else_is_ready():
    sim, log = Simulator(), []
    sim.outside_begin()
    Timer(0.01, sim.device_from_outside, (log.append, "outside")).start()
    sim.call_soon(log.append, "ready")
    sim.run()
    assert log == ["ready", "outside"]


def test_spinning_waits_for_what_happens_outside():
    sim, log = Simulator(), []
    sim.outside_begin()
    Timer(0.01, sim.device_from_outside, (log.append, "outside")).start()
    sim.call_soon(log.append, "process")
    assert sim.spin()
    assert log == ["outside"]
    assert not sim.spin()


def test_what_arrived_from_outside_goes_before_process_context():
    sim, log = Simulator(), []
    sim.outside_begin()
    sim.device_from_outside(log.append, "outside")
    sim.call_soon(log.append, "process")
    sim.device_after(0, log.append, "device")
    sim.run()
    assert log == ["device", "outside", "process"]


def test_the_clock_waits_for_what_happens_outside():
    sim, log = Simulator(timed=True), []
    sim.device_after(5, lambda: log.append(sim.now_ns))
    sim.outside_begin()
    Timer(0.01, sim.device_from_outside, (lambda: log.append(sim.now_ns),)).start()
    sim.run()
    assert log == [0, 5]


def test_run_until_ns_does_what_is_due_and_sets_the_clock():
    sim = Simulator(timed=True)
    seen = []
    sim.call_soon(seen.append, "now")
    sim.call_after(10, seen.append, "10")
    sim.device_after(11, seen.append, "11")
    assert sim.busy
    sim.run_until_ns(10)
    assert seen == ["now", "10"]
    assert (sim.now_ns, sim.next_ns, sim.busy) == (10, 11, False)
    sim.run_until_ns(20)
    assert (seen[-1], sim.now_ns, sim.next_ns) == ("11", 20, None)


def test_timers_alone_are_kept_where_devices_take_no_time():
    sim = Simulator(timers=True)
    seen = []
    sim.call_after(10, seen.append, "timer")
    sim.device_after(10, seen.append, "device")
    sim.run_until_ns(5)
    assert (seen, sim.next_ns) == (["device"], 10)
    sim.run_until_ns(10)
    assert seen == ["device", "timer"]


def test_run_until_ns_leaves_the_rest_where_enough_is_done():
    sim = Simulator(timers=True)
    done = []

    def go_on():
        done.append(sim.now_ns)
        sim.call_soon(go_on)

    go_on()
    assert not sim.run_until_ns(10, lambda: len(done) > 3)
    assert done == [0, 10, 10, 10]  # it is the work that takes the time
    sim.call_after(5, done.append, "timer")
    assert not sim.run_until_ns(15, lambda: "timer" in done)
    assert sim.now_ns == 15
