"""Models of drives: they conform, obey queueing theory, and move as an arm and a platter do."""

from statistics import mean

import numpy as np
import pytest

from raidsim import Machine
from raidsim.disk import FLUSH, READ, WRITE, DiskRequest, MemoryDisk
from raidsim.disk.events import DiskServiced
from raidsim.disk.faults import FaultyDisk, PowerCut, PowerSupply, disk_fault
from raidsim.disk.models import disk_profile, disk_profile_names, load_disk_profile, model_disk
from raidsim.disk.stack import stack_disk
from raidsim.tables import TableError
from raidsim.testing import check_block_device, measure_figure

SECTORS = 1 << 17
MS, SECOND = 1_000_000, 1_000_000_000
TURN = SECOND * 60 // 7200
OWN = "a path that ends in .toml names one of your own"
FIXED = {"kind": "fixed", "description": "", "service_ns": 1_000_000}
HDD = {
    "kind": "hdd",
    "description": "",
    "revolutions_per_minute": 7200,
    "outer_bytes_per_second": 200_000_000,
    "inner_bytes_per_second": 100_000_000,
    "track_switch_ns": 1_000_000,
    "single_track_seek_ns": 1_000_000,
    "average_seek_ns": 8_000_000,
    "full_stroke_seek_ns": 16_000_000,
    "command_ns": 100_000,
}
MODELS = [*disk_profile_names(), FIXED, HDD, {**HDD, "cache_bytes": 1 << 16}]
NAMES = [*disk_profile_names(), "fixed", "hdd", "hdd-cached"]


class Lab:
    """A drive on a timed machine, and a log of what it did."""

    def __init__(self, model, *, timed=True, seed=0, kernel="numpy", sectors=SECTORS):
        self.machine = Machine(seed, timed=timed, kernel=kernel)
        self.sim = self.machine.sim
        profile = load_disk_profile(model) if isinstance(model, str) else disk_profile(model)
        self.disk = model_disk(self.machine, MemoryDisk("disk0", sectors), profile)
        self.log = []  # (name, submitted, ended)

    def submit(self, name, operation, sector=0, sectors=8, *, fua=False):
        buffer = None if operation == FLUSH else np.zeros(sectors * 512, np.uint8)
        owner = (name, self.sim.now_ns)
        self.disk.submit(DiskRequest(operation, sector, buffer, self.end, owner=owner, fua=fua))

    def end(self, request):
        self.log.append((*request.owner, self.sim.now_ns))

    def do(self, *arguments, **settings):
        """Carry one access out; how long it took."""
        self.submit("", *arguments, **settings)
        self.sim.run()
        _, submitted, ended = self.log[-1]
        return ended - submitted

    def order(self):
        return [name for name, _, _ in self.log]


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_every_model_conforms(model):
    def make(machine):
        return stack_disk(machine, MemoryDisk("disk0", 4096), {"model": model}).disk

    assert check_block_device(make, completes_later=True).not_applicable == ("durability",)


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_what_a_model_says_is_flushed_outlives_a_power_cut(model):
    supplies = []

    def make(machine):
        supplies.append(PowerSupply(machine))
        return stack_disk(machine, MemoryDisk("disk0", 4096), {"model": model}, supplies[-1]).disk

    def cut_power(disk):
        supplies[-1].cut()
        return disk.storage.disk

    assert check_block_device(make, completes_later=True, cut_power=cut_power).not_applicable == ()


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_the_same_seed_gives_the_same_log_whatever_the_kernel(model):
    def log(seed, kernel):
        lab = Lab(model, seed=seed, kernel=kernel)
        random = lab.sim.random("workload")
        for number in range(300):
            operation = random.choice([READ, WRITE, WRITE, FLUSH])
            sector = random.randrange(SECTORS - 64) if operation != FLUSH else 0
            lab.sim.call_after(random.randrange(40 * MS), lab.submit, number, operation, sector)
        lab.sim.run()
        assert len(lab.log) == 300
        return lab.log

    assert log(1, "numpy") == log(1, None) != log(2, "numpy")


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_on_an_untimed_machine_no_time_passes(model):
    lab = Lab(model, timed=False)
    assert [lab.do(WRITE), lab.do(READ), lab.do(FLUSH)] == [0, 0, 0]


