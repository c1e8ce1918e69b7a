"""Each expectation on its own: met by what was found, and not by anything else."""

from __future__ import annotations

import pytest

from raidsim.scenario import ScenarioResult, make_scenario
from raidsim.scenario.verdict import failures

LATENCIES = {"50": 10, "95": 20, "99": 30, "99.9": 40, "100": 50_000_000}
WORKLOAD = {"requests": 7, "errors": 0, "wrong_sectors": [], "latency_ns": LATENCIES}
ACCESSES = {"reads": 3, "writes": 2, "flushes": 1, "read_sectors": 24, "written_sectors": 16}
SYNC = {"action": "check", "began_ns": 5, "ended_ns": 1_000_005, "synced_sectors": 64}


def _found(**changes):
    found = {
        "title": "x",
        "seed": 0,
        "state": "clean",
        "elapsed_ns": 2_000_000,
        "members": {"disk0": "in_sync"},
        "parity_mismatches": 0,
        "syncs": [SYNC],
        "scrub": {"mismatches": 8, "blames": ["disk1"]},
        "workloads": {"w": WORKLOAD},
        "counters": {
            "rmw": 1,
            "rcw": 2,
            "full_row": 3,
            "failed_members": 0,
            "corrected_sectors": 8,
            "bad_block_sectors": 0,
        },
        "accesses": {"disk0": ACCESSES, "disk1": ACCESSES},
        "operations": {"software": {"xor": 5}, "dma0chan0": {"xor": 6}, "dma1chan0": {"xor": 1}},
        "faults": {"disk1.late": 4},
    }
    return ScenarioResult(**found | changes)


@pytest.fixture
def judged(table):
    """What failed of these expectations, given what was found."""

    def judge(expect, found=None, *, may_not_fire=False):
        fault = {"name": "late", "kind": "slow", "may_not_fire": may_not_fire}
        scenario = make_scenario(
            table(
                disks={"disk1": {"faults": [fault]}},
                workload=[{"name": "w"}, {"name": "v"}],
                expect=expect,
            )
        )
        return [str(failure) for failure in failures(scenario, found or _found())]

    return judge


def test_nothing_is_wrong_with_it(judged):
    assert judged({}) == []


@pytest.mark.parametrize(
    ("met", "unmet", "failure"),
    [
        ({"array": "clean"}, {"array": "failed"}, "the array: expected failed, found clean"),
        (
            {"members": {"disk0": "in_sync"}},
            {"members": {"disk1": "spare"}},
            "disk disk1: expected spare, found absent",
        ),
        ({"rmw": 1}, {"rmw": 2}, "rmw: expected 2, found 1"),
        ({"rcw": {"at_most": 2}}, {"rcw": {"at_most": 1}}, "rcw: expected at most 1, found 2"),
        (
            {"full_row": {"at_least": 3}},
            {"full_row": {"at_least": 4}},
            "full_row: expected at least 4, found 3",
        ),
        ({"failed_members": 0}, {"failed_members": 1}, "failed_members: expected 1, found 0"),
        (
            {"corrected_sectors": {"at_least": 1, "at_most": 9}},
            {"corrected_sectors": {"at_least": 1, "at_most": 7}},
            "corrected_sectors: expected at least 1, at most 7, found 8",
        ),
        (
            {"bad_block_sectors": 0},
            {"bad_block_sectors": 8},
            "bad_block_sectors: expected 8, found 0",
        ),
        (
            {"parity_mismatches": 0},
            {"parity_mismatches": 1},
            "parity mismatches: expected 1, found 0",
        ),
        (
            {"time": {"at_most": "2ms"}},
            {"time": {"at_most": "1ms"}},
            "the time: expected at most 1 ms, found 2 ms",
        ),
        (
            {"fault": {"late": 4}},
            {"fault": {"disk1.late": 5}},
            "fault disk1.late: expected 5, found 4",
        ),
        (
            {"scrub": {"mismatches": 8, "blames": ["disk1"]}},
            {"scrub": {"mismatches": 8, "blames": ["disk1", "disk2"]}},
            "disks to blame: expected ['disk1', 'disk2'], found ['disk1']",
        ),
        (
            {"scrub": {"mismatches": 8}},
            {"scrub": {"mismatches": 0}},
            "mismatches: expected 0, found 8",
        ),
        (
            {"accesses": {"disk0": {"reads": 3}, "all": {"reads": 6}}},
            {"accesses": {"all": {"reads": 3}}},
            "reads of all: expected 3, found 6",
        ),
        (
            {"accesses": {"disk1": {"written_sectors": 16}}},
            {"accesses": {"disk1": {"written_sectors": 17}}},
            "written_sectors of disk1: expected 17, found 16",
        ),
        (
            {"sync": {"check": {"runs": 1}}},
            {"sync": {"check": {"runs": 2}}},
            "runs of check: expected 2, found 1",
        ),
        (
            {"sync": {"check": {"time": {"at_least": "1ms"}}}},
            {"sync": {"check": {"time": {"at_least": "2ms"}}}},
            "time of check: expected at least 2 ms, found 1 ms",
        ),
        (
            {"sync": {"check": {"sectors": 64}, "resync": {"sectors": 0}}},
            {"sync": {"check": {"sectors": 65}}},
            "sectors of check: expected 65, found 64",
        ),
        (
            {"workload": {"w": {"requests": 7}}},
            {"workload": {"w": {"requests": 8}}},
            "requests of w: expected 8, found 7",
        ),
        (
            {"workload": {"w": {"errors": 0}}},
            {"workload": {"w": {"errors": 1}}},
            "errors of w: expected 1, found 0",
        ),
        (
            {"workload": {"w": {}}},
            {"workload": {"v": {}}},
            "workload v: expected to run, found it never began",
        ),
        (
            {"workload": {"w": {"latency": {"p99": {"at_most": "30ns"}}}}},
            {"workload": {"w": {"latency": {"max": {"at_most": "1ms"}}}}},
            "latency max of w: expected at most 1 ms, found 50 ms",
        ),
        (
            {"operation": [{"operation": "xor", "count": 7}]},
            {"operation": [{"operation": "xor", "count": 12}]},
            "operations xor on any channel: expected 12, found 7",
        ),
        (
            {"operation": [{"operation": "xor", "on": "software", "count": 5}]},
            {"operation": [{"operation": "pq", "on": "dma0chan0", "count": 1}]},
            "operations pq on dma0chan0: expected 1, found 0",
        ),
    ],
)
def test_what_a_scenario_asks_for(judged, met, unmet, failure):
    assert judged(met) == []
    assert judged(unmet) == [failure]


