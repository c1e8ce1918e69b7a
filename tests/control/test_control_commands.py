"""Commands on an array that a server runs act there, and say what they say without a server."""

import difflib
import json
import re
import socket
import subprocess
import sys

import pytest

CREATE = "create {} --level 6 --raid-devices 5 --size 3M --chunk 64K"

# What is said of each is the same with a server and without.
TRANSCRIPT = """
write A data --offset 777
read A --offset 700 --length 4K --output part
read A --output all
read A --offset 1G --length 1 --output part
write A data --offset 6291000
detail A
detail A --brief
detail A --export
mdstat A
get A level sync_action
get A nonsense
set A stripe_cache_size 512
set A level raid6
check A
check A --json
repair A
repair A --locate --list
rebuild A
fail A 7
fail A disk1.img
fail A 1
detail A --json
mdstat A
check A
remove A 0
remove A disk1.img
remove A disk1.img
rebuild A
add A A/disk0.img
re-add A A/disk0.img
re-add A nowhere.img
replace A 0
replace A 1
replace A 0 0
set A frozen 1
set A suspend_hi 8192
write A data
set A suspend_hi 0
write A data
get A degraded raid_disks rd0 rd1 mismatch_cnt
""".strip().splitlines()


@pytest.fixture
def twins(cli, tmp_path, served):
    """Two arrays alike, of which the second is served."""
    (tmp_path / "data").write_bytes(bytes(range(256)) * 700)
    for name in ("alpha", "omega"):
        assert cli(CREATE.format(name)).status == 0
    served(tmp_path / "omega")
    return "alpha", "omega"


# An array that runs on has other times and counts of events, and may not be clean yet.
PASSING = re.compile(
    r"(?<=Update Time : ).*|(?<=Events : ).*|(?<=State : )(clean|active)"
    r"|(?<=\"update_time\": )\d+|(?<=\"events\": )\d+|(?<=\"state\": \")(clean|active)(?=[,\"])"
)


def normal(text, name, facts):
    """What a command printed, without what two arrays never have in common."""
    for fact in facts[name]:
        text = text.replace(fact, "*")
    return PASSING.sub("*", text.replace(name, "A"))


def identity(cli, name):
    """What is the array's own: its UUID and its name."""
    facts = json.loads(cli(f"detail {name} --json").out)
    return [facts["uuid"], facts["name"]]


def test_every_command_says_what_it_says_without_a_server(cli, twins, tmp_path):
    facts = {name: identity(cli, name) for name in twins}
    for line in TRANSCRIPT:
        told = []
        for name in twins:
            outcome = cli(line.replace("A", name))
            said = [normal(text, name, facts) for text in (outcome.out, outcome.err)]
            told.append(f"{outcome.status}\n{said[0]}\n{said[1]}")
            if "--output" in line and not outcome.status:
                told[-1] += (tmp_path / line.split()[-1]).read_bytes().hex()
        assert told[0] == told[1], "\n".join(
            [line, *difflib.unified_diff(*(text.splitlines() for text in told))]
        )


def test_recovery_begins_by_itself_and_rebuild_waits_for_it(done, twins, tmp_path):
    _, name = twins
    done(f"write {name} data")
    done(f"set {name} sync_speed_max 1000")  # so that it is not done before somebody waits for it
    assert done(f"fail {name} 1") == f"{name}: set 1 faulty\n"
    assert done(f"add {name} new.img") == f"{name}: added new.img\n"
    assert done(f"rebuild {name}") == f"{name}: recovery done\n"
    done(f"set {name} sync_speed_max system")
    assert done(f"rebuild {name}") == f"{name}: nothing to rebuild\n"
    done(f"read {name} --length 179200 --output back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "data").read_bytes()
    assert "mismatch_cnt 0 sectors" in done(f"check {name}")


def test_what_was_done_there_outlives_the_server(done, tmp_path, make_array, served):
    make_array(tmp_path / "a")
    array = served(tmp_path / "a")
    done("set a sync_speed_max 50000")
    done("fail a 0")
    array.stop()
    assert done("get a degraded sync_speed_max") == "degraded: 1\nsync_speed_max: 50000 (local)\n"
    assert not (tmp_path / "a" / "control.sock").exists()
    assert done("detail a").count("removed") == 1


def test_a_mismatch_list_comes_over_whole(cli, twins, tmp_path):
    told = []
    for name in twins:
        assert cli(f"write {name} data").status == 0
        with (tmp_path / name / "disk2.img").open("r+b") as image:
            image.seek(2 << 20)  # its data begin 1 MiB from the start
            image.write(b"rot" * 3000)
        outcome = cli(f"check {name} --list --json")
        assert outcome.status == 1
        told.append(json.loads(outcome.out.replace(name, "A")))
    assert told[0] == told[1]
    assert told[0]["mismatches"]


def test_without_its_server_a_socket_is_nothing(done, tmp_path, make_array):
    make_array(tmp_path / "a")
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(tmp_path / "a" / "control.sock"))
    assert done("fail a 0") == "a: set 0 faulty\n"


def test_arrays_on_long_paths_are_served_too(done, tmp_path, make_array, served):
    path = tmp_path / ("x" * 100) / "a"
    make_array(path)
    served(path)
    assert done(f"fail {path} 0") == f"{path}: set 0 faulty\n"


def test_who_only_looks_at_a_served_array_does_without_what_runs_one(twins, done):
    code = (
        "import sys; from raidsim.cli import run; assert run(['detail', sys.argv[1]]) == 0\n"
        "sys.exit(any(name in sys.modules for name in ('numpy', 'asyncio', 'raidsim.md.mddev')))"
    )
    looked = subprocess.run(
        [sys.executable, "-c", code, twins[1]], check=True, capture_output=True, text=True
    )
    assert looked.stdout == done(f"detail {twins[1]}")