def test_an_access_is_told_with_its_times():
    lab, events = Lab(FIXED), []
    lab.sim.hook.subscribe(lambda _, event: events.append(event))
    lab.submit("a", READ, 8)
    lab.submit("b", WRITE, 64, 16)
    lab.submit("c", FLUSH)
    lab.sim.run()
    assert events == [
        DiskServiced("disk0", "read", 8, 8, 0, 0),
        DiskServiced("disk0", "flush", 0, 0, 0, 0),
        DiskServiced("disk0", "write", 64, 16, 0, MS),
    ]
    assert (lab.disk.served, lab.disk.busy_ns) == (2, 2 * MS)


def test_a_fault_below_a_model_takes_the_time_of_the_access():
    machine = Machine(timed=True, kernel="numpy")
    broken = FaultyDisk(machine, MemoryDisk("disk0", 64), disk_fault({"kind": "fail-stop"}))
    disk, ended = model_disk(machine, broken, disk_profile(FIXED)), []
    request = DiskRequest(
        READ, 0, np.zeros(512, np.uint8), lambda _: ended.append(machine.sim.now_ns)
    )
    disk.submit(request)
    machine.sim.run()
    assert (request.status, ended) == (5, [MS])


# Queues with a known service time.


def poisson(model, load, accesses=20_000, servers=1):
    """Random arrivals at a server that is busy for ``load`` of the time."""
    lab = Lab({**model, "queue_depth": 1 << 20}, seed=7)
    random = lab.sim.random("arrivals")
    time_ns = 0
    for number in range(accesses):
        time_ns += int(random.expovariate(load * servers / MS))
        lab.sim.call_after(time_ns, lab.submit, number, READ)
    lab.sim.run()
    return lab


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_the_mean_wait_is_that_of_an_m_d_1_queue(load):
    lab = poisson(FIXED, load)
    waits = [ended - submitted - MS for _, submitted, ended in lab.log]
    assert mean(waits) == pytest.approx(MS * load / (2 * (1 - load)), rel=0.05)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_utilisation_is_throughput_times_service_time(load):
    lab = poisson(FIXED, load)
    throughput = lab.disk.served / lab.sim.now_ns
    assert lab.disk.busy_ns / lab.sim.now_ns == throughput * MS
    assert lab.disk.busy_ns / lab.sim.now_ns == pytest.approx(load, rel=0.02)


def test_littles_law_holds():
    lab = poisson(FIXED, 0.7)
    area = sum(ended - submitted for _, submitted, ended in lab.log)
    changes = sorted(
        [(submitted, 1) for _, submitted, _ in lab.log] + [(ended, -1) for *_, ended in lab.log]
    )
    count = total = last = 0
    for time_ns, change in changes:
        total += count * (time_ns - last)
        count, last = count + change, time_ns
    assert total == area


def test_servers_side_by_side_serve_side_by_side():
    lab = Lab({**FIXED, "parallelism": 3, "bytes_per_second": 4_096_000})
    for number in range(7):
        lab.submit(number, READ)
    lab.sim.run()
    assert [ended for *_, ended in lab.log] == [2 * MS] * 3 + [4 * MS] * 3 + [6 * MS]


def test_a_drive_takes_no_more_commands_than_its_queue_is_deep():
    lab = Lab({**FIXED, "queue_depth": 2, "parallelism": 8})
    for number in range(6):
        lab.submit(number, READ)
    lab.sim.run()
    assert [ended for *_, ended in lab.log] == [MS, MS, 2 * MS, 2 * MS, 3 * MS, 3 * MS]


# Hard disks.


