"""What events wait for and what they do, one small run each."""

from __future__ import annotations

import pytest

from raidsim.scenario import make_scenario, run_scenario, runner

FIXED = {"kind": "fixed", "description": "1 ms each", "service": "1ms", "bytes_per_second": 10**9}


def _at(time, **action):
    return {"at": time, **action}


def _texts(result):
    """The log without its times, runs of blanks made one."""
    return [" ".join(line.split()[1:]) for line in result.log]


def _passed(result):
    assert [str(failure) for failure in result.failures] == []
    return result


def test_a_scenario_without_events_is_quiet_at_once(play):
    result = _passed(play())
    assert (result.elapsed_ns, result.state, result.parity_mismatches) == (0, "clean", 0)


def test_events_happen_in_order_of_time_then_of_the_file(play):
    events = [
        _at("2ms", fail={"disk": 3}),
        _at("1ms", fail={"disk": 1}),
        {**_at("0ms", remove={"disk": "disk1"}), "after": "2ms"},
    ]
    result = _passed(play(event=events))
    assert [text for text in _texts(result) if text.startswith("event")] == [
        "event event[1] fail disk 1",
        "event event[0] fail disk 3",
        "event event[2] remove disk1",
    ]


def test_an_event_waits_for_another_and_then_for_its_time(play):
    events = [
        {"when": {"event": {"name": "first"}}, "after": "5ms", "fail": {"disk": 2}},
        {"name": "first", "at": "10ms", "fail": {"disk": 1}},
    ]
    result = _passed(play(event=events))
    (line,) = [line for line in result.log if "event[0]" in line]
    assert line.split()[0] == "0.015000000"


@pytest.mark.parametrize(
    ("when", "seen"),
    [
        ({"sync": {"action": "recover"}}, "sync recover began at 0"),
        ({"sync_ended": {"action": "recover"}}, "member disk5.img active slot 1"),
        ({"members_failed": {"count": 1}}, "member disk1.img failed slot 1"),
        ({"array": {"state": "degraded"}}, "member disk1.img failed slot 1"),
    ],
)
def test_what_an_event_may_wait_for(play, when, seen):
    events = [
        {"when": when, "set": {"attribute": "rmw_level", "value": 0}},
        _at("10ms", fail={"disk": 1}),
    ]
    result = _passed(play(array={"spare_devices": 1}, disks={"model": FIXED}, event=events))
    texts = _texts(result)
    assert texts.index("event event[0] set rmw_level to 0") > texts.index(seen)


def test_a_recovery_is_caught_half_way(play):
    events = [
        _at("1ms", fail={"disk": 1}),
        {"when": {"sync": {"action": "recover", "reaches": "50%"}}, "fail": {"disk": 2}},
    ]
    result = _passed(play(array={"spare_devices": 1}, disks={"model": FIXED}, event=events))
    first = result.syncs[0]
    assert first["interrupted"]
    assert 1024 <= first["synced_sectors"] < 2048


def test_faults_fire_and_tell_and_are_switched(play):
    faults = [{"name": "late", "kind": "slow", "delay": "50ms", "enabled": False}]
    read = {"rw": "randread", "block": "4KiB", "requests": 20}
    result = _passed(
        play(
            disks={"disk0": {"faults": faults}},
            workload=[{"name": "early", **read}, {"name": "late", "waits": True, **read}],
            event=[
                {
                    "when": {"workload_ended": {"name": "early"}},
                    "switch": {"fault": "late", "on": True},
                },
                _at("1s", start_workload={"name": "late"}),
                {
                    "when": {"fault": {"name": "disk0.late", "times": 2}},
                    "end_workload": {"name": "late"},
                },
            ],
            expect={
                "fault": {"late": 2},
                "workload": {"early": {"latency": {"max": {"at_most": "1ms"}}}},
            },
        )
    )
    assert result.workloads["late"]["requests"] < 20


