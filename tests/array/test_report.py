"""The reports against texts of real mdadm 4.2 and Linux 6.1 (texts/), line for line."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from md_texts import ALL_TEXTS, golden, parse_snapshot

from raidsim.array import MISSING, Array, ArraySpec
from raidsim.array.inspection import inspect_array
from raidsim.array.report import detail_json, detail_lines, mdstat_lines
from raidsim.array.snapshot import SyncSnapshot, take_snapshot
from raidsim.md.layout import parse_layout
from raidsim.md.spares import activate_spares

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def nameless_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(nodename="(none)"))


@pytest.mark.parametrize("name", ALL_TEXTS)
def test_mdstat_is_the_kernels(name):
    mdstat, detail = golden(name)
    assert mdstat_lines([parse_snapshot(mdstat, detail)]) == mdstat


@pytest.mark.usefixtures("nameless_host")
@pytest.mark.parametrize("name", ALL_TEXTS)
def test_detail_is_mdadms(name):
    mdstat, detail = golden(name)
    printed = detail_lines(parse_snapshot(mdstat, detail))
    # The two texts were taken one after the other, so a running sync had got on.
    percent = re.compile(r"\d+% complete")
    assert [percent.sub("%", line) for line in printed] == [
        percent.sub("%", line) for line in detail
    ]


SIZE_SECTORS = 19456 * 2


def _create(tmp_path: Path, level: int, members: str, *, spares: int = 0, **options) -> Array:
    """An array on images named as user-mode-linux's devices; "_" is a missing one."""
    images = []
    for letter in members:
        image = tmp_path / f"ubd{letter}"
        if letter != "_":
            image.touch()
            os.truncate(image, 32 << 20)
        images.append(MISSING if letter == "_" else image)
    spec = ArraySpec(
        level=level,
        raid_disks=len(members) - spares,
        spare_disks=spares,
        layout=parse_layout(level, "default"),
        chunk_sectors=128,
        size_sectors=SIZE_SECTORS,
        name="0",
        **options,
    )
    return Array.create(tmp_path / "md0", spec, images)


def _normal(lines: list[str], tmp_path: Path) -> list[str]:
    text = "\n".join(lines).replace(f"{tmp_path}/md0:", "/dev/md0:")
    text = text.replace(f"{tmp_path}/", "/dev/")
    text = re.sub(r"(Creation Time|Update Time|Name|UUID|Events) : .*", r"\1 :", text)
    return text.splitlines()


def _assert_matches(name: str, array: Array, tmp_path: Path) -> None:
    mdstat, detail = golden(name)
    snapshot = take_snapshot(array)
    assert mdstat_lines([snapshot]) == mdstat
    assert _normal(detail_lines(snapshot), tmp_path) == _normal(detail, tmp_path)


def test_new_clean_array_looks_as_under_md(tmp_path):
    with _create(tmp_path, 6, "abcde", in_sync=True) as array:
        _assert_matches("clean-raid6", array, tmp_path)


def test_array_with_missing_members_looks_as_under_md(tmp_path):
    # Here the given images were a, b and c.
    with _create(tmp_path, 6, "_ab_c", in_sync=True) as array:
        _assert_matches("settled-k6m2", array, tmp_path)


def test_spare_looks_as_under_md(tmp_path):
    with _create(tmp_path, 6, "abcdef", spares=1, in_sync=True) as array:
        _assert_matches("settled-k6x", array, tmp_path)


def test_failed_members_look_as_under_md(tmp_path):
    with _create(tmp_path, 6, "abcde", in_sync=True) as array:
        array.fail("ubdb")
        _assert_matches("faulty-raid6", array, tmp_path)
        array.fail("ubdd")
        _assert_matches("two-faulty-raid6", array, tmp_path)


@pytest.mark.parametrize("name", ["FAILED-raid4", "FAILED-raid6"])
def test_the_failure_that_broke_the_array_keeps_its_slot(name, tmp_path):
    mdstat, detail = golden(name)
    victims = {"FAILED-raid4": "ab", "FAILED-raid6": "bda"}[name]
    level, members = int(name[-1]), "abc" if name[-1] == "4" else "abcde"
    table = detail.index("    Number   Major   Minor   RaidDevice State")
    with _create(tmp_path, level, members, in_sync=True) as array:
        for victim in victims:
            array.fail(f"ubd{victim}")
        running = take_snapshot(array)
    looked_at = inspect_array(tmp_path / "md0")
    for snapshot in (running, looked_at):
        assert mdstat_lines([snapshot])[1] == mdstat[1]
        assert _normal(detail_lines(snapshot)[table:], tmp_path) == detail[table:]


