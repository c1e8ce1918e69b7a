"""What is explained is what the array does, and nothing of it stays."""

import hashlib
from collections import Counter
from random import Random

import pytest

from raidsim.array import Array, ArraySpec, forget_image
from raidsim.array.directory import ArrayDirectory
from raidsim.errors import RaidsimError, UsageError
from raidsim.explain import explain_request
from raidsim.md.mddev import ArrayStateError
from raidsim.md.placement import BitmapWish

CHUNK = 64 << 10


@pytest.fixture
def make(tmp_path):
    """Make an array of zeros and return its directory."""

    def make(level=6, disks=6, engines=(), prepare=None, **wishes):
        path = tmp_path / "array"
        spec = ArraySpec(level=level, raid_disks=disks, layout=2, chunk_sectors=128, **wishes)
        with Array.create(path, spec, image_bytes=4 << 20, engines=engines) as array:
            if prepare is not None:
                prepare(array)
        return path

    return make


def digests(path):
    return {
        file.name: hashlib.sha256(file.read_bytes()).digest() for file in sorted(path.iterdir())
    }


def chains(stripe):
    return [[name for name, _ in step.chains] for step in stripe.steps if step.kind == "run"]


def kinds(stripe):
    return [(step.kind, step.slots) for step in stripe.steps if step.kind != "run"]


def test_a_small_write_is_explained_with_both_costs_and_its_accesses(make):
    [stripe] = explain_request(make(), "write", 8192, 4096).stripes
    assert stripe.holds == ["Q", "D0", "D1", "D2", "D3", "P"]
    assert (stripe.row, stripe.sector, stripe.sectors) == (0, 16, 8)
    assert stripe.parts == [(1, 0, 4096)]
    assert (stripe.costs.rmw, stripe.costs.rcw, stripe.costs.chosen) == (3, 3, "rcw")
    assert "prefers reconstruct-write" in stripe.costs.why
    assert kinds(stripe) == [("read", [2, 3, 4]), ("write", [0, 1, 5])]
    assert chains(stripe) == [["biodrain", "reconstruct6"]]


@pytest.mark.parametrize(
    ("rmw_level", "chosen", "why"),
    [
        ("0", "rcw", "never builds on the old parity"),
        ("1", "rmw", "the cheaper way"),
        ("2", "rmw", "the cheaper way"),
    ],
)
def test_a_wide_array_modifies_unless_it_is_told_not_to(make, rmw_level, chosen, why):
    path = make(disks=8, prepare=lambda array: array.set("rmw_level", rmw_level))
    [stripe] = explain_request(path, "write", 0, 4096).stripes
    assert stripe.costs.chosen == chosen
    assert why in stripe.costs.why


def test_a_tie_goes_to_read_modify_write_where_that_is_preferred(make):
    path = make(prepare=lambda array: array.set("rmw_level", "2"))
    [stripe] = explain_request(path, "write", 0, 4096).stripes
    assert stripe.costs.chosen == "rmw"
    assert "prefers read-modify-write" in stripe.costs.why


def test_a_full_row_reads_nothing(make):
    explanation = explain_request(make(), "write", 0, 4 * CHUNK)
    [stripe] = explanation.stripes
    assert explanation.disk_accesses == {"write": 6}
    assert explanation.disk_bytes == {"write": 6 * CHUNK}
    assert stripe.costs.rcw_reads == ()
    assert "nothing has to be read" in stripe.costs.why


def test_a_healthy_read_goes_straight_to_the_members(make):
    explanation = explain_request(make(), "read", CHUNK - 4096, 8192)
    [stripe] = explanation.stripes
    assert stripe.purpose == "direct"
    assert stripe.parts == [(1, CHUNK - 4096, 4096), (2, 0, 4096)]
    assert kinds(stripe) == [("read", [1, 2])]


def test_a_degraded_read_computes_what_is_missing(make):
    path = make(prepare=lambda array: array.fail("1"))
    [stripe] = explain_request(path, "read", 0, 4096).stripes
    assert stripe.lacks == {1: "missing"}
    assert kinds(stripe) == [("read", [0, 2, 3, 4, 5])]
    assert chains(stripe) == [["compute6_1"], ["biofill"]]