def test_bit_rot_is_found_named_and_healed(play):
    _passed(
        play(
            event=[
                _at("1ms", corrupt={"disk": "disk3", "sector": 2048, "length": 512}),
                _at("2ms", repair={"locate": True}),
            ],
            expect={"scrub": {"mismatches": 8, "blames": ["disk3"]}},
        )
    )


def test_rot_at_an_offset_of_the_array_lies_on_the_member_that_has_it(play):
    result = play(event=[_at("1ms", corrupt={"offset": 20480}), _at("2ms", check={})])
    assert result.wrong == [(20480, 512)]
    assert result.scrub["mismatches"] == 8


def test_an_array_is_stopped_and_assembled_with_its_workloads_ended(play):
    result = _passed(
        play(
            workload=[{"name": "w", "rw": "randwrite", "block": "4KiB", "rate_per_second": 100}],
            event=[_at("500ms", stop={}), _at("1s", assemble={})],
            expect={
                "workload": {"w": {"requests": {"at_least": 45, "at_most": 55}}},
                "array": "clean",
            },
        )
    )
    assert result.syncs == []
    assert result.counters["rmw"] + result.counters["rcw"] == result.workloads["w"]["requests"]


def test_an_array_that_is_stopped_is_opened_to_be_compared(play):
    _passed(play(event=[_at("1ms", stop={})], expect={"array": "clean"}))


def test_what_a_power_cut_takes_back_is_no_loss_what_was_flushed_is_kept(play):
    drive = {"model": "constellation-es3"}
    write = {"name": "w", "rw": "randwrite", "block": "4KiB", "flush_every": 3, "duration": "10s"}
    events = [_at("400ms", cut_power={"keep": 0.0}), _at("1s", assemble={})]
    result = _passed(play(disks=drive, workload=[write], event=events))
    assert result.syncs[-1]["action"] == "resync"
    assert result.counters["rmw"] + result.counters["rcw"] >= result.workloads["w"]["requests"] > 9


def test_a_member_is_left_out_when_the_array_is_assembled(play):
    result = _passed(
        play(
            event=[_at("1ms", stop={}), _at("2ms", assemble={"without": ["disk4"]})],
            expect={"array": "degraded", "members": {"disk4": "absent"}},
        )
    )
    assert result.members["disk0"] == "in_sync"


@pytest.mark.parametrize(
    ("event", "refusal"),
    [
        (_at("1ms", re_add={"disk": "disk0"}), "is a member already"),
        (_at("1ms", remove={"disk": 0}), "is in use"),
        (_at("1ms", assemble={}), "runs already"),
        (_at("1ms", set={"attribute": "rmw_level", "value": 9}), "takes 0, 1 or 2"),
        (_at("1ms", corrupt={"offset": "1GiB"}), "are not all of one chunk"),
        (_at("1ms", corrupt={"disk": 1, "sector": 10**20}), "disk1.img: ends before byte"),
    ],
)
def test_a_refusal_is_a_failure_unless_it_is_expected(play, event, refusal):
    (failure,) = play(event=[event]).failures
    assert (failure.what, failure.expected) == ("event[0]", "done")
    assert refusal in failure.found
    _passed(play(event=[{**event, "refused": refusal}]))


def test_what_should_be_refused_and_is_not_is_a_failure(play):
    (failure,) = play(event=[{**_at("1ms", fail={"disk": 1}), "refused": "no"}]).failures
    assert str(failure) == "event[0]: expected refused: no, found done"


def test_limits_are_lifted_and_faults_switched_off_in_the_end(play):
    _passed(
        play(
            array={"spare_devices": 1, "attributes": {"sync_max": 512}},
            disks={"disk0": {"faults": [{"kind": "hang", "operations": ["read"], "count": 1}]}},
            event=[
                _at("1ms", fail={"disk": 1}),
                _at("1s", set={"attribute": "rmw_level", "value": 1}),
            ],
            finish={"faults_off": True, "lift_limits": True},
            expect={"array": "clean"},
        )
    )


