"""An array whose CPU takes time: the same bytes as ever, later, and the same run again."""

import pytest

from raidsim import Machine
from raidsim.array import Array, ArraySpec
from raidsim.array.hardware import SimulatedHardware
from raidsim.bench import Contents, Workload
from raidsim.bench.run import run_workload, run_workloads
from raidsim.cpu import CpuWork, load_cpu_profile
from raidsim.disk.models import load_disk_profile, model_disk

CASES = [(5, "none"), (6, "none"), (5, "mv_xor"), (6, "iop13xx"), (6, "ioat1")]


class Drives(SimulatedHardware):
    profile = load_disk_profile("dc-p4500")

    def disk(self, image):
        return model_disk(self.machine, super().disk(image), self.profile)


def live_through(path, *, engine="none", cpu="rk3588", level=6, **machine):
    """Requests while a member fails and is rebuilt; when it all ended, and how busy the CPU was."""
    made = Machine(4, timed=True, engines=[engine], cpu=cpu, kernel="numpy", **machine)
    spec = ArraySpec(level=level, raid_disks=5, layout=2, chunk_sectors=32, spare_disks=1, name="a")
    with Array.create(path, spec, image_bytes=3 << 19, hardware=Drives(made)) as array:
        contents = Contents(array.size)
        array.go_live()
        made.sim.call_after(300_000, array.fail, "1")
        mixed = Workload(rw="randrw", depth=16, requests=120)
        rows = Workload(name="rows", rw="write", block_bytes=1 << 16, depth=4, passes=1)
        run_workloads(array, [mixed, rows], contents)
        made.sim.run_until(lambda: not array.mddev.degraded, "recovery")
        check = Workload(rw="read", block_bytes=1 << 16, depth=4, passes=1)
        assert not run_workload(array, check, contents).wrong
        array.set("sync_action", "check")
        made.sim.run_until(lambda: array.mddev.sync_thread is None, "check")
        assert array.get("mismatch_cnt") == "0"
        assert made.cpu is None or 0 < made.cpu.busy_ns <= made.sim.cpu_free_ns
        return made.sim.now_ns, made.cpu and made.cpu.busy_ns


@pytest.mark.parametrize(("level", "engine"), CASES)
def test_no_byte_is_lost_and_the_same_seed_gives_the_same_times(tmp_path, level, engine):
    first = live_through(tmp_path / "a", engine=engine, level=level)
    assert live_through(tmp_path / "b", engine=engine, level=level) == first


@pytest.mark.parametrize("engine", ["none", "ioat3.3"])
def test_every_access_is_in_order_whatever_devices_do(tmp_path, engine):
    live_through(tmp_path / "a", engine=engine, sanitize=True, explore=True)


def test_it_takes_longer_the_slower_the_cpu_is(tmp_path):
    ends = [live_through(tmp_path / str(cpu), cpu=cpu)[0] for cpu in (None, "isa-l", "rk3588")]
    assert ends == sorted(ends)
    assert ends[0] < ends[1] < ends[2]


def test_a_4_kib_write_takes_what_its_steps_do(tmp_path):
    made = Machine(timed=True, cpu="isa-l", kernel="numpy")
    spec = ArraySpec(level=6, raid_disks=8, layout=2, chunk_sectors=128, name="a")
    with Array.create(tmp_path / "a", spec, image_bytes=4 << 20, hardware=Drives(made)) as array:
        array.write(0, b"x")
        made.sim.run()
        work = []
        made.sim.hook.subscribe(lambda _, event: isinstance(event, CpuWork) and work.append(event))
        array.write(1 << 20, b"y" * 4096)
        made.sim.run()
    steps = load_cpu_profile("isa-l")
    took_ns = {}
    for event in work:
        took_ns.setdefault(event.what, []).append(event.duration_ns)
    # Read three blocks; take the old data out, copy, put the new in; write three; see them written.
    assert set(took_ns) == {"stripe", "request", "memcpy", "xor_syndrome"}
    assert took_ns["request"] == [3 * steps.request_ns] * 2
    assert took_ns["stripe"] == [steps.stripe_ns] * 4
    assert len(took_ns["xor_syndrome"]) == 2
    assert len(took_ns["memcpy"]) == 1
