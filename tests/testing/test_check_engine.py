"""The conformance kit: drivers that conform pass, and each way not to is refused by its name."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from raidsim.dmaengine.drivers import RingDevice, ThreadsDevice, load_profile, profile_names
from raidsim.testing import ENGINE_POINTS, EngineConformanceError, check_engine

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "writing-an-engine.md"

# What the chips themselves can not do, or do wrong.
QUIRKS = {
    "fsl_raideng-0": {"pq-one-source", "pq-disabled", "pq-continuation"},
    "ioat3.2-raid-0": {"pq-one-source"},
    "ioat3.3-0": {"pq-one-source"},
    "ppc440spe-0": {"pq-continuation"},
    "xgene-0": {"pq-continuation"},
}


def engine_devices():
    drivers = {"ring": RingDevice, "threads": ThreadsDevice}
    for name in profile_names():
        profile = load_profile(name)
        for number, device in enumerate(profile.devices):
            if device not in profile.devices[:number]:
                which = f"{name}-{number}"
                yield pytest.param(which, drivers[profile.driver], device, id=which)


@pytest.mark.parametrize(("which", "driver", "device"), list(engine_devices()))
def test_every_shipped_engine_conforms_but_for_its_chips_quirks(which, driver, device):
    # The largest rings, cut down: what is checked takes every descriptor.
    slots, slots_max = (min(each, 1024) for each in (device.ring_slots, device.ring_slots_max))
    device = replace(device, withheld=(), ring_slots=slots, ring_slots_max=slots_max)
    failed = set()
    try:
        check_engine(lambda machine: driver(machine, device))
    except EngineConformanceError as error:
        failed = set(error.failures)
    assert failed == QUIRKS.get(which, set())


def test_a_device_without_operations_is_checked_for_registration_alone():
    (device,) = load_profile("slave-only").devices
    report = check_engine(lambda machine: RingDevice(machine, device))
    assert report.checked == ("registration",)
    assert set(report.not_applicable) == set(ENGINE_POINTS) - {"registration"}


BROKEN = tomllib.loads((Path(__file__).parent / "broken_drivers.toml").read_text())["broken"]


@pytest.mark.parametrize(
    "broken", BROKEN, ids=[f"{n}-{broken['point']}" for n, broken in enumerate(BROKEN)]
)
def test_a_driver_that_breaks_a_point_is_refused_with_its_name(broken):
    point, right, wrong = broken["point"], broken["right"], broken["wrong"]
    module = "\n".join(re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL))
    module = module.partition("from raidsim.testing")[0]
    assert module.count(right) == 1
    names = {}
    exec(compile(module.replace(right, wrong), GUIDE.name, "exec"), names)  # noqa: S102  our own page
    with pytest.raises(EngineConformanceError) as caught:
        check_engine(names["ToyDevice"])
    failures = caught.value.failures
    assert next(iter(failures)) == point, failures
    assert ENGINE_POINTS[point] in str(caught.value)


def test_every_point_has_a_driver_that_breaks_it():
    assert {broken["point"] for broken in BROKEN} == set(ENGINE_POINTS)