def test_a_sequential_read_at_depth_1_runs_at_the_sustained_rate_of_its_zone():
    for first, rate in ((0, 200e6), (SECTORS - 12_800, 100e6)):
        lab = Lab(HDD)
        lab.do(READ, first, 256)
        start_ns = lab.sim.now_ns
        for number in range(1, 50):
            lab.do(READ, first + number * 256, 256)
        measured = 49 * 256 * 512 * SECOND / (lab.sim.now_ns - start_ns)
        assert measured == pytest.approx(rate, rel=0.1)


def test_a_sequential_write_without_a_cache_loses_a_turn_each_time():
    lab = Lab(HDD)
    lab.do(WRITE, 0, 8)
    times = [lab.do(WRITE, number * 8, 8) for number in range(1, 20)]
    assert mean(times) == pytest.approx(TURN, rel=0.05)


def test_queued_sequential_writes_lose_no_turn():
    lab = Lab({**HDD, "scheduler": "none", "zones": 1})
    for number in range(32):
        lab.submit(number, WRITE, number * 512, 512)
    lab.sim.run()
    assert lab.order() == list(range(32))
    start_ns = lab.log[0][2]
    rate = 31 * 512 * 512 * SECOND / (lab.log[-1][2] - start_ns)
    assert rate == pytest.approx(200e6, rel=0.05)


def test_a_random_read_takes_a_seek_and_half_a_turn():
    lab = Lab(HDD)
    random = lab.sim.random("workload")
    times = [lab.do(READ, random.randrange(SECTORS - 8), 8) for _ in range(1500)]
    # Over random sectors, of which outer tracks have more, seeks are a little shorter.
    assert mean(times) == pytest.approx(8 * MS + TURN / 2 + 0.1 * MS, rel=0.05)
    assert min(times) < 4 * MS
    assert max(times) < 16 * MS + TURN + MS


def test_a_seek_before_a_write_takes_longer():
    def mean_time(operation):
        lab = Lab({**HDD, "write_settle_ns": 3 * MS})
        random = lab.sim.random("workload")
        return mean(lab.do(operation, random.randrange(SECTORS - 8), 8) for _ in range(1500))

    assert mean_time(WRITE) - mean_time(READ) == pytest.approx(3 * MS, rel=0.1)


def test_the_drive_reads_ahead_until_its_buffer_is_full():
    lab = Lab(HDD)
    lab.do(READ, 0, 64)
    lab.sim.call_after(SECOND, lambda: None)
    lab.sim.run()
    assert lab.do(READ, 64, 1024) < 2 * MS  # 512 KiB of 1 MiB are in the buffer
    lab.sim.call_after(SECOND, lambda: None)
    lab.sim.run()
    assert lab.do(READ, 1088, 8192) > 3 * 1048576 * SECOND / 200e6  # 4 MiB are not


def test_the_arm_moves_inwards_with_the_sectors():
    lab = Lab(HDD)
    platter = lab.disk._platter
    positions = [platter.place(sector).position for sector in range(0, SECTORS, 1000)]
    assert positions == sorted(set(positions))
    assert positions[0] == 0
    assert 0.97 < positions[-1] < 1


def test_a_deep_queue_makes_random_reads_faster():
    def rate(depth):
        reads = {"operation": "read", "pattern": "random", "block_bytes": 4096}
        table = {**HDD, "published": [{**reads, "queue_depth": depth, "operations_per_second": 1}]}
        profile = disk_profile(table)
        return measure_figure(profile, profile.published[0], operations=1000)

    rates = [rate(depth) for depth in (1, 4, 16, 32)]
    assert rates == sorted(rates)
    assert 1.5 * rates[0] < rates[-1] < 4 * rates[0]


def test_a_far_command_does_not_starve():
    lab = Lab({**HDD, "queue_depth": 8, "scheduler": "none"})
    lab.submit("near", READ, 0)
    lab.submit("far", READ, SECTORS - 8)
    random = lab.sim.random("workload")
    for number in range(2000):
        lab.submit(number, READ, random.randrange(2000))
    lab.sim.run()
    _, submitted, ended = next(entry for entry in lab.log if entry[0] == "far")
    assert ended - submitted < 1.1 * SECOND


