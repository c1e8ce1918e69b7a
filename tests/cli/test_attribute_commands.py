from __future__ import annotations

import json
import os
import signal

import pytest

from raidsim.md.raid5.personality import Raid5

SMALL = "--size 4M --chunk 64K"


@pytest.fixture
def arr(done):
    done(f"create arr --level 6 --raid-devices 4 {SMALL}")


@pytest.fixture
def spoilt(done, tmp_path):
    """One sector of a data block is wrong, 1024 sectors from the members' start."""
    done(f"create arr --level 6 --raid-devices 4 {SMALL}")
    with (tmp_path / "arr/disk2.img").open("r+b") as image:
        image.seek((2048 + 1024) * 512)
        image.write(b"x" * 512)


@pytest.mark.usefixtures("arr")
def test_get_prints_one_value_bare_and_several_with_their_names(done):
    assert done("get arr sync_max") == "max\n"
    assert done("get arr sync_max rd1") == "sync_max: max\nrd1: dev-disk1.img\n"
    lines = done("get arr").splitlines()
    assert "level: raid6" in lines
    assert "dev-disk0.img/state: in_sync" in lines


@pytest.mark.usefixtures("arr")
def test_get_prints_json(done):
    assert json.loads(done("get arr level layout --json")) == {"level": "raid6", "layout": "2"}


@pytest.mark.usefixtures("arr")
def test_what_was_set_is_kept(done):
    for name, value in [
        ("sync_speed_min", "500 (local)"),
        ("rmw_level", "2"),
        ("stripe_cache_size", "300"),
        ("preread_bypass_threshold", "299"),
        ("sync_max", "128"),
        ("sync_min", "64"),
        ("safe_mode_delay", "5.000"),
        ("array_size", "100"),
        ("suspend_hi", "8"),
        ("fail_last_dev", "1"),
    ]:
        assert done(f"set arr {name} {value.split()[0]}") == ""
        assert done(f"get arr {name}") == f"{value}\n"
    assert done("get arr sync_max sync_min stripe_cache_size preread_bypass_threshold") == (
        "sync_max: 128\nsync_min: 64\nstripe_cache_size: 300\npreread_bypass_threshold: 299\n"
    )


@pytest.mark.usefixtures("arr")
def test_bad_blocks_that_were_set_are_in_the_members_log(done):
    done("set arr dev-disk1.img/bad_blocks '3000 8'")
    assert done("get arr dev-disk1.img/bad_blocks") == "3000 8\n"
    assert "3000 for 8 sectors" in done("examine --badblocks arr/disk1.img")


@pytest.mark.usefixtures("spoilt")
def test_a_check_by_attribute_is_a_check(cli, done):
    found = cli("set arr sync_action check")
    assert (found.status, found.out) == (1, "arr: check done, mismatch_cnt 8 sectors\n")
    assert done("get arr mismatch_cnt last_sync_action sync_action") == (
        "mismatch_cnt: 8\nlast_sync_action: check\nsync_action: idle\n"
    )


@pytest.mark.usefixtures("spoilt")
def test_part_of_an_array_is_checked(cli, done):
    done("set arr sync_max 512")
    assert done("check arr") == (
        "arr: check paused at sync_max, 512 of 6144 sectors, mismatch_cnt 0 sectors\n"
    )
    assert done("get arr sync_min") == "512\n"
    done("set arr sync_max 1536")
    assert cli("check arr").out.startswith(
        "arr: check paused at sync_max, 1536 of 6144 sectors, mismatch_cnt 8 sectors"
    )
    done("set arr sync_max max")
    assert done("repair arr") == "arr: repair done, mismatch_cnt 0 sectors\n"
    assert done("get arr sync_min") == "0\n"


@pytest.mark.usefixtures("arr")
def test_frozen_nothing_is_rebuilt_until_it_is_idle(cli, done, refused):
    done("set arr sync_action frozen")
    cli("fail arr 1")
    done("remove arr disk1.img")
    done("add arr new.img")
    assert refused("rebuild arr", status=1) == (
        "arr: sync_action is frozen; `raidsim set arr sync_action idle` lets the array rebuild"
    )
    assert "recovery is pending" in done("set arr sync_action idle")
    assert done("rebuild arr") == "arr: recovery done\n"


@pytest.mark.usefixtures("arr")
def test_recover_and_resync_run_what_is_pending(cli, done):
    cli("fail arr 1")
    done("add arr new.img")
    done("set arr sync_action frozen")
    assert done("set arr sync_action recover") == "arr: recovery done\n"
    assert done("set arr sync_action resync") == ""


