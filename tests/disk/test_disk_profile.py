"""Drive profiles: those that ship load, name their sources and do what their makers publish."""

from importlib import resources

import pytest

from raidsim import Machine
from raidsim.disk import MemoryDisk
from raidsim.disk.models import (
    FixedModel,
    HddModel,
    SsdModel,
    disk_profile,
    disk_profile_names,
    load_disk_profile,
    model_disk,
)
from raidsim.errors import UsageError
from raidsim.tables import TableError
from raidsim.testing import measure_figure

NAMES = disk_profile_names()
FIGURES = [
    pytest.param(
        name,
        published,
        id=f"{name}-{published.operation}-{published.pattern}-{published.block_bytes}"
        f"-{published.queue_depth}-{published.location:g}",
    )
    for name in NAMES
    for published in load_disk_profile(name).published
]
HDD = {
    "kind": "hdd",
    "description": "mine",
    "revolutions_per_minute": 7200,
    "outer_bytes_per_second": 200_000_000,
    "inner_bytes_per_second": 100_000_000,
    "single_track_seek_ns": 1_000_000,
    "average_seek_ns": 8_000_000,
    "full_stroke_seek_ns": 16_000_000,
}


def test_the_profiles_are_named():
    ssds = ["850-evo", "960-evo", "dc-p4500", "dc-s4500"]
    assert sorted([*ssds, "constellation-es3", "deskstar-7k500"]) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_profile_describes_itself_and_says_where_its_figures_come_from(name):
    profile = load_disk_profile(name)
    assert profile.description
    assert profile.published
    files = resources.files("raidsim.disk.models").joinpath("profiles")
    lines = files.joinpath(f"{name}.toml").read_text().splitlines()
    comment = [line for line in lines if line.startswith("#")]
    assert any("http" in line for line in comment)
    assert any("model's" in line for line in comment)


@pytest.mark.parametrize(("name", "published"), FIGURES)
def test_published_figures_are_reproduced_within_a_tenth(name, published):
    profile = load_disk_profile(name)
    operations = 100 if profile.kind == "hdd" else 400
    if published.pattern == "random":
        operations = 1000 if profile.kind == "hdd" else 4000
    figure = measure_figure(profile, published, operations=operations)
    assert figure == pytest.approx(published.figure, rel=0.1)


def test_a_table_makes_a_model():
    machine, disk = Machine(timed=True, kernel="numpy"), MemoryDisk("disk0", 4096)
    fixed = disk_profile({"kind": "fixed", "description": "", "service_ns": 5})
    assert isinstance(model_disk(machine, disk, fixed), FixedModel)
    assert isinstance(model_disk(machine, disk, disk_profile(HDD)), HddModel)
    assert isinstance(model_disk(machine, disk, "dc-p4500"), SsdModel)


def test_the_seek_curve_has_the_average_that_was_asked_for():
    platter = model_disk(Machine(), MemoryDisk("disk0", 4096), disk_profile(HDD))._platter
    points = [n / 200 for n in range(201)]
    seeks = [platter.seek_ns(a, b) for a in points for b in points]
    assert sum(seeks) / len(seeks) == pytest.approx(8_000_000, rel=0.01)
    assert (min(seeks), max(seeks)) == (1_000_000, 16_000_000)


@pytest.mark.parametrize(
    ("changes", "mistakes"),
    [
        ({"kind": "hhd"}, ["kind = 'hhd': did you mean 'hdd'?"]),
        ({"kind": None}, ["kind = None: choose from fixed, hdd, ssd"]),
        ({"description": 4}, ["description = 4: expected a text"]),
        ({"rpm": 7200}, ["unknown rpm: choose from"]),
        ({"revolutions_per_minut": 1}, ["unknown revolutions_per_minut: did you mean"]),
        ({"scheduler": "mq-deadlin", "zones": 0}, ["zones = 0: ", "scheduler = 'mq-deadlin': did"]),
        ({"inner_bytes_per_second": 300_000_000}, ["inner_bytes_per_second: at most outer"]),
        ({"average_seek_ns": 17_000_000}, ["seeks: single_track_seek_ns <= average"]),
        ({"average_seek_ns": 2_000_000}, ["average_seek_ns = 2000000: no arm has this mean"]),
        ({"command_ns": -1, "queue_depth": 0}, ["queue_depth = 0: at", "command_ns = -1: at"]),
        (
            {"published": [{"operation": "raed", "pattern": "x", "block_bytes": 100}]},
            [
                "published[0].operation = 'raed': did you mean 'read'?",
                "published[0].pattern = 'x': choose",
                "published[0].block_bytes = 100: a multiple",
                "published[0].one figure:",
            ],
        ),
        (
            {"published": [{"operation": "read", "pattern": "random", "block_bytes": 512}]},
            ["published[0].one figure: "],
        ),
    ],
)
def test_all_that_is_wrong_with_a_profile_is_told_at_once(changes, mistakes):
    table = {key: value for key, value in {**HDD, **changes}.items() if value is not None}
    with pytest.raises(TableError) as caught:
        disk_profile(table, "mine")
    found = caught.value.mistakes
    assert len(found) == len(mistakes)
    assert all(text.startswith(start) for text, start in zip(found, mistakes, strict=True))
    assert str(caught.value).startswith("disk profile 'mine': ")


def test_an_ssd_is_checked_as_well():
    files = resources.files("raidsim.disk.models").joinpath("profiles", "dc-p4500.toml")
    assert "dies = 256" in files.read_text()
    profile = load_disk_profile("dc-p4500")
    values = {name: getattr(profile, name) for name in profile.__dataclass_fields__}
    table = {"kind": "ssd", **values, "published": [], "page_bytes": 100}
    with pytest.raises(TableError, match=r"page_bytes = 100: .*; sequential_read_latency_ns: at"):
        disk_profile({**table, "sequential_read_latency_ns": 90_000})


def test_ones_own_profile_is_named_by_its_path(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('kind = "fixed"\ndescription = "mine"\nservice_ns = 1000\n')
    assert load_disk_profile(str(path)).service_ns == 1000
    path.write_text('kind = "fixed"\ndescription = \n')
    with pytest.raises(UsageError, match=r"mine.toml' is not TOML"):
        load_disk_profile(str(path))
    with pytest.raises(UsageError, match=r"none.toml': No such file"):
        load_disk_profile(str(tmp_path / "none.toml"))
    with pytest.raises(UsageError, match=r"no disk profile 'dc-4500' .did you mean 'dc-s?p?4500'"):
        load_disk_profile("dc-4500")