def test_a_cached_write_ends_at_once_and_a_flush_waits_for_it():
    lab = Lab({**HDD, "cache_bytes": 1 << 20})
    writes = []
    for number in range(8):
        lab.submit(number, WRITE, number * 10_000, 8)
    lab.submit("flush", FLUSH)
    lab.sim.run()
    ends = {name: ended for name, _, ended in lab.log}
    writes = [ends[number] for number in range(8)]
    assert max(writes) < MS
    assert ends["flush"] < MS  # it came before they were in the cache
    assert lab.do(FLUSH) < MS  # by now they are destaged
    lab.do(WRITE, 5000, 8)
    for number in range(8):
        lab.submit(number, WRITE, number * 10_000, 8)
    lab.sim.run_until(lambda: len(lab.log) == 19, "the writes")
    start_ns = lab.sim.now_ns
    lab.submit("flush", FLUSH)
    lab.sim.run()
    assert lab.log[-1][0] == "flush"
    assert lab.sim.now_ns - start_ns > 20 * MS


def test_a_flush_waits_for_the_write_that_is_being_destaged():
    lab = Lab({**HDD, "cache_bytes": 1 << 20})
    lab.submit("write", WRITE, SECTORS // 2)
    lab.sim.run_until(lambda: lab.log, "the write")
    assert lab.do(FLUSH) > 3 * MS


def test_cached_writes_are_destaged_in_a_better_order_than_they_came():
    lab = Lab({**HDD, "cache_bytes": 4 << 20, "scheduler": "none"}, sectors=1 << 21)
    random = lab.sim.random("workload")
    for number in range(600):
        lab.submit(number, WRITE, random.randrange((1 << 21) - 8) & ~7, 8)
    lab.sim.run()
    assert lab.do(FLUSH) < MS
    # By sectors alone it would be 4.2 ms, as they came 12.
    assert lab.disk.busy_ns / 600 < 3.6 * MS


def test_fua_is_written_through_the_cache():
    lab = Lab({**HDD, "cache_bytes": 1 << 20})
    assert lab.do(WRITE, 60_000, 8) < MS
    assert lab.do(WRITE, 100, 8, fua=True) > MS


def test_a_full_cache_takes_writes_at_the_arms_pace():
    lab = Lab({**HDD, "cache_bytes": 1 << 16})
    random = lab.sim.random("workload")
    for number in range(200):
        lab.submit(number, WRITE, random.randrange(SECTORS - 8) & ~7, 8)
    lab.sim.run()
    ends = [ended for *_, ended in lab.log]
    assert ends[10] < 2 * MS  # 16 writes of 4 KiB fit
    assert MS < (ends[-1] - ends[20]) / 180 < 10 * MS


# Solid-state drives.


def test_reads_of_a_die_that_collects_garbage_wait():
    lab = Lab("dc-s4500")
    random = lab.sim.random("workload")
    quiet = [lab.do(READ, random.randrange(SECTORS // 8) * 8) for _ in range(300)]
    for number in range(2000):
        lab.sim.call_after(number * 60_000, lab.submit, "w", WRITE, random.randrange(16_000) * 8)
        lab.sim.call_after(number * 60_000, lab.submit, "r", READ, random.randrange(16_000) * 8)
    lab.sim.run()
    busy = sorted(ended - begun for name, begun, ended in lab.log if name == "r")
    assert max(quiet) < 120_000
    assert busy[len(busy) // 2] < 200_000
    assert busy[-1] > MS


def test_a_flush_of_a_volatile_buffer_waits_until_it_is_empty():
    times = {}
    for name in ("850-evo", "dc-s4500"):
        lab = Lab(name)
        for number in range(32):
            lab.submit(number, WRITE, number * 999, 64)
        lab.sim.run_until(lambda lab=lab: len(lab.log) == 32, "the writes")
        times[name] = lab.do(FLUSH)
    assert times["dc-s4500"] == 50_000
    assert times["850-evo"] > 600_000


def test_fua_waits_for_a_volatile_buffer_and_not_for_one_that_is_saved():
    times = {}
    for name in ("850-evo", "dc-s4500"):
        lab = Lab(name)
        for number in range(8):
            lab.submit("plain", WRITE, number * 999, 256)
        lab.submit("plain", WRITE, 90_000)
        lab.submit("fua", WRITE, 100_000, fua=True)
        lab.sim.run()
        ends = [(name, ended) for name, _, ended in lab.log]
        plain = max(ended for name, ended in ends if name == "plain")
        times[name] = dict(ends)["fua"] - plain
    assert times["dc-s4500"] < 20_000 < times["850-evo"]


def test_reads_travel_beside_writes_on_pcie_and_in_turns_with_them_on_sata():
    def slowdown(name):
        alone, beside = Lab(name), Lab(name)
        for lab in (alone, beside):
            for number in range(64):
                if lab is beside:
                    lab.submit("w", WRITE, 60_000 + number * 128, 128)
                lab.submit("r", READ, number * 256, 256)
            lab.sim.run()
        last = [max(end for name, _, end in lab.log if name == "r") for lab in (alone, beside)]
        return last[1] / last[0]

    assert slowdown("dc-p4500") < 1.01
    assert slowdown("dc-s4500") > 1.05


# Stacks.


def test_a_stack_is_built_from_one_table():
    machine = Machine(timed=True, kernel="numpy")
    table = {
        "model": FIXED,
        "faults": [
            {"kind": "read-fixable", "sectors": [[8, 8]]},
            {"kind": "slow", "delay_ns": 500},
        ],
    }
    stack = stack_disk(machine, MemoryDisk("disk0", 64), table)
    ended = []
    for sector in (0, 8):
        buffer = np.zeros(512, np.uint8)
        stack.disk.submit(
            DiskRequest(
                READ, sector, buffer, lambda r: ended.append((r.status, machine.sim.now_ns))
            )
        )
    machine.sim.run()
    assert ended == [(0, MS + 500), (5, 2 * MS + 500)]
    assert [faulty.fault.fired for faulty in stack.faults] == [1, 2]


@pytest.mark.parametrize(("model", "left"), [("850-evo", 0), ("dc-s4500", 7)])
def test_a_plugged_stack_loses_what_its_drive_would(model, left):
    machine, image = Machine(timed=True, kernel="numpy"), MemoryDisk("disk0", 64)
    supply = PowerSupply(machine, PowerCut(enabled=False, keep=0.0))
    disk = stack_disk(machine, image, {"model": model}, supply).disk
    ended = []
    disk.submit(DiskRequest(WRITE, 0, np.full(512, 7, np.uint8), ended.append))
    machine.sim.run()
    assert ended
    supply.cut()
    assert image.image[0] == left


def test_a_stack_without_anything_is_the_image():
    image = MemoryDisk("disk0", 64)
    assert stack_disk(Machine(), image, {}) == (image, ())


def test_all_that_is_wrong_with_a_stack_is_told_at_once():
    table = {
        "modle": 1,
        "model": "dc-s450",
        "faults": [{"kind": "slwo"}, 7, {"kind": "slow", "delay_ns": 0, "nth": "a"}],
    }
    with pytest.raises(TableError) as caught:
        stack_disk(Machine(), MemoryDisk("disk0", 64), table)
    assert caught.value.mistakes == (
        "unknown modle: did you mean 'model'?",
        f"model: no disk profile 'dc-s450' (did you mean 'dc-s4500'?); {OWN}",
        "faults[0]: kind = 'slwo': did you mean 'slow'?",
        "faults[1] = 7: expected a table",
        "faults[2]: nth = 'a': expected a whole number",
        "faults[2]: delay_ns = 0: at least 1",
    )
