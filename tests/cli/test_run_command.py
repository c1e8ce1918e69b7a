"""``raidsim run`` and ``raidsim scenario``."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

PASSES = """\
schema = 1
title = "a spare takes its place"
[array]
level = 5
raid_devices = 3
spare_devices = 1
size = "2MiB"
[[workload]]
name = "w"
rw = "randrw"
block = "4KiB"
requests = 20
[[event]]
at = "1ms"
fail.disk = 1
[expect]
members = { disk1 = "faulty", disk3 = "in_sync" }
"""
FAILS = PASSES.replace('disk3 = "in_sync"', 'disk3 = "spare"')


@pytest.fixture
def scenario(tmp_path):
    """Write a scenario file in the current directory."""

    def write(text=PASSES, name="s.toml"):
        (tmp_path / name).write_text(text)
        return name

    return write


def test_one_run_shows_what_happened_and_a_summary(done, scenario):
    lines = done(f"run {scenario()}").splitlines()
    assert lines[1].split() == ["0.001000000", "event", "event[0]", "fail", "disk", "1"]
    assert "     members  in sync: disk0, disk2, disk3; faulty: disk1" in lines
    assert lines[-1] == "a spare takes its place: passed (201 ms, seed 0)"


def test_what_was_not_met_is_named_and_is_exit_status_1(cli, scenario):
    outcome = cli(f"run {scenario(FAILS)}")
    assert (outcome.status, outcome.err) == (1, "")
    assert outcome.out.endswith("seed 0)\n  disk disk3: expected spare, found in_sync\n")


def test_of_several_runs_there_is_a_line_each_and_how_to_repeat_one(cli, scenario):
    good, bad = scenario(), scenario(FAILS, "bad.toml")
    outcome = cli(f"run {good} {bad} --seed 7 --repeat 2")
    assert outcome.status == 1
    lines = outcome.out.splitlines()
    assert [line.split()[0] for line in lines] == 2 * ["passed"] + 2 * ["FAILED", "disk", "replay:"]
    assert lines[1].endswith(" s  seed 8  s.toml")
    assert lines[-1].strip() == "replay: raidsim run bad.toml --seed 8"


def test_json_has_a_table_for_each_run(cli, scenario):
    outcome = cli(f"run {scenario(FAILS)} --seed 3 --repeat 2 --json")
    first, second = json.loads(outcome.out)
    assert outcome.status == 1
    assert (first["file"], first["seed"], second["seed"]) == ("s.toml", 3, 4)
    assert first["failures"] == [{"what": "disk disk3", "expected": "spare", "found": "in_sync"}]
    assert not first["passed"]
    assert first["workloads"]["w"]["requests"] == 20
    assert first["members"]["disk1"] == "faulty"


def test_a_file_that_is_wrong_is_exit_status_2_and_nothing_is_run(refused, scenario):
    good = scenario()
    bad = scenario(PASSES.replace("level", "levle"), "bad.toml")
    complaint = refused(f"run {good} {bad}", status=2)
    assert complaint.splitlines()[0] == "bad.toml: array.level: is missing"


def test_an_array_that_is_kept_can_be_looked_at(done, scenario, tmp_path):
    done(f"run {scenario()} --keep kept")
    assert "State : clean" in done("detail kept/array")
    assert done("check kept/array") == "kept/array: check done, mismatch_cnt 0 sectors\n"
    assert sorted(path.name for path in (tmp_path / "kept" / "array").iterdir()) == [
        "array.json",
        "disk0.img",
        "disk1.img",
        "disk2.img",
        "disk3.img",
    ]


def test_where_an_array_is_kept_already_none_is_made(done, refused, scenario):
    done(f"run {scenario()} --keep kept")
    assert "is there already" in refused("run s.toml --keep kept", status=1)


def test_verbose_prints_a_line_for_everything(done, scenario):
    brief, verbose = done(f"run {scenario()}"), done("run s.toml -v")
    assert len(verbose.splitlines()) > 5 * len(brief.splitlines())
    assert {line.split()[1] for line in verbose.splitlines() if line.startswith("     0.")} >= {
        "bio",
        "disk",
        "event",
        "stripe",
    }


def test_a_trace_is_json(done, scenario, tmp_path):
    done(f"run {scenario()} --trace trace.json")
    assert json.loads((tmp_path / "trace.json").read_text())


def test_some_options_are_for_one_run_alone(refused, scenario):
    for option in ("--keep kept", "--trace t.json", "-v"):
        assert "for one run alone" in refused(f"run {scenario()} --repeat 2 {option}", status=2)


def test_check_tells_of_good_files_and_every_mistake_of_bad_ones(done, cli, scenario):
    assert done(f"scenario check {scenario()}") == "s.toml: all right\n"
    bad = scenario(PASSES.replace("level", "levle").replace("disk = 1", "disk = 9"), "bad.toml")
    outcome = cli(f"scenario check s.toml {bad}")
    known = "0, 1, 2, disk0, disk1, disk2, disk3"
    assert (outcome.status, outcome.out) == (2, "s.toml: all right\n")
    assert [line.removeprefix("raidsim: ") for line in outcome.err.splitlines()] == [
        "bad.toml: array.level: is missing",
        "bad.toml: array.levle: unknown key: did you mean 'level'?",
        f"bad.toml: event[0].fail.disk = 9: no such disk: choose from {known}",
    ]


def test_explain_says_it_in_words(done, scenario):
    text = done(f"scenario explain {scenario()}")
    assert "A RAID5 of 3 members and 1 spare of 2 MiB each, chunks of 64 KiB." in text
    assert "The workload w: randrw in blocks of 4 KiB, for 20 requests." in text
    assert "  1. At 1 ms: fail disk 1." in text
    assert "  - members.disk3: in_sync" in text


def test_the_schema_knows_the_keys(done):
    schema = json.loads(done("scenario schema"))
    assert schema["required"] == ["schema", "title", "array"]
    assert "spare_devices" in schema["$defs"]["ArrayTable"]["properties"]
    faults = schema["$defs"]["DiskTable"]["properties"]["faults"]["items"]["anyOf"]
    slow = next(one for one in faults if one["properties"]["kind"] == {"const": "slow"})
    assert {"delay", "delay_ns", "may_not_fire", "sectors"} <= slow["properties"].keys()
    assert schema["properties"]["title"]["description"] == "One line."


@pytest.mark.oracle
def test_mdadm_reads_the_images_that_are_kept(done, scenario, tmp_path):
    mdadm = shutil.which("mdadm", path="/sbin:/usr/sbin:/bin:/usr/bin")
    if mdadm is None:
        pytest.skip("mdadm is not installed")
    done(f"run {scenario()} --keep kept")
    image = tmp_path / "kept" / "array" / "disk3.img"
    shown = subprocess.run([mdadm, "--examine", image], capture_output=True, text=True, check=True)
    assert "Raid Level : raid5" in shown.stdout
    assert "Device Role : Active device 1" in shown.stdout
    assert "Name : raidsim:array" in shown.stdout
    assert "Checksum" in shown.stdout
    assert "expected" not in shown.stdout
