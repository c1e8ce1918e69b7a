"""Drawing scenarios: arrays, engines, workloads and faults, all from one seed."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from raidsim.md.layout import layout_names
from raidsim.md.placement import NO_BITMAP, BitmapWish, place_array
from raidsim.scenario.campaign.budget import UNIT_SECTORS, Budget
from raidsim.scenario.campaign.trouble import draw_trouble

if TYPE_CHECKING:
    from collections.abc import Callable

WITHIN, BEYOND = "within", "beyond"
MODES = (WITHIN, BEYOND)
"""Damage within the budget, which nobody may notice, or beyond it, which has to be reported."""

_KIB = 1024
_ENGINES = (
    *("bcm-sba-v2", "fsl_raideng", "ioat2", "ioat3.2-raid", "ioat3.3", "iop13xx", "iop33x"),
    *("mv_xor", "mv_xor_v2", "ppc440spe", "xgene"),
)
_BLOCKS = (512, 1024, 3584, 4096, 8192, 12288, 20480, 65536)


def draw(seed: int, mode: str) -> dict[str, Any]:
    """Return a scenario as the table of its file; the same for the same arguments.

    Args:
        seed: Decides everything.
        mode: One of ``MODES``.
    """
    random = Random(f"{mode}/{seed}")  # noqa: S311  a campaign wants repeatable numbers
    array, budget, data_offset = _array(random)
    scenario: dict[str, Any] = {
        "schema": 1,
        "title": f"campaign, {mode} budget, seed {seed}",
        "seed": seed,
        "array": array,
        "disks": {"model": _drive(random)},
        "engine": _engines(random),
        "workload": [_workload(random, f"load{number}") for number in range(random.randint(1, 3))],
        "event": [],
        "finish": {"within": "60s", "faults_off": True, "lift_limits": True},
    }
    _tuning(random, scenario)
    draw_trouble(random, scenario, budget, data_offset, beyond=mode == BEYOND)
    if mode == BEYOND:
        scenario["expect"] = {"may_lose": True}
        for workload in scenario["workload"]:
            workload["continue_on_error"] = True
    return scenario


def _array(random: Random) -> tuple[dict[str, Any], Budget, int]:
    """An array, what it can bear, and where its members' data begin."""
    level = random.choice((4, 5, 5, 6, 6, 6))
    fewest = 4 if level == 6 else 3
    disks = random.choice((fewest, fewest + 1, random.randint(fewest, 8), random.randint(8, 12)))
    chunk = random.choice((4, 8, 16, 32, 64)) * _KIB
    minor = random.choice((0, 1, 2, 2))
    rows = max(2, random.randrange(64, 256) * _KIB // chunk)
    size = rows * chunk + (32 * _KIB if minor == 0 else 1024 * _KIB)
    array: dict[str, Any] = {
        "level": level,
        "raid_devices": disks,
        "size": size,
        "chunk": chunk,
        "layout": random.choice(layout_names(level)),
        "spare_devices": random.choice((0, 0, 1, 1, 2)),
        "metadata": f"1.{minor}",
    }
    wish = NO_BITMAP
    if random.random() < 0.4:
        array["bitmap"] = "internal"
        array["bitmap_chunk"] = random.choice((4, 16, 64)) * _KIB
        wish = BitmapWish(internal=True, chunksize=array["bitmap_chunk"])
    used, placements = place_array(minor, {"disk": size >> 9}, chunk >> 9, None, wish)
    budget = Budget(slots=disks, parities=2 if level == 6 else 1, units=used // UNIT_SECTORS)
    return array, budget, placements["disk"].data_offset


def _drive(random: Random) -> dict[str, Any]:
    return {
        "kind": "fixed",
        "description": "drawn",
        "queue_depth": random.choice((1, 4, 32)),
        "parallelism": random.choice((1, 4)),
        "service_ns": random.randrange(10_000, 200_000),
        "bytes_per_second": random.choice((0, 200_000_000)),
    }


def _engines(random: Random) -> list[dict[str, Any]]:
    engines = []
    for profile in random.sample(_ENGINES, random.choice((0, 0, 1, 1, 2))):
        engine: dict[str, Any] = {"profile": profile}
        if random.random() < 0.3:
            late = {"kind": "late_interrupt", "probability": 0.1, "may_not_fire": True}
            engine["faults"] = [late]
        engines.append(engine)
    return engines


def _workload(random: Random, name: str) -> dict[str, Any]:
    workload: dict[str, Any] = {
        "name": name,
        "rw": random.choice(("read", "write", "rw", "randread", "randwrite", "randrw", "randrw")),
        "requests": random.randrange(20, 90),
        "block_split": [
            [size, random.randint(1, 4)] for size in random.sample(_BLOCKS, random.randint(1, 3))
        ],
    }
    extras: list[tuple[float, str, Callable[[], object]]] = [
        (0.8, "depth", lambda: random.choice((2, 4, 8, 16))),
        (0.2, "rate_per_second", lambda: random.randrange(500, 20_000)),
        (0.3, "arrivals", lambda: random.choice(("constant", "poisson"))),
        (0.3, "distribution", lambda: random.choice(("zipf:1.1", "pareto:0.2"))),
        (0.3, "read_percent", lambda: random.randrange(10, 90)),
        (0.3, "flush_every", lambda: random.randint(1, 10)),
        (0.2, "fua_every", lambda: random.randint(1, 4)),
        (0.4, "start", lambda: f"{random.randrange(10_000)}us"),
        (0.3, "size", lambda: 128 * _KIB),
    ]
    workload |= {key: value() for chance, key, value in extras if random.random() < chance}
    return workload


def _tuning(random: Random, scenario: dict[str, Any]) -> None:
    """Attributes, in the beginning and later on."""
    attributes: dict[str, Callable[[], str]] = {
        "stripe_cache_size": lambda: str(random.choice((17, 32, 64, 256))),
        "rmw_level": lambda: str(random.choice((0, 1, 2))),
        "safe_mode_delay": lambda: random.choice(("0.001", "0.005")),
        "sync_speed_max": lambda: str(random.choice((1000, 20_000, 200_000))),
    }
    if scenario["array"]["level"] != 6:
        attributes["rmw_level"] = lambda: str(random.choice((0, 1)))
    scenario["array"]["attributes"] = {
        name: value() for name, value in attributes.items() if random.random() < 0.3
    }
    if random.random() < 0.2:
        name = random.choice(sorted(attributes))
        at = f"{random.randrange(1, 20)}ms"
        scenario["event"].append(
            {"at": at, "set": {"attribute": name, "value": attributes[name]()}}
        )