def test_added_member_looks_as_under_md_that_is_kept_from_recovering(tmp_path):
    with _create(tmp_path, 6, "abcde", in_sync=True) as array:
        array.fail("ubdb")
        array.remove("ubdb")
        array.add(tmp_path / "ubdf")
        mdstat, detail = golden("frozen-with-spare-raid6")
        snapshot = take_snapshot(array)
        # The kernel lists members in the order in which they were handed to it.
        assert sorted(mdstat_lines([snapshot])[1].split()) == sorted(mdstat[1].split())
        assert mdstat_lines([snapshot])[2:] == mdstat[2:]
        assert _normal(detail_lines(snapshot), tmp_path) == _normal(detail, tmp_path)


@pytest.mark.parametrize(
    ("name", "level", "members", "spares"),
    [
        ("created-k4", 4, "abcd", 0),
        ("created-k6x", 6, "abcdef", 1),
    ],
)
def test_first_sync_under_way_looks_as_under_md(name, level, members, spares, tmp_path):
    mdstat, detail = golden(name)
    seen = []
    with _create(tmp_path, level, members, spares=spares) as array:
        array.rebuild(lambda *_: seen.append(take_snapshot(array)))
    early = next(snapshot for snapshot in seen if snapshot.sync is not None)
    position = re.compile(r"\[=*>\.*\].*|\d+% complete")  # and the speed: untimed there is none
    ours, theirs = mdstat_lines([early]), mdstat
    assert [position.sub("", line) for line in ours] == [position.sub("", x) for x in theirs]
    ours, theirs = _normal(detail_lines(early), tmp_path), _normal(detail, tmp_path)
    assert [position.sub("", line) for line in ours] == [position.sub("", x) for x in theirs]


def test_pending_resync_is_told_as_the_kernel_tells_it(tmp_path):
    with _create(tmp_path, 6, "abcde") as array:
        snapshot = take_snapshot(array)
    assert "      \tresync=PENDING" in mdstat_lines([snapshot])
    assert "             State : clean, resyncing (PENDING) " in detail_lines(snapshot)


class _StopError(Exception):
    pass


def test_recovery_cut_short_shows_as_under_the_kernel_in_the_members_alone(tmp_path):
    def stop_half_way(_action: str, done: int, total: int) -> None:
        if done > total // 2:
            raise _StopError

    with pytest.raises(_StopError), _create(tmp_path, 5, "abcd") as array:
        array.rebuild(stop_half_way)
    snapshot = inspect_array(tmp_path / "md0")
    assert not [line for line in mdstat_lines([snapshot]) if "recovery" in line]
    assert "             State : clean, degraded " in detail_lines(snapshot)
    assert (detail_json(snapshot)["sync_action"], detail_json(snapshot)["sync_pending"]) == (
        "recovery",
        True,
    )
    assert detail_lines(snapshot)[-1].endswith("spare rebuilding   " + str(tmp_path / "ubdd"))


def test_dirty_degraded_array_is_not_started(tmp_path):
    array = _create(tmp_path, 5, "abcd", in_sync=True)
    array.fail("ubdb")
    array.write(0, bytes(4096))
    array.abandon()
    snapshot = inspect_array(tmp_path / "md0")
    assert snapshot.state == "active, degraded, Not Started"
    room = sum(m.data_sectors for m in snapshot.members if not m.faulty) // 2
    assert mdstat_lines([snapshot])[1:3] == [
        "md0 : inactive ubdd[3] ubdc[2] ubdb[1](F) ubda[0]",
        f"      {room} blocks super 1.2",
    ]


def test_readonly_is_what_it_was_assembled_as_not_how_it_is_looked_at(tmp_path):
    with _create(tmp_path, 5, "abcd", in_sync=True):
        pass
    assert not inspect_array(tmp_path / "md0").readonly
    images = [tmp_path / f"ubd{letter}" for letter in "abcd"]
    with Array.assemble(tmp_path / "md0", images, readonly=True) as array:
        assert take_snapshot(array).readonly


