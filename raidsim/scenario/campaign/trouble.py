"""What goes wrong in a drawn scenario: one kind of trouble each, within its budget or beyond it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raidsim.scenario.campaign.budget import UNIT_SECTORS

if TYPE_CHECKING:
    from random import Random

    from raidsim.scenario.campaign.budget import Budget

# A drive with a volatile write cache, which a power cut is about.
_VOLATILE_DRIVES = ("850-evo", "960-evo", "deskstar-7k500")


def draw_trouble(
    random: Random, scenario: dict[str, Any], budget: Budget, data_offset: int, *, beyond: bool
) -> None:
    """Add faults and events to ``scenario``.

    Args:
        random: Decides.
        scenario: The table of a scenario without any.
        budget: What its array can bear.
        data_offset: The sector at which members' data begin.
        beyond: Whether more than that is to go wrong.
    """
    kinds = ["disks"] * 7 + ["power"] * 2
    if not beyond:
        kinds += ["calm"] + ["rot"] * (budget.parities == 2)
    kind = random.choice(kinds)
    if kind == "disks":
        _disks_go_wrong(random, scenario, budget, data_offset, beyond=beyond)
    elif kind == "power":
        _power_is_cut(random, scenario, budget, degraded=beyond)
    elif kind == "rot":
        _data_rot(random, scenario, budget, data_offset)
    else:
        scenario["array"]["in_sync"] = False
        _stop_and_go(random, scenario)
    scenario["event"] += _chores(random, budget, replace=kind in {"disks", "calm"})


def _time(random: Random, least_us: int = 0, most_us: int = 20_000) -> str:
    return f"{random.randrange(least_us, most_us)}us"


# -- disks ----------------------------------------------------------------------------------------


def _disks_go_wrong(
    random: Random, scenario: dict[str, Any], budget: Budget, data_offset: int, *, beyond: bool
) -> None:
    if beyond and random.random() < 0.5:
        budget.doubt(random, budget.parities + random.randint(1, 2))
    else:
        budget.parities += beyond  # one too many, but in a few stripes
        budget.doubt(random, random.randint(0, budget.parities - beyond))
        budget.spread(random, random.randint(1, 12))
    data = [[data_offset, budget.units * UNIT_SECTORS]]
    disks, events = scenario["disks"], scenario["event"]
    for slot in budget.doubtful:
        if random.random() < 0.4:
            events.append({"at": _time(random), "fail": {"disk": f"disk{slot}"}})
        faults = [
            {"name": f"fault{number}"} | _fault(random, data)
            for number in range(random.randint(1, 2))
        ]
        if random.random() < 0.8:
            disks[f"disk{slot}"] = {"faults": faults}
    for slot, units in budget.latent.items():
        sectors = [
            [data_offset + unit * UNIT_SECTORS + random.randrange(4), random.randint(1, 4)]
            for unit in sorted(units)
        ]
        latent = {"kind": "read-fixable", "sectors": sectors, "may_not_fire": True}
        disks[f"disk{slot}"] = {"faults": [latent]}
    if budget.doubtful:
        _members_come_and_go(random, scenario, budget)
    if random.random() < 0.2:
        _stop_and_go(random, scenario)


def _fault(random: Random, data: list[list[int]]) -> dict[str, Any]:
    """Anything that a disk may do but lie."""
    faults: tuple[dict[str, Any], ...] = (
        {"kind": "fail-stop", "nth": random.randrange(1, 300), "sectors": data},
        {"kind": "fail-stop", "start": _time(random, 1), "sectors": data},
        {"kind": "read-transient", "count": random.randint(1, 6), "sectors": data},
        {"kind": "read-persistent", "count": random.randint(1, 4), "sectors": data},
        {"kind": "read-fixable", "count": random.randint(1, 6), "sectors": data},
        {"kind": "write-transient", "count": random.randint(1, 4)},
        {"kind": "write-transient", "count": random.randint(1, 4), "sectors": data},
        {"kind": "write-persistent", "count": random.randint(1, 3), "sectors": data},
        {"kind": "hang", "count": 2, "timeout": "3ms", "sectors": data},
        {"kind": "slow", "delay": "1ms", "probability": 0.2, "sectors": data},
    )
    fault = random.choice(faults)
    if fault["kind"] not in {"fail-stop", "slow"}:
        fault |= random.choice(({}, {"probability": 0.1}, {"nth": random.randrange(1, 100)}))
    return fault | {"may_not_fire": True}


def _members_come_and_go(random: Random, scenario: dict[str, Any], budget: Budget) -> None:
    """Failed members are taken out, taken back, and replaced by others."""
    array, disks, events = scenario["array"], scenario["disks"], scenario["event"]
    # What a spare was given in the slot meanwhile, the bitmap does not tell a former member.
    back = "re_add" if "bitmap" in array and not array["spare_devices"] else "add"
    comes_back = random.random() < 0.5
    if comes_back:
        disk = {"disk": f"disk{random.choice(budget.doubtful)}"}
        fail, gone = random.randrange(10_000), random.randrange(2_000, 10_000)
        events.append({"at": f"{fail}us", "fail": disk})
        events.append({"at": f"{fail + 2000}us", "remove": disk})
        events.append({"at": f"{fail + gone}us", back: disk})
    if not comes_back or back == "add":
        members = array["raid_devices"] + array["spare_devices"]
        for number in range(members, members + random.choice((0, 0, 1, 2))):
            events.append({"at": _time(random, 1), "add": {"disk": f"disk{number}"}})
    # Spares are for the doubtful slots alone, so they may be no better.
    if array["spare_devices"] and random.random() < 0.2:
        fault = {"kind": "fail-stop", "nth": random.randrange(1, 100), "may_not_fire": True}
        disks[f"disk{array['raid_devices']}"] = {"faults": [fault]}


# -- all at once ----------------------------------------------------------------------------------


def _power_is_cut(
    random: Random, scenario: dict[str, Any], budget: Budget, *, degraded: bool
) -> None:
    """The power is cut; nothing else happens then, for parity may be wrong until it is in sync."""
    if random.random() < 0.7:
        scenario["disks"]["model"] = random.choice(_VOLATILE_DRIVES)
    events = scenario["event"]
    cut = random.randrange(100, 30_000)
    if degraded:
        budget.doubt(random, 1)
        fail = {"disk": f"disk{budget.doubtful[0]}"}
        events.append({"at": _time(random, most_us=cut), "fail": fail})
    events.append({"at": f"{cut}us", "cut_power": {"keep": random.choice((0.0, 0.5, 0.9))}})
    events.append({"at": f"{cut + 1000}us", "name": "reboot", "assemble": {}})
    later = scenario["workload"][-1]
    later.pop("start", None)
    later["waits"] = True
    events.append(
        {"when": {"event": {"name": "reboot"}}, "start_workload": {"name": later["name"]}}
    )


def _data_rot(random: Random, scenario: dict[str, Any], budget: Budget, data_offset: int) -> None:
    """One member of some stripes rots while nobody looks; P and Q tell which one."""
    events = scenario["event"]
    for unit in random.sample(range(budget.units), min(5, budget.units)):
        slot = random.randrange(budget.slots)
        sector = data_offset + unit * UNIT_SECTORS + random.randrange(UNIT_SECTORS)
        rot = {"disk": f"disk{slot}", "sector": sector, "length": random.choice((1, 100, 512))}
        events.append({"at": "0ms", "corrupt": rot})
    events.append({"at": "0ms", "repair": {"locate": True}})
    for workload in scenario["workload"]:
        workload["waits"] = True
        workload.pop("start", None)
        start = {"start_workload": {"name": workload["name"]}}
        events.append({"when": {"sync_ended": {"action": "repair"}}, **start})


def _stop_and_go(random: Random, scenario: dict[str, Any]) -> None:
    stop = random.randrange(1000, 20_000)
    scenario["event"].append({"at": f"{stop}us", "stop": {}})
    scenario["event"].append({"at": f"{stop + 1000}us", "assemble": {}})


def _chores(random: Random, budget: Budget, *, replace: bool) -> list[dict[str, Any]]:
    """What an administrator does at any time."""
    events: list[dict[str, Any]] = []
    if random.random() < 0.3:
        events.append({"at": _time(random), random.choice(("check", "repair")): {}})
    if replace and random.random() < 0.3:
        slot = random.choice(budget.doubtful or range(budget.slots))
        events.append({"at": _time(random), "replace": {"disk": f"disk{slot}"}})
    return events