def test_a_sync_that_never_was_has_no_time(judged):
    expected = {"sync": {"repair": {"time": {"at_most": "1s"}}}}
    (failure,) = judged(expected)
    assert failure == "time of repair: expected at most 1 s, found nothing of the kind"


def test_a_fault_that_never_fired_fails_the_run_unless_it_may(judged):
    never = _found(faults={"disk1.late": 0})
    assert judged({}, never) == ["fault disk1.late: expected to fire, found it never did"]
    assert judged({}, never, may_not_fire=True) == []


def test_a_loss_has_to_be_exactly_the_one_that_was_expected(judged):
    lost = _found(lost=[(4096, 8192)])
    halves = [{"offset": 8192, "length": 4096}, {"offset": 4096, "length": 4096}]
    assert judged({"lost": halves}, lost) == []
    assert judged({}, lost) == ["data lost: expected none, found 8192 bytes at 4096+8192"]
    assert len(judged({"lost": halves[:1]}, lost)) == 1
    assert len(judged({"lost": halves})) == 1


def test_wrong_data_are_a_failure_unless_a_forced_assembly_warned_of_exactly_them(judged):
    damaged = {"damaged": [{"offset": 512, "length": 512}]}
    wrong = {"wrong": [(512, 512)]}
    assert judged({}, _found(**wrong)) == [
        "data damaged: expected none, found 512 bytes at 512+512"
    ]
    assert judged(damaged, _found(**wrong, risks=["write hole"])) == []
    (failure,) = judged(damaged, _found(**wrong))
    assert failure == "data damaged: expected a warning when it was assembled by force, found none"
    (failure,) = judged(damaged, _found(wrong=[(0, 512)], risks=["write hole"]))
    assert failure == "data damaged: expected 512 bytes at 512+512, found 512 bytes at 0+512"


def test_a_workload_that_read_wrong_data_fails_the_run(judged):
    read = _found(workloads={"w": {**WORKLOAD, "wrong_sectors": [1]}})
    assert judged({}, read) == [
        "workload w: expected to read what was written, found 512 bytes at 512+512 wrong"
    ]
    known = _found(
        workloads={"w": {**WORKLOAD, "wrong_sectors": [1]}}, wrong=[(512, 512)], risks=["hole"]
    )
    assert judged({"damaged": [{"offset": 512, "length": 512}]}, known) == []


def test_errors_of_workloads_have_to_be_expected(judged):
    failing = _found(workloads={"w": {**WORKLOAD, "errors": 2}})
    assert judged({}, failing) == ["workload w: expected no errors, found 2 errors"]
    assert judged({"workload": {"w": {"errors": 2}}}, failing) == []


def test_parity_that_does_not_fit_has_to_be_expected(judged):
    unlike = _found(parity_mismatches=3)
    assert judged({}, unlike) == ["parity mismatches: expected 0, found 3"]
    assert judged({"parity_mismatches": 3}, unlike) == []


def test_an_early_end_has_to_be_the_one_that_was_expected(judged):
    ended = _found(error="QuiesceError: nothing came")
    assert judged({"error": "QuiesceError"}, ended) == []
    (failure,) = judged({}, ended)
    assert failure == "the end of the run: expected no error, found QuiesceError: nothing came"
    assert len(judged({"error": "other"}, ended)) == 1
    assert judged({"error": "QuiesceError"}) == [
        "the end of the run: expected QuiesceError, found no error"
    ]
