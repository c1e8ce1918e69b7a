"""An array on every engine that ships holds what was written, whole, degraded and rebuilt."""

import random
from functools import partial

import pytest

from raidsim import Machine
from raidsim.array import Array, ArraySpec, opening
from raidsim.dmaengine.drivers import load_profile, profile_names

WITHHELD = ("ppc440spe+pq+pq_val",)


def live_through(path, engine, *, level, members):
    """Write here and there, lose members, read, write, rebuild, check."""
    choose = random.Random(f"{engine} {members}")
    spec = ArraySpec(level=level, raid_disks=members, layout=2, chunk_sectors=32)
    with Array.create(path, spec, image_bytes=2 << 20, engines=[engine]) as array:
        expected = bytearray(array.size)

        def write():
            for size in (1, 512, 4096, 5000, 70_000, 300_000):
                offset = choose.randrange(array.size - size)
                expected[offset : offset + size] = data = choose.randbytes(size)
                array.write(offset, data)

        write()
        for number in choose.sample(range(members), level - 4):
            array.fail(str(number))
        assert array.read(0, array.size) == expected
        write()
        assert array.read(0, array.size) == expected
        for number in range(level - 4):
            array.add(path / f"new{number}.img")
        array.rebuild()
        assert array.read(0, array.size) == expected
        assert array.check().mismatch_sectors == 0
        return array.machine


@pytest.mark.parametrize(
    ("level", "members"),
    [
        (6, 7),
        pytest.param(6, 4, marks=pytest.mark.slow),
        pytest.param(5, 4, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("engine", [*profile_names(), *WITHHELD])
def test_an_array_lives_through_it_all_on(engine, level, members, tmp_path):
    machine = live_through(tmp_path / "arr", engine, level=level, members=members)
    devices = load_profile(engine).devices
    raid = any("xor" in device.capabilities for device in devices)
    assert any(machine.async_tx_stats.offloaded.operations.values()) >= raid


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("engine", ["bcm-sba-v1", "bcm-sba-v2"])
def test_an_array_fences_what_it_must_on_engines_that_work_out_of_order(
    engine, seed, tmp_path, monkeypatch
):
    monkeypatch.setattr(opening, "Machine", partial(Machine, seed, explore=True))
    live_through(tmp_path / "arr", engine, level=6, members=7)
