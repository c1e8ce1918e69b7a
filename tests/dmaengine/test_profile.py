import pytest

from raidsim.dmaengine.drivers import load_profile, profile_names
from raidsim.dmaengine.drivers.profile import _device_profile
from raidsim.dmaengine.errors import EngineProfileError


def test_the_profiles_are_named():
    assert profile_names() == ["iop13xx", "iop32x", "mv_xor-kirkwood"]


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_loads_and_describes_itself(name):
    profile = load_profile(name)
    assert profile.name == name
    assert profile.description
    assert profile.devices


def test_an_unknown_profile_is_named_with_those_that_exist():
    with pytest.raises(EngineProfileError, match="no engine profile 'iop99'; choose from iop13xx"):
        load_profile("iop99")


def test_iop13xx_has_three_units_of_which_the_third_knows_pq():
    devices = load_profile("iop13xx").devices
    assert ["pq" in device.capabilities for device in devices] == [False, False, True]
    assert [devices[2].slots(count) for count in (1, 2, 5, 6, 8, 9, 12, 13, 16)] == [
        *(1, 2, 2, 3, 3, 4, 4, 5, 5),
    ]


def test_iop32x_copies_and_xors_on_different_devices():
    copy, _, xor = load_profile("iop32x").devices
    assert set(copy.capabilities) == {"memcpy", "interrupt"}
    assert set(xor.capabilities) == {"xor", "memset", "interrupt"}
    assert [xor.slots(count) for count in (2, 4, 5, 8, 9, 16, 17, 32)] == [1, 1, 2, 2, 4, 4, 8, 8]


def test_kirkwood_knows_neither_pq_nor_interrupts():
    devices = load_profile("mv_xor-kirkwood").devices
    assert len(devices) == 4
    for device in devices:
        assert {"pq", "interrupt"}.isdisjoint(device.capabilities)


@pytest.mark.parametrize(
    "table", [{"capabilities": ["xor"], "max_xors": 3}, {"capabilities": ["max_xors"]}]
)
def test_unknown_words_in_a_profile_are_named(table):
    with pytest.raises(EngineProfileError, match="'mine': unknown max_xors"):
        _device_profile("mine", table)