@pytest.mark.usefixtures("arr")
def test_readonly_and_back(done, refused):
    done("set arr array_state readonly")
    assert done("get arr array_state") == "readonly\n"
    assert "the array is read-only" in refused("repair arr", status=1)
    assert "(read-only)" in done("mdstat arr")
    done("set arr array_state active")
    assert done("get arr array_state") == "clean\n"
    assert done("repair arr") == "arr: repair done, mismatch_cnt 0 sectors\n"


@pytest.mark.usefixtures("arr")
def test_a_member_is_failed_and_removed_by_its_state(cli, done, refused):
    assert "is in use" in refused("set arr dev-disk1.img/state remove", status=1)
    assert cli("set arr dev-disk1.img/state faulty").status == 0
    assert done("get arr dev-disk1.img/state degraded") == (
        "dev-disk1.img/state: faulty\ndegraded: 1\n"
    )
    done("set arr dev-disk1.img/state remove")
    assert "dev-disk1.img" not in done("get arr")


@pytest.mark.usefixtures("arr")
@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        ("get arr sync_mix", 2, "sync_mix: md has no such attribute; did you mean sync_min?"),
        ("set arr sync_mix 1", 2, "sync_mix: md has no such attribute; did you mean sync_min?"),
        ("set arr rmw_level 3", 2, "rmw_level: takes 0, 1 or 2; not '3'"),
        ("set arr sync_min -8", 2, "sync_min: takes a sector of the members up to sync_max;"),
        ("set arr level raid5", 1, "level: can only be read; reshape is not supported yet"),
        ("set arr skip_copy 1", 1, "skip_copy: means nothing here: data are always copied"),
        ("get arr group_thread_cnt", 1, "group_thread_cnt: means nothing here"),
        ("set arr resync_start 0", 1, "resync_start: can only be written while sync_action is"),
        ("set arr dev-disk9.img/state faulty", 2, "dev-disk9.img/state: md has no such"),
        ("set arr array_state inactive", 2, "array_state: takes clean, active or readonly"),
    ],
)
def test_refusals_name_the_attribute_and_the_reason(refused, command, status, message):
    assert refused(command, status=status).startswith(message)


@pytest.mark.usefixtures("arr")
def test_a_suspended_write_is_refused_instead_of_waiting_for_ever(done, refused, tmp_path):
    (tmp_path / "bytes").write_bytes(b"x" * 4096)
    done("set arr suspend_hi 8")
    assert refused("write arr bytes", status=1) == (
        "arr: writes to sectors 0 to 8 are suspended; `raidsim set arr suspend_hi 0` lets them go"
        " on"
    )
    done("write arr bytes --offset 4096")
    done("set arr suspend_hi 0")
    done("write arr bytes")


@pytest.mark.usefixtures("arr")
@pytest.mark.parametrize("settings", ['{"rmw_level": "2"}', '{"xyzzy": 1}', "3", '{"frozen": 1}'])
def test_settings_that_make_no_sense_are_told_as_damage(refused, settings, tmp_path):
    file = tmp_path / "arr/array.json"
    values = json.loads(file.read_text()) | {"settings": json.loads(settings)}
    file.write_text(json.dumps(values))
    assert "damaged" in refused("get arr level", status=1)


@pytest.mark.usefixtures("arr")
def test_an_array_of_before_there_were_settings_opens(done, tmp_path):
    file = tmp_path / "arr/array.json"
    values = json.loads(file.read_text())
    del values["settings"]
    file.write_text(json.dumps(values))
    assert done("get arr sync_max") == "max\n"


@pytest.fixture
def control_c(monkeypatch):
    """Press Ctrl-C when the next sync has got to its third stripe."""
    sync_request = Raid5.sync_request
    calls = 0

    def press(*arguments):
        nonlocal calls
        calls += 1
        if calls == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return sync_request(*arguments)

    monkeypatch.setattr(Raid5, "sync_request", press)


@pytest.mark.usefixtures("arr")
def test_a_rebuild_that_is_stopped_with_control_c_goes_on_where_it_was(cli, done, request):
    cli("fail arr 1")
    done("add arr new.img")
    request.getfixturevalue("control_c")
    stopped = cli("rebuild arr")
    assert stopped.status == 130
    sector = int(stopped.out.split("recovery stopped at ")[1].split()[0])
    assert 0 < sector < 6144
    assert done("get arr dev-new.img/recovery_start") == f"{sector}\n"
    assert done("rebuild arr") == "arr: recovery done\n"


@pytest.mark.usefixtures("arr")
def test_a_check_that_is_stopped_with_control_c_goes_on_at_its_last_checkpoint(cli, done, request):
    request.getfixturevalue("control_c")
    stopped = cli("check arr")
    assert stopped.status == 130
    assert "check stopped at " in stopped.out
    assert done("detail arr --json").count('"clean"') == 1
    assert done("check arr") == "arr: check done, mismatch_cnt 0 sectors\n"