def test_a_run_that_takes_too_long_fails(play):
    result = play(
        workload=[{"name": "slow", "rw": "read", "block": "4KiB", "rate_per_second": 1}],
        finish={"within": "3s"},
    )
    assert result.error == "OverdueError: not over in time: still waiting for workload slow"
    assert [failure.what for failure in result.failures] == ["the end of the run"]


def test_an_error_that_is_expected_is_none(play):
    engine = {"profile": "iop13xx", "faults": [{"kind": "never_completes", "operations": ["pq"]}]}
    _passed(
        play(
            engine=[engine],
            workload=[{"name": "w", "rw": "write", "block": "48KiB", "requests": 1}],
            expect={"error": "nothing left to run"},
        )
    )


def test_an_array_that_was_never_in_sync_is_resynced(play):
    result = _passed(play(array={"in_sync": False, "contents": "zeros"}))
    assert [sync["action"] for sync in result.syncs] == ["resync"]


def test_an_array_begins_without_a_member(play):
    result = _passed(play(array={"missing": [1]}, expect={"array": "degraded"}))
    assert sorted(result.members) == ["disk0", "disk2", "disk3", "disk4"]


def test_operations_are_counted_where_they_run(play):
    result = _passed(
        play(
            engine=[{"profile": "iop13xx"}],
            workload=[{"name": "w", "rw": "write", "block": "48KiB", "requests": 4}],
            expect={
                "operation": [
                    {"operation": "pq", "count": {"at_least": 4}},
                    {"operation": "pq", "on": "software", "count": 0},
                ]
            },
        )
    )
    assert result.operations["dma2chan0"]["pq"] == 4


def test_what_runs_the_machine_to_its_rest_does_not_run_into_later_events(play):
    result = _passed(
        play(
            array={"attributes": {"rmw_level": 0}},
            event=[
                _at("1ms", stop={}),
                _at("2ms", assemble={}),
                _at("30min", fail={"disk": 1}),
            ],
        )
    )
    times = [line.split()[0] for line in result.log if " event " in line]
    assert times == ["0.001000000", "0.002000000", "1800.000000000"]


def test_an_event_that_never_comes_fails_the_run(play):
    result = play(event=[{"when": {"members_failed": {"count": 1}}, "stop": {}}])
    assert result.error == "DeadlockError: nothing left to run, still waiting for event[0]"


def test_an_observer_sees_the_stage_at_every_step(table):
    seen = []
    events = [_at("1s", fail={"disk": 1})]
    scenario = make_scenario(table(event=events))
    run_scenario(scenario, observer=lambda stage: seen.append(stage.now_ns), step_ns=300_000_000)
    assert seen[:4] == [0, 300_000_000, 600_000_000, 900_000_000]
    assert seen[-1] >= 1_000_000_000


def test_time_goes_on_where_a_machine_is_booted_anew(play):
    cut = {"name": "cut", **_at("5ms", cut_power={})}
    events = [cut, {"when": {"event": {"name": "cut"}}, "after": "2ms", "assemble": {}}]
    result = _passed(play(event=events))
    (line,) = [line for line in result.log if "assemble" in line]
    assert line.split()[0] == "0.007000000"


def test_what_a_scrub_finds_is_its_own_not_that_of_the_one_before(play):
    events = [
        _at("1ms", corrupt={"disk": "disk3", "sector": 2048}),
        _at("2ms", repair={"locate": True}),
        {"when": {"sync_ended": {"action": "repair"}}, "check": {}},
    ]
    result = _passed(play(event=events, expect={"scrub": {"mismatches": 0, "blames": []}}))
    assert [sync["mismatch_sectors"] for sync in result.syncs] == [8, 0]


def test_nothing_is_left_of_a_run_that_is_not_kept(play, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "_MEMORY", tmp_path)
    _passed(play())
    assert not list(tmp_path.iterdir())