def test_json_tells_what_detail_tells(tmp_path):
    with _create(tmp_path, 6, "abcdef", spares=1, in_sync=True) as array:
        array.fail("3")
        facts = detail_json(take_snapshot(array))
    assert facts["state"] == "clean, degraded"
    assert (facts["active_devices"], facts["spare_devices"], facts["failed_devices"]) == (4, 1, 1)
    assert [member["state"] for member in facts["members"]] == [
        *["active sync"] * 3,
        "faulty",
        "active sync",
        "spare rebuilding",
    ]


def test_a_source_lost_during_a_recovery_is_a_failed_array(tmp_path):
    spec = ArraySpec(level=5, raid_disks=4, layout=2, chunk_sectors=128)
    with Array.create(tmp_path / "md0", spec, image_bytes=4 << 20) as array:
        array.fail("1")
        array.add(tmp_path / "new.img")
        assert activate_spares(array.mddev)
        array.machine.sim.run()
        assert take_snapshot(array).state.startswith("clean, degraded")
        array.fail("2")
        assert array.mddev.broken
        assert take_snapshot(array).state.startswith("clean, FAILED")


def test_pending_resync_is_told_also_where_a_recovery_comes_first(tmp_path):
    with _create(tmp_path, 6, "abcdef", spares=1) as array:
        array.fail("1")
        snapshot = take_snapshot(array)
        assert "      \tresync=PENDING" in mdstat_lines([snapshot])
        assert snapshot.state == "clean, degraded, resyncing (PENDING)"
        assert (detail_json(snapshot)["sync_action"], detail_json(snapshot)["sync_pending"]) == (
            "recovery",
            True,
        )
        assert [report.action for report in array.rebuild()] == ["recover", "resync"]


def test_nothing_is_pending_where_it_can_not_be_run(tmp_path):
    with _create(tmp_path, 5, "abcde", spares=1, in_sync=True) as array:
        array.fail("1")
        assert take_snapshot(array).pending == "recovery"
        array.fail("2")
        assert take_snapshot(array).pending is None


def test_nothing_is_pending_of_an_array_that_was_not_started():
    snapshot = replace(parse_snapshot(*golden("spares-in-their-order-raid6")), started=True)
    assert snapshot.pending == "recovery"
    assert replace(snapshot, started=False).pending is None


def test_replacement_that_waits_is_a_pending_recovery():
    assert parse_snapshot(*golden("replacing-frozen-raid5")).pending == "recovery"
    assert parse_snapshot(*golden("replacing-raid5")).pending is None  # it runs
    assert parse_snapshot(*golden("replaced-raid5")).pending is None


def test_replacement_wholly_in_sync_does_not_stand_for_its_slot():
    snapshot = parse_snapshot(*golden("replacing-frozen-raid5"))
    members = [
        replace(m, in_sync=m.raid_disk != 1 or m.replacement, faulty=m.number == 1)
        for m in snapshot.members
    ]
    assert replace(snapshot, members=tuple(members)).degraded == 1


def test_resync_that_runs_is_not_pending(tmp_path):
    seen = []
    with _create(tmp_path, 6, "abcde") as array:
        array.rebuild(lambda *_: seen.append(take_snapshot(array)))
    assert {snapshot.resync_pending for snapshot in seen if snapshot.sync} == {False}


@pytest.mark.parametrize(
    ("done_kib", "bar"),
    [(0, ">" + "." * 20), (51, ">" + "." * 20), (52, "=>" + "." * 19), (1023, "=" * 19 + ">.")],
)
def test_bar_has_twenty_steps(done_kib, bar):
    sync = SyncSnapshot(
        action="check", done_sectors=done_kib << 11, total_sectors=1024 << 11, kib_per_second=None
    )
    snapshot = replace(parse_snapshot(*golden("clean-raid6")), sync=sync)
    assert f"[{bar}]" in mdstat_lines([snapshot])[3]


def test_speed_and_end_are_told_where_time_passes():
    snapshot = parse_snapshot(*golden("checking-raid6"))
    sync = SyncSnapshot(
        action="check", done_sectors=1 << 21, total_sectors=1 << 31, kib_per_second=1_000
    )
    line = mdstat_lines([replace(snapshot, sync=sync)])[3]
    assert line.endswith("(1048576/1073741824) finish=17878.2min speed=1000K/sec")
    untimed = replace(snapshot, sync=replace(sync, kib_per_second=None))
    assert mdstat_lines([untimed])[3].endswith("(1048576/1073741824)")
