"""CPU profiles: those that ship load and name their sources, and mistakes are told all at once."""

from importlib import resources

import pytest

from raidsim import Machine
from raidsim.cpu import cpu_profile, cpu_profile_names, load_cpu_profile
from raidsim.cpu.profile import COST_OF
from raidsim.dmaengine.counts import OPERATIONS
from raidsim.errors import UsageError
from raidsim.tables import TableError

NAMES = cpu_profile_names()
GIB = {"bytes_per_second": [[1, 1 << 30]]}
PLAIN = {"description": "mine", "operations": {"memcpy": GIB, "xor": GIB, "pq": GIB}}


def test_the_profiles_are_named():
    assert NAMES == ["avx2", "generic", "isa-l", "rk3588"]


@pytest.mark.parametrize("name", NAMES)
def test_every_profile_says_where_its_figures_come_from(name):
    assert load_cpu_profile(name).description
    files = resources.files("raidsim.cpu").joinpath("profiles")
    lines = files.joinpath(f"{name}.toml").read_text().splitlines()
    comment = [line for line in lines if line.startswith("#")]
    assert any("https" in line for line in comment)
    assert any("model's" in line for line in comment)


def test_every_operation_of_software_has_a_cost():
    assert set(OPERATIONS) - {"interrupt", "slave"} <= set(COST_OF)


def test_an_operation_without_figures_costs_what_its_like_does():
    profile = cpu_profile(PLAIN)
    assert profile.cost("2data") is profile.cost("pq")
    assert profile.cost("memset") is profile.cost("memcpy")


def test_rates_are_interpolated_between_numbers_of_sources():
    cost = cpu_profile(
        {
            **PLAIN,
            "operations": {**PLAIN["operations"], "pq": {"bytes_per_second": [[2, 100], [6, 300]]}},
        }
    ).cost("pq")
    assert [cost.rate(count) for count in (1, 2, 3, 6, 9)] == [100, 100, 150, 300, 300]


def test_ones_own_profile_is_named_by_its_path(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'description = "mine"\n'
        + "".join(
            f"[operations.{n}]\nbytes_per_second = [[1, 9]]\n" for n in ("memcpy", "xor", "pq")
        )
    )
    machine = Machine(timed=True, cpu=str(path), kernel="numpy")
    assert machine.cpu is not None
    assert machine.cpu.profile.description == "mine"


def test_a_name_that_is_none_is_a_usage_error():
    with pytest.raises(UsageError, match=r"no CPU profile 'isal' \(did you mean 'isa-l'"):
        Machine(timed=True, cpu="isal")


def test_all_mistakes_are_told_at_once():
    bad = {
        "stripe_ns": -1,
        "operations": {
            "xor": {"operation_ns": -2, "bytes_per_second": [[4, 1], [2, 1]]},
            "qp": GIB,
            "pq": {"bytes_per_second": []},
        },
        "stripes_ns": 4,
    }
    with pytest.raises(TableError) as caught:
        cpu_profile(bad, "bad")
    assert set(caught.value.mistakes) == {
        "unknown stripes_ns: did you mean 'stripe_ns'?",
        "no description",
        "operations.xor.operation_ns = -2: at least 0",
        "operations.xor.bytes_per_second: by rising numbers of sources",
        "operations.pq.bytes_per_second: at least one pair",
    }
    bad = {**PLAIN, "stripe_ns": -1, "operations": {"xor": GIB, "memcopy": GIB, "pq": GIB}}
    with pytest.raises(TableError) as caught:
        cpu_profile(bad)
    assert set(caught.value.mistakes) == {
        "unknown operations.memcopy: did you mean 'memcpy'?",
        "no operations.memcpy",
        "stripe_ns = -1: at least 0",
    }
