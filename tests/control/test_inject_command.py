"""``raidsim inject``: faults of a served array come, strike, are counted, and go."""

import json

import pytest


@pytest.fixture
def array(tmp_path, make_array, served, cli):  # noqa: ARG001  cli changes the directory
    make_array(tmp_path / "a")
    return served(tmp_path / "a", engines=("iop13xx",))


def test_a_fault_comes_strikes_and_goes(array, done):
    assert done("inject a") == "a: no faults\n"
    assert done("write a " + __file__)
    added = done("inject a add 1 read-fixable sectors=[[2048,8]] count=1")
    assert added == "a: fault 1: read-fixable on 1\n"
    done("read a --length 64K --output /dev/null")
    assert done("inject a") == (
        "fault  target     kind          is  struck  rule\n"
        "1      disk1.img  read-fixable  on  4       sectors=[[2048, 8]] count=1\n"
    )
    assert array.call(lambda a: a.mddev.personality.conf.disks[1].corrected_errors) == 8
    assert done("inject a off 1") == "a: fault 1: off\n"
    assert json.loads(done("inject a --json"))[0]["enabled"] is False
    assert done("inject a on 1") == "a: fault 1: on\n"
    assert done("inject a remove 1") == "a: fault 1: removed\n"
    assert done("inject a") == "a: no faults\n"


@pytest.mark.usefixtures("array")
def test_a_disk_that_dies_is_failed_by_md(done):
    done("inject a add disk3.img fail-stop")
    done("write a " + __file__)
    assert "disk3.img[3](F)" in done("mdstat a")


@pytest.mark.usefixtures("array")
def test_a_disk_that_hangs_holds_up_superblocks_until_it_is_let_go(cli, done):
    done("""inject a add 3 hang "operations=['write']" """)
    outcome = cli("fail a 1")
    assert (outcome.status, outcome.out) == (1, "")
    assert "a member does not answer; what was done is not written down yet" in outcome.err
    assert "disk1.img[1](F)" in done("mdstat a")
    done("inject a remove 1")
    done("remove a disk1.img")
    assert "disk1.img" not in done("mdstat a")
    assert (
        done("rebuild a")
        == "a: nothing to rebuild; 1 member is missing: add one with `raidsim add`\n"
    )


@pytest.mark.usefixtures("array")
def test_engines_go_wrong_too(done):
    done("inject a add dma2chan0 corrupts count=1")
    done("write a " + __file__)
    (fault,) = json.loads(done("inject a --json"))
    assert (fault["target"], fault["fired"]) == ("dma2chan0", 1)


@pytest.mark.usefixtures("array")
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("add 9 slow", "9: no such disk"),
        ("add dma9chan9 slow", "; channels: dma0chan0, "),
        ("add 0 slow delay_ns=1979-05-27", "delay_ns = '1979-05-27': expected a whole number"),
        ("add 0 slwo", "did you mean 'slow'?"),
        ("add 0 slow delay_ns=-1", "delay_ns = -1: at least 1"),
        ("add 0 slow delay", "delay: write KEY=VALUE"),
        ("add 0", "name a TARGET and a KIND"),
        ("off", "name a FAULT by its number"),
        ("remove 5", "there is no fault 5"),
        ("remove x", "name a FAULT by its number"),
        ("list x", "unexpected extra arguments"),
    ],
)
def test_what_makes_no_sense_is_refused(cli, line, message):
    outcome = cli(f"inject a {line}")
    assert outcome.status == 2
    assert message in outcome.err


def test_an_array_without_a_server_has_none(cli, tmp_path, make_array):
    make_array(tmp_path / "b")
    outcome = cli("inject b")
    assert (outcome.status, outcome.out) == (2, "")
    assert "no server has it; `raidsim serve b` runs one" in outcome.err
