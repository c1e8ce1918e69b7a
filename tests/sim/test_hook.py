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


def test_what_is_worked_for_is_the_origin_until_that_ends():
    hook = Simulator().hook
    with hook.working_for(1):
        with hook.working_for(2):
            assert hook.origin == 2
        assert hook.origin == 1
    assert hook.origin == 0


def test_numbers_are_never_given_twice_and_a_new_watch_knows_its_first():
    hook = Simulator().hook
    unsubscribe = hook.subscribe(lambda _time_ns, _event: None)
    assert (hook.first_number, hook.next_number(), hook.next_number()) == (1, 1, 2)
    hook.subscribe(lambda _time_ns, _event: None)
    assert hook.first_number == 1
    unsubscribe()
    hook.listeners = ()
    hook.subscribe(lambda _time_ns, _event: None)
    assert (hook.first_number, hook.next_number()) == (3, 3)


def test_changes_are_told_to_all_and_to_those_who_want_nothing_else():
    hook = Simulator().hook
    changes, everything = [], []
    hook.subscribe_to_changes(lambda _, event: changes.append(event))
    assert not hook.listeners
    hook.subscribe(lambda _, event: everything.append(event))
    hook.emit("access")
    hook.tell("failure")
    assert changes == ["failure"]
    assert everything == ["access", "failure"]
