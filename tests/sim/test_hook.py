from raidsim.sim import Simulator


def test_listeners_get_every_event_with_its_time_in_the_order_of_subscription():
    sim, log = Simulator(timed=True), []
    sim.hook.subscribe(lambda time_ns, event: log.append(("first", time_ns, event)))
    sim.hook.subscribe(lambda time_ns, event: log.append(("second", time_ns, event)))
    sim.call_after(3, sim.hook.emit, "event")
    sim.run()
    assert log == [("first", 3, "event"), ("second", 3, "event")]


def test_an_ended_subscription_hears_nothing_more():
    sim, log = Simulator(), []
    unsubscribe = sim.hook.subscribe(lambda _time_ns, event: log.append(event))
    sim.hook.emit(1)
    unsubscribe()
    sim.hook.emit(2)
    assert log == [1]
    assert not sim.hook.listeners


def test_a_listener_may_end_its_subscription_while_it_listens():
    sim, log = Simulator(), []

    def once(_time_ns, event):
        log.append(event)
        unsubscribe()

    unsubscribe = sim.hook.subscribe(once)
    sim.hook.subscribe(lambda _time_ns, event: log.append(event))
    sim.hook.emit(1)
    sim.hook.emit(2)
    assert log == [1, 1, 2]
