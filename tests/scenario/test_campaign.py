"""Campaigns keep to their budget, find what is wrong, make it small, and can be gone on with."""

import json
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from raidsim.cli import campaign, run
from raidsim.errors import RaidsimError, UsageError
from raidsim.md.raid5 import ops
from raidsim.scenario import load_scenario, make_scenario, run_scenario
from raidsim.scenario.campaign import (
    BEYOND,
    MODES,
    WITHIN,
    Results,
    Trial,
    draw,
    play,
    run_campaign,
    run_trial,
    shrink,
    toml_text,
)

FOUND = sorted((Path(__file__).parent / "found").glob("*.toml"))


def damage(table):
    """The most members of any stripe that may not hold what they should, and what it can bear."""
    slots = [f"disk{slot}" for slot in range(table["array"]["raid_devices"])]
    doubtful = {event["fail"]["disk"] for event in table["event"] if "fail" in event}
    latent = {}
    for name, disk in table["disks"].items():
        if name not in slots:
            continue
        for fault in disk["faults"]:
            if fault["kind"] == "read-fixable" and "count" not in fault:
                latent[name] = {
                    unit for s, n in fault["sectors"] for unit in {s >> 3, s + n - 1 >> 3}
                }
            elif fault["kind"] != "slow":
                doubtful.add(name)
    units = [unit for bad in latent.values() for unit in bad]
    return len(doubtful) + max(map(units.count, units), default=0), 1 + (
        table["array"]["level"] == 6
    )


@pytest.mark.parametrize("mode", MODES)
def test_what_is_drawn_is_a_scenario_and_follows_from_the_seed(mode):
    for seed in range(40):
        table = draw(seed, mode)
        assert table == draw(seed, mode)
        make_scenario(table)
    assert draw(0, mode)["array"] != draw(1, mode)["array"]


def test_within_the_budget_no_stripe_has_more_damage_than_it_can_bear():
    found = [damage(draw(seed, WITHIN)) for seed in range(400)]
    assert all(most <= parities for most, parities in found)
    assert sum(most == parities for most, parities in found) > 100


def test_beyond_the_budget_some_have():
    assert (
        sum(most > parities for most, parities in (damage(draw(s, BEYOND)) for s in range(200)))
        > 60
    )


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_what_a_campaign_once_found_is_right_now(path):
    assert [
        str(failure) for failure in run_scenario(load_scenario(path), sanitize=True).failures
    ] == []


@pytest.mark.parametrize("mode", MODES)
def test_a_campaign_passes_and_gives_its_trials_in_order(mode):
    with ThreadPoolExecutor(1) as executor:
        trials = list(run_campaign(range(10, 14), mode, executor))
    assert [trial.seed for trial in trials] == list(range(10, 14))
    assert [trial.failures for trial in trials] == [[]] * 4
    assert sum(trial.faults_fired for trial in trials) > 0
    assert run_trial(10, mode) == trials[0]


def test_a_bug_is_found_and_made_small(monkeypatch, tmp_path):
    monkeypatch.setattr(ops, "ops_run_prexor5", lambda conf, sh, tx: tx)  # noqa: ARG005  the old data stay in P
    trial = next(t for t in (run_trial(seed, WITHIN) for seed in range(30)) if t.failures)
    table, failures = shrink(draw(trial.seed, WITHIN), trial.failures)
    assert play(table)[0] == failures
    assert len(table["workload"]) == 1
    assert not table["event"]
    assert not table["engine"]
    path = tmp_path / "small.toml"
    path.write_text(toml_text(table))
    assert tomllib.loads(path.read_text()) == table
    assert load_scenario(path).title == f"campaign, within budget, seed {trial.seed}"


def test_what_breaks_off_is_a_failure_too(monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(ops, "ops_run_biodrain", broken)
    assert any("broke off: ZeroDivisionError: planted" in f for f in run_trial(1, WITHIN).failures)


def test_results_are_kept_and_gone_on_with(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    line = ["campaign", "--jobs", "1", "--results", "r.jsonl"]
    assert run([*line, "--runs", "2"]) == 0
    first = (tmp_path / "r.jsonl").read_text()
    (tmp_path / "r.jsonl").write_text(first + '{"seed": 2, "mo')  # killed while it wrote
    assert run([*line, "--runs", "3", "--json"]) == 0
    second = (tmp_path / "r.jsonl").read_text()
    assert second.startswith(first)
    assert [json.loads(it)["seed"] for it in second.splitlines()] == [0, 1, 2]
    out = capsys.readouterr().out
    assert out.startswith("2 runs within the budget, in ")
    assert [trial["seed"] for trial in json.loads(out[out.index("\n") :])] == [0, 1, 2]


@pytest.mark.parametrize("notes", ["milk\nbread\n", "milk\nbread", "milk", '{"a": 1}\n{"seed'])
def test_a_file_that_has_no_results_is_left_alone(tmp_path, notes):
    path = tmp_path / "notes"
    path.write_text(notes)
    with pytest.raises(UsageError, match="line 1 is no result of a campaign"):
        Results(path)
    assert path.read_text() == notes


def test_results_that_cannot_be_written_are_named(tmp_path):
    results = Results(tmp_path / "none" / "r.jsonl")
    trial = Trial(seed=0, mode=WITHIN, failures=[], elapsed_ns=0, faults_fired=0, requests=0)
    with pytest.raises(RaidsimError, match=r"r\.jsonl: cannot be written: No such file"):
        results.add(trial)


def test_results_that_cannot_be_read_are_named_once(tmp_path):
    with pytest.raises(UsageError, match=r"[^:]+: cannot be read: Is a directory$"):
        Results(tmp_path)


def test_a_failure_is_told_with_the_command_that_replays_it(tmp_path, monkeypatch, capsys):
    # Processes that are forked have the bug as well.
    monkeypatch.setattr(ops, "ops_run_prexor5", lambda conf, sh, tx: tx)  # noqa: ARG005  as above
    monkeypatch.setattr(campaign, "shrink", lambda table, failures: (table, failures))
    assert run(["campaign", "--runs", "30", "--failures", "1", "--output", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    (path,) = tmp_path.glob("campaign-within-*.toml")
    seed = path.stem.rpartition("-")[2]
    assert f"replay: raidsim campaign --mode within --seed {seed} --runs 1" in out
    assert f"made small: {path}" in out
    assert out.splitlines()[-1].endswith("1 failed")
    assert path.read_text().startswith("# ")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_campaign_runs_on_a_dask_cluster(capsys):
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 1, "processes": False, "protocol": "tcp://", "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        assert run(["campaign", "--runs", "4", "--scheduler", cluster.scheduler_address]) == 0
    assert capsys.readouterr().out.startswith("4 runs within the budget")


def test_a_scheduler_that_is_not_there_is_named(capsys):
    pytest.importorskip("distributed")
    assert run(["campaign", "--scheduler", "nonsense://x"]) == 2
    assert "no Dask scheduler there" in capsys.readouterr().err
