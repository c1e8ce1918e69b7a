import pytest

from raidsim import Machine
from raidsim.async_tx.raid6test import Raid6TestCase, raid6test
from raidsim.dmaengine.drivers import load_profile, profile_names
from raidsim.dmaengine.drivers.ring import RingChannel


def everything(name):
    """The profile's name, asking for all it withholds."""
    withheld = {word for device in load_profile(name).devices for word in device.withheld}
    return "+".join([name, *sorted(withheld)])


PQ_PROFILES = [
    everything(name)
    for name in profile_names()
    if any("pq" in device.capabilities for device in load_profile(name).devices)
]
RIGHT = [name for name in PQ_PROFILES if name != "xgene+pq"]


def test_every_engine_with_pq_is_tried():
    assert set(PQ_PROFILES) == {
        *("bcm-sba-v1", "bcm-sba-v2", "fsl_raideng", "ioat3.2-raid", "ioat3.3", "iop13xx"),
        *("ppc440spe+pq+pq_val", "threads", "xgene+pq"),
    }


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("name", ["none", *RIGHT])
def test_16_disks_make_257_cases_that_all_pass(name, timed):
    machine = Machine(engines=[name], timed=timed)
    result = raid6test(machine, 16)
    assert result.tests == 257
    assert result.passed
    assert bool(machine.async_tx_stats.offloaded.operations["pq"]) is (name != "none")


@pytest.mark.slow
@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("name", ["none", *RIGHT])
def test_64_disks_make_2429_cases_that_all_pass(name, timed):
    result = raid6test(Machine(engines=[name], timed=timed), 64)
    assert result.tests == 2429
    assert result.passed


@pytest.mark.parametrize(
    ("disks", "tests"), [(16, 257), pytest.param(64, 2429, marks=pytest.mark.slow)]
)
def test_an_engine_that_ignores_continuation_is_shown_to_be_wrong(disks, tests):
    result = raid6test(Machine(engines=["xgene+pq"]), disks)
    assert result.tests == tests
    assert not result.passed
    # Its 5 sources do for 7 disks, so that only the wider ones are wrong.
    widths = {11, 12, 16} if disks == 16 else {11, 12, 24, 64}
    assert {case.disks for case in result.failures} == widths
    # Where P and Q alone are lost the same wrong bytes come again: only the validation tells.
    assert (11, 9, 10) in {(case.disks, case.faila, case.failb) for case in result.invalid}


def test_that_engine_is_right_where_it_was_not_asked_for_pq():
    machine = Machine(engines=["xgene"])
    assert raid6test(machine, 16).passed
    assert not machine.async_tx_stats.offloaded.operations["pq"]


def test_a_wrong_block_is_named(monkeypatch):
    prep_dma_pq = RingChannel.prep_dma_pq

    def wrong(chan, pq, sources, coefficients, *more):
        # The coefficient of the last of three: of the widths here only 5 disks have three.
        if len(coefficients) == 3:
            coefficients = [*coefficients[:2], coefficients[2] ^ 1]
        return prep_dma_pq(chan, pq, sources, coefficients, *more)

    machine = Machine(engines=["iop13xx"])
    monkeypatch.setattr(RingChannel, "prep_dma_pq", wrong)
    result = raid6test(machine, 5)
    assert result.tests == 16
    assert {case.disks for case in result.failures} == {5}
    assert not any(case.outcome == "OK" for case in result.failures)


def test_a_syndrome_that_never_comes_is_a_failure_of_its_width(monkeypatch):
    machine = Machine(engines=["iop13xx"])
    monkeypatch.setattr(RingChannel, "_start", lambda _chan: None)
    result = raid6test(machine, 5)
    assert (result.tests, result.timeouts, result.passed) == (0, [4, 5], False)


@pytest.mark.parametrize(
    ("case", "text"),
    [
        (Raid6TestCase(8, 1, 6, "ERRA", 0), "8 disks: faila=1(D) failb=6(P) ERRA"),
        (Raid6TestCase(8, 6, 7, "OK", 3), "8 disks: faila=6(P) failb=7(Q) OK, validation 0x3"),
        (
            Raid6TestCase(8, 0, 1, "OK", None),
            "8 disks: faila=0(D) failb=1(D) OK, validation timed out",
        ),
    ],
)
def test_a_case_tells_what_went_wrong(case, text):
    assert str(case) == text


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["bcm-sba-v1", "bcm-sba-v2"])
def test_recovery_fences_what_it_must_on_engines_that_work_out_of_order(name, seed):
    assert raid6test(Machine(seed, engines=[name], explore=True), 16).passed