def test_a_write_where_a_member_is_missing_does_not_write_there(make):
    path = make(prepare=lambda array: array.fail("1"))
    explanation = explain_request(path, "write", 0, 4096)
    [stripe] = explanation.stripes
    assert kinds(stripe) == [("read", [2, 3, 4]), ("write", [0, 5])]
    assert stripe.costs.rmw > 12
    assert explanation.degraded == 1
    assert explanation.disks[1] is None


def test_a_member_that_is_being_rebuilt_counts_as_far_as_it_was_rebuilt(make, tmp_path):
    def prepare(array):
        array.fail("1")
        array.add(tmp_path / "spare.img")
        array.set("sync_max", "1024")
        array.rebuild()

    path = make(prepare=prepare)
    row_bytes = 4 * CHUNK
    before = explain_request(path, "read", 0, 4096).stripes[0]
    behind = explain_request(path, "read", 20 * row_bytes, row_bytes).stripes[0]
    assert not before.lacks
    assert behind.lacks == {1: "not rebuilt yet"}


def test_parity_that_may_be_wrong_is_not_built_on(make):
    path = make(disks=8)
    array = Array.open(path)
    array.write(0, b"x")
    array.abandon()  # as a crash would
    [stripe] = explain_request(path, "write", 0, 4096).stripes
    assert stripe.costs.rmw_refused == "resync"
    assert stripe.costs.chosen == "rcw"


def test_superblocks_and_the_bitmap_come_first(make):
    metadata = explain_request(make(bitmap=BitmapWish(internal=True)), "write", 0, 4096).metadata
    assert [(one.kind, one.disks) for one in metadata] == [("superblocks", 6), ("bitmap", 6)]


def test_sectors_that_are_written_in_part_are_read_first(make):
    first, second = explain_request(make(), "write", 1000, 300).stripes
    assert (first.purpose, second.purpose) == ("direct", "write")
    assert second.parts == [(1, 512, 1024)]


def test_operations_are_told_with_their_channels_and_where_these_are_left(make):
    [stripe] = explain_request(make(engines=["iop13xx"]), "write", 0, 4096).stripes
    [work] = [step.work for step in stripe.steps if step.kind == "run"]
    told = [(one.operation, one.channel, one.sources) for one in work]
    assert told == [
        ("memcpy", "dma0chan0", [1]),
        ("switch", "dma0chan0", []),
        ("pq", "dma2chan0", [4]),
    ]
    assert work[1].why == "to dma2chan0 by an interrupt descriptor"


def test_more_sources_than_an_engine_takes_are_told_descriptor_by_descriptor(make):
    path = make(level=5, disks=18, engines=["mv_xor"])
    [stripe] = explain_request(path, "write", 0, 17 * CHUNK).stripes
    [xor] = [one for step in stripe.steps for one in step.work if one.operation == "xor"]
    assert xor.sources == [8, 8, 3]


@pytest.mark.parametrize(
    ("engine", "level", "operation", "why"),
    [
        ("mv_xor", 6, "pq", "no channel does pq"),
        ("ioat3.2-raid", 6, "pq", "ASYNC_TX_PQ_XOR_DST"),
        ("none", 5, "xor", ""),
    ],
)
def test_software_says_why_it_does_what_it_does(make, engine, level, operation, why):
    path = make(level=level, disks=8, engines=[engine])
    [stripe] = explain_request(path, "write", 0, 4096).stripes
    reasons = {
        one.why
        for step in stripe.steps
        for one in step.work
        if one.operation == operation and one.channel is None
    }
    assert reasons
    assert all(why in reason and bool(reason) == bool(why) for reason in reasons)


