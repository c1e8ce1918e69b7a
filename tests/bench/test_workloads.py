"""Workloads move what they say, keep their depth, and a wrong byte never passes."""

import numpy as np
import pytest

from raidsim.array import Array, ArraySpec
from raidsim.bench import WORKLOADS, Contents, Workload, run_workload
from raidsim.bench.contents import BLOCK_BYTES
from raidsim.md.mddev import ArrayStateError


@pytest.fixture
def array(tmp_path):
    spec = ArraySpec(level=6, raid_disks=5, layout=2, chunk_sectors=32)
    with Array.create(tmp_path / "arr", spec, image_bytes=4 << 20) as made:
        yield made


def pattern(array):
    contents = Contents(array.size, seed=3)
    run_workload(array, WORKLOADS["write"], contents)
    return contents


def test_a_pass_over_the_array_asks_for_every_block_once(array):
    report = run_workload(array, WORKLOADS["read"], Contents(array.size))
    assert report.requests == array.size // (1 << 20)
    assert len(report.latencies_ns) == report.requests


def test_so_many_requests_are_under_way_and_no_more(array):
    pattern(array)  # past the first write, which md submits again to itself
    seen = []
    depths = []
    submit = array.mddev.submit_bio

    def count(bio):
        seen.append(bio)
        depths.append(sum(not other.done for other in seen))
        submit(bio)

    array.mddev.submit_bio = count
    workload = Workload(name="w", writes=True, random=True, block_bytes=4096, depth=7)
    run_workload(array, workload, Contents(array.size), requests=50)
    assert len(seen) == 50
    assert max(depths) == 7


@pytest.mark.parametrize("name", ["write", "randwrite-4k", "randwrite-64k"])
def test_what_was_written_is_found_again(array, name):
    contents = pattern(array)
    run_workload(array, WORKLOADS[name], contents, requests=100, seed=5)
    assert contents.wrong_blocks_of(array) == 0
    report = run_workload(array, WORKLOADS["randread-4k"], contents, requests=500, verify=True)
    assert report.wrong_blocks == 0


def test_a_changed_byte_is_a_wrong_block(array):
    contents = pattern(array)
    array.write(3 * BLOCK_BYTES + 17, b"\0\1\2")
    assert contents.wrong_blocks_of(array) == 1
    report = run_workload(array, WORKLOADS["read"], contents, verify=True)
    assert report.wrong_blocks == 1


@pytest.mark.parametrize("shift", [1, 4, 12, 16, 64])
def test_a_block_in_the_wrong_place_is_a_wrong_block(array, shift):
    contents = pattern(array)
    array.write(0, array.read(shift * BLOCK_BYTES, BLOCK_BYTES))
    assert contents.wrong_blocks_of(array) == 1


def test_blocks_of_which_nothing_is_known_are_not_wrong(array):
    contents = Contents(array.size)
    assert contents.wrong_blocks(0, np.ones(8 * BLOCK_BYTES, np.uint8)) == 0


def test_the_same_seed_asks_for_the_same_blocks(array):
    def order(seed):
        asked = []
        submit = array.mddev.submit_bio
        array.mddev.submit_bio = lambda bio: (asked.append(bio.sector), submit(bio))
        run_workload(array, WORKLOADS["randread-4k"], Contents(array.size), requests=64, seed=seed)
        array.mddev.submit_bio = submit
        return asked

    assert order(1) == order(1) != order(2)


def test_a_lost_array_is_an_error_and_not_a_figure(array):
    contents = pattern(array)
    for slot in "012":
        array.fail(slot)
    with pytest.raises(ArrayStateError, match="input/output error"):
        run_workload(array, WORKLOADS["read"], contents)


def test_percentiles_are_latencies_that_occurred(array):
    report = run_workload(array, WORKLOADS["randread-4k"], Contents(array.size), requests=200)
    assert report.latency_ns(50) in report.latencies_ns
    assert report.latency_ns(100) == report.latencies_ns.max()
    assert report.latency_ns(50) <= report.latency_ns(99)
