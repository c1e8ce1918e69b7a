"""Every mistake in a scenario file is told at once, with its place and a suggestion."""

from __future__ import annotations

import pytest

from raidsim.scenario import ScenarioError, load_scenario, make_scenario


def _mistakes(table):
    with pytest.raises(ScenarioError) as caught:
        make_scenario(table, "file.toml")
    return list(caught.value.mistakes)


@pytest.fixture
def only_mistake(table):
    """The one mistake of a scenario with these keys."""

    def mistake(**changes):
        (found,) = _mistakes(table(**changes))
        return found

    return mistake


def test_all_mistakes_are_told_at_once(table):
    wrong = table(
        titel="x",
        array={"chnk": "64K", "size": "4 MB"},
        disks={"model": "no-such-drive", "disk1": {"faults": [{"kind": "slow", "dely": 1}]}},
        workload=[{"name": "w", "rw": "randrww"}],
        event=[{"at": "1s", "fail": {"dsik": 2}}, {"at": 3, "remove": {"disk": 9}}],
        expect={"lots": 1},
    )
    places = [mistake.partition(":")[0] for mistake in _mistakes(wrong)]
    assert sorted(places) == [
        "array.chnk",
        "array.size",
        "disks.disk1.faults[0]",
        "disks.model",
        "event[0].fail.disk",
        "event[0].fail.dsik",
        "event[1].at",
        "event[1].remove.disk = 9",
        "expect.lots",
        "titel",
        "workload[0]",
    ]


def test_the_message_has_a_line_for_each_with_the_file(table):
    with pytest.raises(
        ScenarioError, match=r"file\.toml: titel: unknown key: did you mean 'title'\?"
    ):
        make_scenario(table(titel="x"), "file.toml")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"schema": 2}, "schema = 2: choose from 1"),
        ({"array": {"level": 7}}, "array.level = 7: choose from 4, 5, 6"),
        ({"array": {"raid_devices": "6"}}, "array.raid_devices = '6': expected a whole number"),
        ({"array": {"raid_devices": 3}}, "array: raid6 needs"),
        ({"array": {"layout": "left"}}, "array: raid6 has no layout 'left': use one of"),
        ({"array": {"spare_devices": -1}}, "array: -1 spares: at least 0"),
        ({"array": {"raid_devices": 10**15}}, "array: raid6 left-symmetric has at most"),
        ({"array": {"size": "8388608T"}}, "array.size: '8388608T' is too large: sizes end at"),
        ({"array": {"missing": [7]}}, "array: missing: there is no slot 7"),
        ({"array": {"bitmap": "intern"}}, "array.bitmap = 'intern': did you mean 'internal'?"),
        ({"disks": {"modle": "x"}}, "disks.modle: unknown key: did you mean 'model'?"),
        ({"disks": {"disk7": {}}}, "disks = 'disk7': no such disk: did you mean"),
        ({"engine": [{"profile": "iop13x"}]}, "engine[0].profile: no engine profile 'iop13x'"),
        ({"cpu": "isal"}, "cpu: no CPU profile 'isal'"),
        ({"event": [{"fail": {"disk": 1}}]}, "event[0]: either at or when is expected"),
        ({"event": [{"at": "1s"}]}, "event[0]: exactly one of fail, remove"),
        (
            {"event": [{"at": "1s", "fail": {"disk": 1}, "stop": {}}]},
            "event[0]: exactly one of fail, remove",
        ),
        (
            {"event": [{"when": {}, "fail": {"disk": 1}}]},
            "event[0].when: exactly one of sync, sync_ended",
        ),
        (
            {"event": [{"at": "1s", "corrupt": {"disk": 1, "offset": 0}}]},
            "event[0].corrupt: either disk and sector, or offset",
        ),
        (
            {"event": [{"at": "1s", "cut_power": {"keep": 2.0}}]},
            "event[0].cut_power.keep = 2.0: input should be less than or equal to 1",
        ),
        (
            {"event": [{"at": "1s", "switch": {"fault": "rot", "on": True}}]},
            "event[0].switch.fault = 'rot': no such fault: there is none",
        ),
        (
            {"event": [{"when": {"workload_ended": {"name": "w"}}, "stop": {}}]},
            "event[0].when.workload_ended.name = 'w': no such workload: there is none",
        ),
        (
            {"event": [{"when": {"event": {"name": "e"}}, "stop": {}}]},
            "event[0].when.event.name = 'e': no such event: there is none",
        ),
        (
            {"event": [{"name": "e", "at": "1s", "stop": {}}] * 2},
            "two events are called 'e': give each a name of its own",
        ),
        (
            {"disks": {"disk1": {"faults": [{"kind": "slow"}] * 2}}},
            "two faults are called 'disk1.slow': give each a name of its own",
        ),
        (
            {"disks": {"faults": [{"kind": "slow", "may_not_fire": 1}]}},
            "disks.faults[0]: may_not_fire = 1: expected true or false",
        ),
        ({"workload": [{"rw": "read", "waits": "yes"}]}, "workload[0]: waits = 'yes'"),
        ({"expect": {"time": {}}}, "expect.time: at_least, at_most or both are expected"),
        ({"expect": {"members": {"disk9": "spare"}}}, "expect.members = 'disk9': no such disk"),
        ({"expect": {"rmw": "many"}}, "expect.rmw = 'many': expected a table"),
        (
            {"expect": {"sync": {"recver": {"runs": 1}}}},
            "expect.sync.recver = 'recver': did you mean 'recover'?",
        ),
    ],
)
def test_one_mistake(only_mistake, changes, told):
    assert only_mistake(**changes).startswith(told)


def test_disks_that_are_added_may_be_named(table):
    event = {"at": "1s", "add": {"disk": "fresh"}}
    scenario = make_scenario(
        table(
            event=[event, {"at": "2s", "fail": {"disk": "fresh"}}],
            disks={"fresh": {"model": "dc-s4500"}},
            expect={"members": {"fresh": "faulty"}},
        )
    )
    assert scenario.disks.model_of("fresh") == "dc-s4500"


def test_a_file_that_is_not_there_or_no_toml(tmp_path):
    with pytest.raises(ScenarioError, match="No such file"):
        load_scenario(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("title = \n")
    with pytest.raises(ScenarioError, match=r"bad.toml: is not TOML: .*line 1"):
        load_scenario(tmp_path / "bad.toml")


def test_paths_are_relative_to_the_file(tmp_path):
    (tmp_path / "bad.map").write_text("# Mapfile\n0x0 + 1\n0x0 0x200000 +\n0x200000 0x1000 -\n")
    (tmp_path / "drive.toml").write_text(
        'kind = "fixed"\ndescription = "mine"\nservice_ns = 1000\nbytes_per_second = 1000000\n'
    )
    (tmp_path / "s.toml").write_text(
        'schema = 1\ntitle = "x"\n[array]\nlevel = 5\nraid_devices = 3\n'
        '[disks]\nmodel = "drive.toml"\nfaults = [{ kind = "read-fixable", sectors = "bad.map" }]\n'
    )
    scenario = load_scenario(tmp_path / "s.toml")
    assert scenario.disks.model == str(tmp_path / "drive.toml")
    assert scenario.disks.faults[0].table["sectors"] == str(tmp_path / "bad.map")
