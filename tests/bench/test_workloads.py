"""Workloads move what they say, keep their depth and their times, and a wrong byte never passes."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from raidsim import Machine
from raidsim.array import Array, ArraySpec
from raidsim.array.hardware import SimulatedHardware
from raidsim.bench import WORKLOADS, Contents, Workload, WorkloadRunner, run_workload, run_workloads
from raidsim.disk.models import load_disk_profile, model_disk
from raidsim.errors import UsageError
from raidsim.md.bio import FLUSH, READ, WRITE
from raidsim.md.mddev import ArrayStateError

SPEC = ArraySpec(level=6, raid_disks=5, layout=2, chunk_sectors=32)
MS = 1_000_000


@pytest.fixture
def array(tmp_path):
    with Array.create(tmp_path / "arr", SPEC, image_bytes=4 << 20) as made:
        yield made


class Timed(SimulatedHardware):
    """Every member is an NVMe drive."""

    def disk(self, image):
        return model_disk(self.machine, image, load_disk_profile("dc-p4500"))


@pytest.fixture
def timed(tmp_path):
    hardware = Timed(Machine(seed=1, timed=True))
    with Array.create(tmp_path / "arr", SPEC, image_bytes=4 << 20, hardware=hardware) as made:
        made.go_live()
        yield made


def asked_for(array):
    """Bios, as they are submitted."""
    seen = []
    submit = array.mddev.submit_bio
    array.mddev.submit_bio = lambda bio: (seen.append(bio), submit(bio))
    return seen


def written(array):
    contents = Contents(array.size, seed=3)
    run_workload(array, WORKLOADS["write"], contents)
    return contents


def test_a_pass_over_the_array_asks_for_every_block_once(array):
    report = run_workload(array, WORKLOADS["read"], Contents(array.size))
    assert report.reads.requests == array.size // (1 << 20)
    assert report.reads.bytes == array.size // (1 << 20) << 20
    assert report.writes.requests == 0


def test_so_many_requests_are_under_way_and_no_more(array):
    written(array)  # past the first write, which md submits again to itself
    seen = []
    depths = []
    submit = array.mddev.submit_bio

    def count(bio):
        seen.append(bio)
        depths.append(sum(not other.done for other in seen))
        submit(bio)

    array.mddev.submit_bio = count
    workload = Workload(rw="randwrite", depth=7, requests=50)
    run_workload(array, workload, Contents(array.size))
    assert len(seen) == 50
    assert max(depths) == 7


@pytest.mark.parametrize("name", ["write", "randwrite-4k", "randwrite-64k"])
def test_what_was_written_is_found_again(array, name):
    contents = written(array)
    run_workload(array, replace(WORKLOADS[name], requests=100), contents, seed=5)
    assert not len(contents.wrong_sectors_of(array))
    report = run_workload(array, Workload(rw="randread", depth=32, requests=500), contents)
    assert report.reads.requests == 500
    assert not report.wrong


def test_requests_smaller_than_a_page_meet_in_it_and_are_found_again(array):
    workload = Workload(
        rw="randrw", block_split=((512, 3), (1024, 1), (6144, 1)), size_bytes=128 << 10, depth=16
    )
    contents = Contents(array.size, zeros=True)
    report = run_workload(array, replace(workload, requests=1500), contents)
    assert report.reads.requests > 500
    assert report.writes.requests > 500
    assert not report.wrong
    assert not len(contents.wrong_sectors_of(array))


def test_workloads_at_once_keep_out_of_each_others_way(array):
    contents = Contents(array.size, zeros=True)
    both = [Workload(name=n, rw="randrw", depth=8, requests=400, size_bytes=1 << 20) for n in "ab"]
    reports = run_workloads(array, both, contents)
    assert [report.transfers.requests for report in reports] == [400, 400]
    assert not any(report.wrong for report in reports)
    assert not len(contents.wrong_sectors_of(array))


def test_a_changed_byte_is_a_wrong_sector(array):
    contents = written(array)
    array.write(3 * 4096 + 512, b"\0\1\2")
    assert contents.wrong_sectors_of(array).tolist() == [25]
    report = run_workload(array, Workload(block_bytes=1 << 20), contents)
    assert report.wrong == (25,)


def test_the_region_is_kept(array):
    seen = asked_for(array)
    region = {"offset_bytes": 1 << 20, "size_bytes": 96 << 10}
    for rw in ("read", "randread"):
        run_workload(array, Workload(rw=rw, **region, requests=200), Contents(array.size))
    sectors = {bio.sector for bio in seen}
    assert min(sectors) == 2048
    assert max(sectors) == 2048 + 192 - 8
    with pytest.raises(UsageError, match="does not fit an array of"):
        run_workload(array, Workload(offset_bytes=array.size), Contents(array.size))


def test_the_same_seed_asks_for_the_same_requests(array):
    def order(seed):
        seen = asked_for(array)
        workload = Workload(rw="randrw", block_split=((4096, 1), (8192, 1)), requests=64)
        run_workload(array, workload, Contents(array.size), seed=seed)
        return [(bio.operation, bio.sector, len(bio.buffer)) for bio in seen]

    assert order(1) == order(1) != order(2)


def test_flushes_and_fua_come_after_so_many_writes(array):
    written(array)
    seen = asked_for(array)
    workload = Workload(rw="write", requests=9, flush_every=3, fua_every=2)
    run_workload(array, workload, Contents(array.size))
    assert [bio.operation for bio in seen] == [WRITE, WRITE, WRITE, FLUSH] * 2 + [WRITE]
    assert [bio.fua for bio in seen if bio.operation == WRITE] == [0, 1, 0, 1, 0, 1, 0]


def test_a_lost_array_is_an_error_and_not_a_figure(array):
    contents = written(array)
    for slot in "012":
        array.fail(slot)
    with pytest.raises(ArrayStateError, match="read: input/output error: read of 1048576 bytes"):
        run_workload(array, WORKLOADS["read"], contents)


def test_a_workload_may_go_on_when_the_array_is_lost(array):
    contents = written(array)
    for slot in "012":
        array.fail(slot)
    workload = Workload(rw="randrw", requests=100, continue_on_error=True, depth=4)
    report = run_workload(array, workload, contents)
    assert report.reads.errors > 0
    assert report.writes.requests == 0  # a failed array takes none
    assert report.errors + report.reads.requests == 100
    assert not report.wrong


def test_percentiles_are_latencies_that_occurred(array):
    workload = replace(WORKLOADS["randread-4k"], requests=200)
    report = run_workload(array, workload, Contents(array.size))
    assert report.latency_ns(50) in report.reads.latencies_ns
    assert report.latency_ns(100) == report.reads.latencies_ns.max()
    assert report.latency_ns(50) <= report.latency_ns(99)


def test_without_virtual_time_there_are_no_rates(array):
    with pytest.raises(UsageError, match="need virtual time"):
        run_workload(array, Workload(rate_per_second=10), Contents(array.size))


def test_requests_come_at_their_rate_ended_or_not_those_before(timed):
    seen = []
    submit = timed.mddev.submit_bio
    sim = timed.machine.sim
    timed.mddev.submit_bio = lambda bio: (seen.append((sim.now_ns, bio)), submit(bio))
    workload = Workload(rw="randread", rate_per_second=1000, duration_ns=20 * MS, start_ns=5 * MS)
    report = run_workload(timed, workload, Contents(timed.size))
    times = [time_ns for time_ns, _ in seen]
    assert [time_ns - times[0] for time_ns in times] == [n * MS for n in range(20)]
    assert times[0] >= 5 * MS
    assert report.reads.requests == 20


def test_more_than_the_array_takes_waits_and_its_latency_tells(timed):
    contents = Contents(timed.size)
    workload = Workload(rw="randread", rate_per_second=1_000_000, requests=300, depth=1)
    behind = run_workload(timed, workload, contents)
    alone = run_workload(timed, Workload(rw="randread", requests=300), contents)
    assert behind.latency_ns(100) > 50 * alone.latency_ns(50)
    assert behind.elapsed_ns == pytest.approx(alone.elapsed_ns, rel=0.1)


def test_poisson_arrivals_have_their_rate_and_their_spread(timed):
    seen = []
    submit = timed.mddev.submit_bio
    sim = timed.machine.sim
    timed.mddev.submit_bio = lambda bio: (seen.append(sim.now_ns), submit(bio))
    workload = Workload(rw="randread", rate_per_second=10_000, arrivals="poisson", requests=2000)
    run_workload(timed, workload, Contents(timed.size))
    gaps = np.diff(seen)
    assert gaps.mean() == pytest.approx(MS / 10, rel=0.1)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.1)


def test_thinking_takes_its_time(timed):
    contents = Contents(timed.size)
    plain = run_workload(timed, Workload(rw="randread", requests=20), contents)
    slow = run_workload(timed, Workload(rw="randread", requests=20, think_ns=MS), contents)
    assert slow.elapsed_ns == pytest.approx(plain.elapsed_ns + 19 * MS, rel=0.02)


def test_a_workload_on_a_live_array_is_driven_by_callbacks(timed):
    ended = []
    contents = Contents(timed.size, zeros=True)
    workload = Workload(rw="randwrite", duration_ns=10 * MS, depth=4)
    runner = WorkloadRunner(timed, workload, contents, Random(1), ended.append)
    runner.start()
    sim = timed.machine.sim
    sim.run_until_ns(sim.now_ns + 5 * MS)
    timed.fail("1")
    assert not runner.done
    sim.run_until(lambda: runner.done)
    assert ended == [runner]
    assert runner.report().elapsed_ns == pytest.approx(10 * MS, rel=0.1)
    assert not len(contents.wrong_sectors_of(timed))


def test_a_runner_that_is_stopped_ends_what_is_under_way(timed):
    contents = Contents(timed.size)
    runner = WorkloadRunner(
        timed, Workload(rw="randread", depth=4, requests=10**9), contents, Random(1)
    )
    runner.start()
    sim = timed.machine.sim
    sim.run_until_ns(sim.now_ns + MS)
    runner.stop()
    sim.run_until(lambda: runner.done)
    assert runner.report().reads.requests > 4


def test_what_was_under_way_when_a_runner_is_abandoned_is_old_or_new(timed):
    contents = Contents(timed.size, zeros=True)
    workload = Workload(rw="write", block_bytes=64 << 10, depth=8)
    runner = WorkloadRunner(timed, workload, contents, Random(1))
    seen = asked_for(timed)
    runner.start()
    sim = timed.machine.sim
    sim.run_until(lambda: len(seen) > 20)
    runner.abandon()
    assert runner.done
    under_way = [bio for bio in seen if not bio.done]
    assert under_way
    for bio in under_way:
        offset = bio.sector << 9
        assert not len(contents.wrong_sectors(offset, np.zeros(64 << 10, np.uint8)))
        assert not len(contents.wrong_sectors(offset, bio.buffer))
        assert len(contents.wrong_sectors(offset, np.ones(64 << 10, np.uint8))) == 128
    assert READ not in {bio.operation for bio in under_way}
