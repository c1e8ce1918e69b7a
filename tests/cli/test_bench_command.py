"""`raidsim bench` runs jobs and traces of others, and refuses what it can not run in one line."""

import json

import pytest


@pytest.fixture
def bench(cli, done):
    done("create arr --level 5 --raid-devices 3 --size 4M")
    return lambda line: cli(f"bench arr {line}")


def test_a_job_file_runs(bench, tmp_path):
    (tmp_path / "a.fio").write_text("[a]\nrw=randrw\nsize=1m\nnumjobs=2\n[b]\nstonewall\nrw=read\n")
    outcome = bench("--fio-job a.fio --json")
    assert (outcome.status, outcome.err) == (0, "")
    found = json.loads(outcome.out)
    assert found["wrong_sectors"] == 0
    assert [workload["name"] for workload in found["workloads"]] == ["a", "a", "b"]
    first = found["workloads"][0]
    assert first["reads"]["bytes"] + first["writes"]["bytes"] == 1 << 20


def test_columns_are_as_wide_as_the_names_of_jobs(bench, tmp_path):
    name = "the-nightly-dump-of-everything"
    (tmp_path / "a.fio").write_text(f"[a]\nrw=read\n[{name}]\nrw=read\n")
    lines = bench("--fio-job a.fio").out.splitlines()
    assert [line.split()[0] for line in lines] == ["workload", "a", name]
    assert len({len(line) for line in lines}) == 1


def test_a_trace_is_replayed(bench, tmp_path):
    (tmp_path / "a.csv").write_text("0,h,0,Write,0,4096,0\n9,h,0,Read,0,4096,0\n")
    found = json.loads(bench("--trace a.csv --json").out)
    assert found["workloads"][0]["reads"]["bytes"] == 4096
    assert found["workloads"][0]["writes"]["bytes"] == 4096


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("read --trace a.csv", "exclude each other"),
        ("--trace none.csv", "none.csv: No such file"),
        ("--trace a.csv", "a.csv: line 2: 'what': expected time,host"),
        ("--fio-job slow.fio", "run it in a scenario"),
        ("--fio-job wrong.fio", "[a] iodeph: unknown; did you mean 'iodepth'?"),
        ("--fio-job far.fio", "does not fit an array of"),
    ],
)
def test_what_can_not_run_is_refused(bench, tmp_path, line, message):
    (tmp_path / "a.csv").write_text("0,h,0,Write,0,4096,0\nwhat\n")
    (tmp_path / "slow.fio").write_text("[a]\nrw=read\nrate_iops=5\n")
    (tmp_path / "wrong.fio").write_text("[a]\nrw=read\niodeph=5\n")
    (tmp_path / "far.fio").write_text("[a]\nrw=read\nsize=1g\n")
    outcome = bench(line)
    assert outcome.status == 2
    assert message in outcome.err
    assert outcome.err.count("\n") <= 2
