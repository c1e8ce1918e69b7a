from __future__ import annotations

import random

import pytest
from nbd_rig import make_array, served

from raidsim.nbd import protocol as p

HOLE = p.NBD_STATE_HOLE | p.NBD_STATE_ZERO
CHUNK = 65536


def extents(client, offset, length, flags=0):
    """All extents of a range, as (start, end, status), however many requests that takes."""
    found = []
    end = offset + length
    while offset < end:
        reply = client.call(p.NBD_CMD_BLOCK_STATUS, offset, end - offset, flags=flags)
        assert reply.error == 0
        (told,) = reply.extents.values()
        assert sum(size for size, _ in told) <= end - offset
        for size, status in told:
            if found and found[-1][2] == status:
                found[-1] = found[-1][0], offset + size, status
            else:
                found.append((offset, offset + size, status))
            offset += size
    assert offset == end
    return found


@pytest.fixture
def server(tmp_path):
    path = make_array(tmp_path / "array", level=6, disks=5, chunk_sectors=CHUNK // 512)
    with served(path) as server:
        yield server


@pytest.fixture
def allocation(server):
    with server.client(contexts=["base:allocation"]) as client:
        yield client


@pytest.fixture
def health(server):
    with server.client(contexts=["raidsim:health"]) as client:
        yield client


def test_an_array_of_zeros_is_one_hole(server, allocation):
    size = server.array.size
    assert extents(allocation, 0, size) == [(0, size, HOLE)]


def test_what_was_written_is_no_hole(allocation):
    allocation.write(CHUNK, b"d" * 2 * CHUNK)
    found = extents(allocation, 0, 6 * CHUNK)
    assert found == [(0, CHUNK, HOLE), (CHUNK, 3 * CHUNK, 0), (3 * CHUNK, 6 * CHUNK, HOLE)]


def test_holes_never_hide_data(allocation):
    """Wherever it says zeros, there are zeros."""
    rng = random.Random(5)
    for _ in range(30):
        allocation.write(rng.randrange(0, 3 << 20), rng.randbytes(rng.randrange(1, 20_000)))
    offset, length = 1111, 2 << 20
    for start, end, status in extents(allocation, offset, length):
        if status:
            assert allocation.read(start, end - start) == bytes(end - start)


def test_what_a_missing_member_held_counts_as_data(server, allocation):
    server.call(server.array.fail, "disk0.img")
    geometry = server.array.mddev.geometry
    for chunk in range(15):
        member = geometry.compute_sector(chunk * CHUNK // 512)[1]
        expected = (chunk * CHUNK, (chunk + 1) * CHUNK, 0 if member == 0 else HOLE)
        assert extents(allocation, chunk * CHUNK, CHUNK) == [expected]


def test_one_extent_if_only_one_is_asked_for(allocation):
    allocation.write(0, b"x" * 512)
    reply = allocation.call(p.NBD_CMD_BLOCK_STATUS, 0, 4 * CHUNK, flags=p.NBD_CMD_FLAG_REQ_ONE)
    ((told,),) = reply.extents.values()
    assert told[1] == 0


def test_both_contexts_are_told_of_in_one_reply(server):
    with server.client(contexts=["base:allocation", "raidsim:health"]) as client:
        reply = client.call(p.NBD_CMD_BLOCK_STATUS, 0, CHUNK)
        assert reply.extents == {1: [(CHUNK, HOLE)], 2: [(CHUNK, 0)]}
        assert reply.chunks[-1] == p.NBD_REPLY_TYPE_NONE


def test_a_healthy_array_is_clean(server, health):
    size = server.array.size
    assert extents(health, 0, size) == [(0, size, p.HEALTH_CLEAN)]


def test_an_array_that_lacks_a_member_is_degraded(server, health):
    server.call(server.array.fail, "disk0.img")
    assert extents(health, 0, 512) == [(0, 512, p.HEALTH_DEGRADED)]


def test_an_array_that_lacks_too_many_is_bad(server, health):
    for slot in range(3):
        server.call(server.array.fail, f"disk{slot}.img")
    assert extents(health, 512, 512) == [(512, 1024, p.HEALTH_BAD)]


def test_what_is_still_to_be_rebuilt_is_told_from_what_is(server, health, tmp_path):
    array = server.array
    row = 3 * CHUNK

    def paused():
        thread = array.mddev.sync_thread
        return thread is not None and thread.paused

    def pause_and_add():
        array.set("sync_max", str(2 * CHUNK // 512))
        array.fail("disk0.img")
        array.remove("disk0.img")
        array.add(tmp_path / "new.img")
        array.machine.sim.run_until(paused, "the pause")

    server.call(pause_and_add)
    rebuilding = p.HEALTH_DEGRADED | p.HEALTH_REBUILDING
    reached = next(r.recovery_offset for r in array.mddev.rdevs if r.recovering) * 512
    assert 0 < reached < array.mddev.dev_sectors * 512
    found = extents(health, 0, array.size)
    rows, rest = divmod(reached, CHUNK)
    if not rest:
        assert found == [(0, rows * row, 0), (rows * row, array.size, rebuilding)]
    with server.client(contexts=["base:allocation"]) as allocation:
        statuses = {status for *_, status in extents(allocation, 0, array.size)}
    assert statuses == {0, HOLE}  # the new image has holes that say nothing yet
    server.call(array.set, "sync_max", "max")


def test_a_hole_of_a_member_with_bad_blocks_says_nothing(server, allocation):
    def spoil():
        for rdev in server.array.mddev.rdevs:
            rdev.bad_blocks.set(rdev.data_offset + 8, 8)

    server.call(spoil)
    assert extents(allocation, 0, CHUNK) == [(0, CHUNK, 0)]


def test_bad_blocks_show_where_they_are_in_each_chunk_of_their_row(server, health):
    def spoil(slots):
        for rdev in server.array.mddev.rdevs:
            if rdev.raid_disk in slots:
                rdev.bad_blocks.set(rdev.data_offset + 8, 8)
        server.array.mddev.personality.conf.refresh_members()

    server.call(spoil, {0})
    degraded = [
        (0, 4096, 0),
        (4096, 8192, p.HEALTH_DEGRADED),
        (8192, CHUNK + 4096, 0),
        (CHUNK + 4096, CHUNK + 8192, p.HEALTH_DEGRADED),
        (CHUNK + 8192, 2 * CHUNK + 4096, 0),
        (2 * CHUNK + 4096, 2 * CHUNK + 8192, p.HEALTH_DEGRADED),
        (2 * CHUNK + 8192, 6 * CHUNK, 0),
    ]
    assert extents(health, 0, 6 * CHUNK) == degraded
    server.call(spoil, {1, 2})
    assert extents(health, 4096, 4096) == [(4096, 8192, p.HEALTH_BAD)]