@pytest.mark.parametrize("operation", ["read", "write"])
@pytest.mark.parametrize("failed", [0, 1, 2])
def test_nothing_is_changed_and_what_is_told_is_what_is_done(make, operation, failed):
    path = make(prepare=lambda array: [array.fail(str(slot)) for slot in range(failed)])
    before = digests(path)
    explanation = explain_request(path, operation, 30_000, 600_000)
    assert digests(path) == before
    counted = Counter()
    for stripe in explanation.stripes:
        for step in stripe.steps:
            counted[step.kind] += len(step.slots)
    assert {"read": counted["read"], "write": counted["write"]} == {
        "read": explanation.disk_accesses.get("read", 0),
        "write": explanation.disk_accesses.get("write", 0),
    }
    asked = sum(length for stripe in explanation.stripes for _, _, length in stripe.parts)
    assert asked >= 600_000


def test_disks_of_one_name_in_several_places_are_told_apart(tmp_path):
    images = []
    for place in "abcd":
        image = tmp_path / place / "disk.img"
        image.parent.mkdir()
        image.write_bytes(bytes(4 << 20))
        images.append(image)
    spec = ArraySpec(level=5, raid_disks=4, layout=2, chunk_sectors=128, in_sync=True)
    Array.create(tmp_path / "array", spec, images).close()
    explanation = explain_request(tmp_path / "array", "read", 0, 3 * CHUNK)
    assert sorted(explanation.disks) == sorted(["disk.img", *map(str, images[:3])])
    assert kinds(explanation.stripes[0]) == [("read", [0, 1, 2])]


def test_an_array_in_use_can_be_explained(make):
    path = make()
    with Array.open(path):
        assert explain_request(path, "read", 0, 4096).stripes


def test_a_read_of_what_is_lost_says_so(make):
    path = make(prepare=lambda array: [array.fail(slot) for slot in "123"])
    assert "can not all be read" in explain_request(path, "read", 0, 4096).failure


def test_what_an_array_refuses_is_refused(make, tmp_path):
    path = make()
    with pytest.raises(UsageError, match="16777216 bytes"):
        explain_request(path, "read", 0, 1 << 30)
    with pytest.raises(UsageError, match="not 0"):
        explain_request(path, "read", 0, 0)
    with pytest.raises(UsageError, match="beyond the end"):
        explain_request(path, "read", 1 << 40, 1)
    with pytest.raises(RaidsimError, match="no array here"):
        explain_request(tmp_path / "nothing", "read", 0, 1)
    directory = ArrayDirectory.load(path)
    directory.readonly = True
    directory.save()
    with pytest.raises(ArrayStateError, match="read-only"):
        explain_request(path, "write", 0, 4096)


def test_a_dirty_degraded_array_is_not_explained(make):
    path = make(level=5)
    array = Array.open(path)
    array.write(0, b"x")
    array.abandon()
    (path / "disk1.img").write_bytes(bytes(4096))
    forget_image(path, "disk1.img")
    with pytest.raises(RaidsimError, match="dirty degraded"):
        explain_request(path, "read", 0, 4096)


LAYOUTS = {4: (0,), 5: (0, 1, 2, 3, 4, 5), 6: (0, 2, 4, 8, 9, 10, 16, 18, 20)}


@pytest.mark.parametrize("seed", range(8))
def test_every_byte_of_any_request_is_told_once(tmp_path, seed):
    random = Random(seed)
    level = random.choice([4, 5, 6])
    spec = ArraySpec(
        level=level,
        raid_disks=random.randint(4, 9),
        layout=random.choice(LAYOUTS[level]),
        chunk_sectors=random.choice([8, 16, 64, 128]),
    )
    engines = random.choice([(), ("iop13xx",), ("xgene",), ("bcm-sba-v2",)])
    path = tmp_path / "array"
    with Array.create(path, spec, image_bytes=2 << 20, engines=engines) as array:
        if random.random() < 0.5:
            array.fail("1")
        size = array.size
    before = digests(path)
    for _ in range(3):
        offset = random.randrange(size // 512) * 512
        length = min(size - offset, random.choice([512, 20480, 300 * 512, 1 << 20]))
        for operation in ("read", "write"):
            explanation = explain_request(path, operation, offset, length)
            parts = [part for stripe in explanation.stripes for part in stripe.parts]
            assert sum(size for _, _, size in parts) == length, (operation, offset, length)
    assert digests(path) == before
