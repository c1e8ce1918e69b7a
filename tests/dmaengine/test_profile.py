from importlib import resources

import pytest

from raidsim import Machine
from raidsim.dmaengine.drivers import absolute_profile_name, load_profile, profile_names
from raidsim.dmaengine.drivers.profile import slots_needed
from raidsim.errors import UsageError


@pytest.fixture
def own(tmp_path):
    """Write a profile of one's own; its path."""

    def write(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return str(path)

    return write


def own_device(lines):
    return f'description = "mine"\n[[devices]]\n{lines}\n'


def test_the_profiles_are_named():
    assert profile_names() == [
        *("bcm-sba-v1", "bcm-sba-v2", "fsl_raideng", "fsldma"),
        *("ioat1", "ioat2", "ioat3.0", "ioat3.2-raid", "ioat3.3"),
        *("iop13xx", "iop32x", "iop33x", "mv_xor", "mv_xor-kirkwood", "mv_xor_v2"),
        *("none", "ppc440spe", "slave-only", "threads", "xgene"),
    ]


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_loads_describes_itself_and_registers(name):
    profile = load_profile(name)
    assert profile.name == name
    assert profile.description
    assert len(Machine(engines=[name]).dmaengine.devices) == len(profile.devices)


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_says_where_its_facts_come_from(name):
    files = resources.files("raidsim.dmaengine.drivers").joinpath("profiles")
    comment = [
        line
        for line in files.joinpath(f"{name}.toml").read_text().splitlines()
        if line.startswith("#")
    ]
    text = " ".join(comment)
    if name == "threads":
        assert "No chip" in text
    else:
        assert "drivers/dma/" in text or "async-tx-api.txt" in text


def test_an_unknown_profile_is_named_with_those_that_exist():
    with pytest.raises(UsageError, match=r"no engine profile 'iop99' \(choose from bcm-sba"):
        load_profile("iop99")


# Devices x channels, capabilities, max_xor, max_pq, ring slots, threshold: of the drivers.
FACTS = {
    "ioat1": [(4, "memcpy", 0, 0, 256, 4)],
    "ioat2": [(4, "memcpy", 0, 0, 256, 5)],
    "ioat3.0": [(4, "memcpy interrupt", 0, 0, 256, 5)],
    "ioat3.2-raid": [(4, "memcpy memset xor xor_val pq pq_val interrupt", 8, 8, 256, 5)],
    "ioat3.3": [(4, "memcpy xor xor_val pq pq_val interrupt", 8, 16, 1 << 16, 5)],
    "iop32x": [
        *[(1, "memcpy interrupt", 0, 0, 128, 4)] * 2,
        (1, "xor memset interrupt", 32, 0, 384, 4),
    ],
    "iop33x": [
        *[(1, "memcpy interrupt", 0, 0, 128, 4)] * 2,
        (1, "xor xor_val memset interrupt", 32, 0, 384, 4),
    ],
    "iop13xx": [
        *[(1, "memcpy xor xor_val memset interrupt", 16, 0, 128, 4)] * 2,
        (1, "memcpy xor xor_val memset pq pq_val interrupt", 16, 16, 128, 4),
    ],
    "mv_xor-kirkwood": [
        (1, "memcpy xor", 8, 0, 64, 1),
        (1, "memcpy xor memset", 8, 0, 64, 1),
    ]
    * 2,
    "mv_xor": [(1, "memcpy xor interrupt", 8, 0, 3072, 1)] * 4,
    "mv_xor_v2": [(1, "memcpy xor interrupt", 8, 0, 1024, 0)] * 2,
    "ppc440spe": [
        *[(1, "memcpy memset xor_val interrupt", 128, 128, 512, 1)] * 2,
        (1, "xor interrupt", 16, 0, 51, 1),
    ],
    "fsl_raideng": [(4, "memcpy xor pq", 16, 16, 256, 0)],
    "xgene": [(1, "xor", 5, 5, 2048, 0)],
    "bcm-sba-v1": [(1, "memcpy xor pq interrupt", 8, 6, 8192, 0)],
    "bcm-sba-v2": [(1, "memcpy xor pq interrupt", 14, 12, 8192, 0)],
    "fsldma": [(4, "memcpy interrupt slave", 0, 0, 128, 0)],
    "slave-only": [(8, "slave private", 0, 0, 128, 0)],
}


@pytest.mark.parametrize("name", FACTS)
def test_a_profile_offers_what_its_driver_does(name):
    assert [
        (
            device.channels,
            " ".join(word for word in device.capabilities if word not in device.withheld),
            device.max_xor,
            device.max_pq,
            device.ring_slots,
            device.threshold_slots,
        )
        for device in load_profile(name).devices
    ] == FACTS[name]


def test_iop_descriptors_take_slots_by_their_sources():
    iop13xx = load_profile("iop13xx").devices[2]
    for slots in (iop13xx.xor_slots, iop13xx.pq_slots):
        assert [slots_needed(slots, count) for count in (1, 2, 5, 6, 8, 9, 12, 13, 16)] == [
            *(1, 2, 2, 3, 3, 4, 4, 5, 5),
        ]
    aau = load_profile("iop32x").devices[2]
    assert [slots_needed(aau.xor_slots, count) for count in (2, 4, 5, 8, 9, 16, 17, 32)] == [
        *(1, 1, 2, 2, 4, 4, 8, 8),
    ]


# -- what is withheld -----------------------------------------------------------------------------


def test_a_withheld_capability_is_offered_only_when_asked_for():
    (withholding,) = load_profile("xgene").devices
    (asked,) = load_profile("xgene+pq").devices
    assert asked.cap_mask - withholding.cap_mask == {2}
    assert load_profile("xgene+pq").name == "xgene+pq"


def test_asking_for_what_is_not_withheld_is_refused():
    with pytest.raises(UsageError, match="'iop13xx' withholds no 'pq'"):
        load_profile("iop13xx+pq")


@pytest.mark.parametrize("name", profile_names())
def test_what_gives_wrong_results_is_withheld(name):
    for device in load_profile(name).devices:
        if "pq" in device.capabilities and device.quirks.ignores_pq_continue:
            assert "pq" in device.withheld


# -- one's own ------------------------------------------------------------------------------------


def test_a_path_names_a_profile_of_ones_own(own):
    path = own(own_device('capabilities = ["memcpy"]\n[devices.quirks]\nsegment_bytes = 512'))
    profile = load_profile(path)
    assert profile.devices[0].quirks.segment_bytes == 512
    machine = Machine(engines=[path])
    assert machine.dmaengine.devices[0].channels[0].name == "dma0chan0"


def test_a_profile_of_ones_own_may_withhold(own):
    path = own(own_device('capabilities = ["memcpy", "pq"]\nmax_pq = 8\nwithheld = ["pq"]'))
    assert load_profile(path).devices[0].cap_mask == {0}
    assert load_profile(path + "+pq").devices[0].cap_mask == {0, 2}


def test_a_profile_that_was_changed_is_read_anew(own):
    path = own(own_device('capabilities = ["memcpy"]'))
    assert load_profile(path).devices[0].capabilities == ("memcpy",)
    own(own_device('capabilities = ["memset"]'))
    assert load_profile(path).devices[0].capabilities == ("memset",)


def test_a_name_is_made_absolute_only_where_it_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute_profile_name("xgene+pq") == "xgene+pq"
    assert absolute_profile_name("mine.toml+pq") == f"{tmp_path}/mine.toml+pq"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("=", "is not TOML"),
        ('description = "x"', "no devices$"),
        ("devices = []", "no description"),
        ('description = "x"\ndevices = []\ncolour = 1', "unknown colour"),
        (
            'description = "x"\ndevices = []\ndriver = "gpu"',
            "driver = 'gpu': choose from ring, threads",
        ),
        (own_device("channels = 1"), r"no devices\[0\].capabilities"),
        (own_device('capabilities = ["xor"]\nmax_xors = 3'), "max_xors: did you mean 'max_xor'"),
        (own_device('capabilities = ["memcopy"]'), "no 'memcopy': did you mean 'memcpy'"),
        (own_device("capabilities = []"), "capabilities: at least one"),
        (own_device('capabilities = "xor"'), "capabilities = 'xor': expected a list"),
        (own_device('capabilities = ["xor"]\nwithheld = ["pq"]'), "withheld: no 'pq'"),
        (own_device('capabilities = ["xor"]\nmax_xor = true'), "max_xor = True"),
        (own_device('capabilities = ["xor"]\nmax_xor = 65536'), "max_xor = 65536: at most 65535"),
        (own_device('capabilities = ["xor"]\nring_slots = 0'), "ring_slots = 0"),
        (
            own_device('capabilities = ["xor"]\nxor_slots = [[5]]'),
            r"xor_slots\[0\] = \[5\]: expected 2",
        ),
        (own_device('capabilities = ["xor"]\nxor_align = 3'), "xor_align = 3: a power of 2"),
        (own_device('capabilities = ["xor"]\ncompletion = "soon"'), "completion: no 'soon'"),
        (own_device('capabilities = ["xor"]\ncount = 0'), "count = 0"),
        (own_device('capabilities = ["xor"]\nbytes_per_second = 0'), "bytes_per_second = 0"),
        (
            own_device('capabilities = ["xor"]\noperation_bytes_per_second = {pq = 0}'),
            r"operation_bytes_per_second.pq = 0: at least 1",
        ),
        (
            own_device('capabilities = ["xor"]\noperation_bytes_per_second = {qp = 1}'),
            "no 'qp': choose from",
        ),
        (
            own_device('capabilities = ["xor"]\n[devices.quirks]\nodd = true'),
            r"unknown devices\[0\].quirks.odd",
        ),
        (own_device('capabilities = ["xor"]\n[devices.quirks]\nneeds_q = 1'), "needs_q = 1"),
        (own_device('capabilities = ["xor"]\nquirks = 1'), "quirks = 1"),
    ],
)
def test_mistakes_in_a_profile_are_named(own, text, complaint):
    path = own(text)
    with pytest.raises(UsageError, match=complaint) as caught:
        load_profile(path)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_profile_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"mine.toml': No such file"):
        load_profile(str(tmp_path / "mine.toml"))
