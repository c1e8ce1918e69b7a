"""A member's list of bad blocks, and its log."""

import random
import struct

import pytest

from raidsim.md.badblocks import (
    BadBlocks,
    examine_badblocks_json,
    examine_badblocks_lines,
    log_entries,
)
from raidsim.md.superblock import MD_FEATURE_BAD_BLOCKS, SuperblockError, SuperblockV1


def ranges(bad_blocks):
    return [(start, end - start) for start, end in bad_blocks]


def listing(*entries, capacity=512):
    bad_blocks = BadBlocks(capacity)
    for start, length in entries:
        assert bad_blocks.set(start, length)
    return bad_blocks


def member(*entries, **fields):
    log = struct.pack(f"<{len(entries)}Q", *(s << 10 | n for s, n in entries)).ljust(4096, b"\xff")
    fields = {
        "feature_map": MD_FEATURE_BAD_BLOCKS,
        "bblog_size": 8,
        "bblog_offset": 16,
        "bblog": log,
    } | fields
    return SuperblockV1(
        set_uuid=bytes(16),
        ctime=0,
        utime=0,
        level=5,
        layout=2,
        size=128,
        chunksize=128,
        raid_disks=3,
        data_offset=2048,
        data_size=128,
        super_offset=8,
        dev_number=0,
        device_uuid=bytes(16),
        dev_roles=[0, 1, 2],
        **fields,
    )


@pytest.mark.parametrize(
    ("entries", "merged"),
    [
        ([(8, 8), (24, 8)], [(8, 8), (24, 8)]),
        ([(8, 8), (16, 8)], [(8, 16)]),
        ([(16, 8), (8, 8)], [(8, 16)]),
        ([(8, 8), (24, 8), (16, 8)], [(8, 24)]),
        ([(8, 24), (16, 8)], [(8, 24)]),
        ([(16, 8), (8, 24)], [(8, 24)]),
        ([(8, 16), (16, 16)], [(8, 24)]),
        ([(16, 16), (8, 16)], [(8, 24)]),
    ],
)
def test_ranges_that_meet_become_one(entries, merged):
    assert ranges(listing(*entries)) == merged


@pytest.mark.parametrize(
    ("entries", "kept"),
    [
        ([(0, 512), (512, 8)], [(0, 512), (512, 8)]),
        ([(0, 508), (508, 8)], [(0, 512), (512, 4)]),
        ([(8, 512), (0, 8)], [(0, 512), (512, 8)]),
        ([(0, 1000)], [(0, 512), (512, 488)]),
        # The kernel joins two ranges only if less than a whole one comes of it.
        ([(0, 248), (256, 256), (248, 8)], [(0, 256), (256, 256)]),
        ([(0, 240), (256, 248), (240, 16)], [(0, 504)]),
    ],
)
def test_a_range_has_at_most_512_sectors(entries, kept):
    assert ranges(listing(*entries)) == kept


@pytest.mark.parametrize(
    ("cleared", "left"),
    [
        ((8, 8), [(16, 16), (40, 8)]),
        ((24, 8), [(8, 16), (40, 8)]),
        ((16, 8), [(8, 8), (24, 8), (40, 8)]),
        ((0, 100), []),
        ((28, 16), [(8, 20), (44, 4)]),
        ((32, 8), [(8, 24), (40, 8)]),
    ],
)
def test_clearing_takes_out_what_it_covers(cleared, left):
    bad_blocks = listing((8, 24), (40, 8))
    assert bad_blocks.clear(*cleared)
    assert ranges(bad_blocks) == left


def test_a_full_list_takes_what_merges_and_nothing_else():
    bad_blocks = listing((0, 8), (16, 8), capacity=2)
    assert not bad_blocks.set(100, 8)
    assert bad_blocks.set(24, 8)
    assert not bad_blocks.clear(18, 2)
    assert ranges(bad_blocks) == [(0, 8), (16, 16)]


def test_without_a_log_nothing_can_be_recorded():
    assert not BadBlocks.load(member(bblog_size=0, feature_map=0)).set(8, 8)


def test_any_sector_of_a_range_is_bad_and_no_other():
    bad_blocks = listing((8, 8), (24, 8))
    bad = [sector for sector in range(40) if bad_blocks.overlap(sector, 1)]
    assert bad == [*range(8, 16), *range(24, 32)]
    assert bad_blocks.overlap(0, 9)
    assert not bad_blocks.overlap(16, 8)
    assert bad_blocks.overlap(15, 10)


@pytest.mark.parametrize("seed", range(6))
def test_the_list_is_the_set_of_its_sectors(seed):
    rng = random.Random(seed)
    bad_blocks, model = BadBlocks(10_000), set()
    for _ in range(600):
        start, length = 8 * rng.randrange(500), 8
        if rng.random() < 0.98:
            assert bad_blocks.set(start, length)
            model.update(range(start, start + length))
        else:
            length *= rng.randrange(1, 90)
            assert bad_blocks.clear(start, length)
            model.difference_update(range(start, start + length))
        found = ranges(bad_blocks)
        assert sorted(found) == found
        assert all(0 < length <= 512 for _, length in found)
        covered = [s for start, length in found for s in range(start, start + length)]
        assert covered == sorted(model), seed
        sector = rng.randrange(4000)
        assert bad_blocks.overlap(sector, 8) == bool(model & set(range(sector, sector + 8)))


def test_the_log_is_read_back_as_it_was_written():
    bad_blocks = listing((2048, 8), (2**53, 512))
    log = bad_blocks.to_log(4096)
    assert log[:16] == struct.pack("<QQ", 2048 << 10 | 8, 2**63 | 512)
    assert log[16:] == b"\xff" * 4080
    assert list(log_entries(log)) == [(2048, 8), (2**53, 512)]


def test_a_list_of_512_fills_its_log_to_the_end():
    bad_blocks = listing(*((i * 16, 8) for i in range(512)))
    log = bad_blocks.to_log(4096)
    assert len(log) == 4096
    assert len(list(log_entries(log))) == 512


def test_a_members_list_is_loaded_with_its_superblock():
    loaded = BadBlocks.load(member((2048, 8), (4096, 16)))
    assert ranges(loaded) == [(2048, 8), (4096, 16)]
    assert not loaded.changed


def test_a_log_left_over_from_bad_blocks_that_were_cured_is_not_read():
    assert not ranges(BadBlocks.load(member((2048, 8), feature_map=0)))


@pytest.mark.parametrize(
    ("fields", "entries", "problem"),
    [
        ({"bblog_offset": 0}, [], "no place for their log"),
        ({"bblog_size": 9}, [], "no place for their log"),
        ({"bblog_size": 0}, [], "no place for their log"),
        ({"bblog": b""}, [], "does not lie on the device"),
        ({"bblog_shift": 3}, [], "shift of 3"),
        ({}, [(2048, 0)], "lists 0 sectors at 2048"),
        ({}, [(2048, 513)], "lists 513 sectors at 2048"),
    ],
)
def test_a_damaged_log_is_refused_and_says_why(fields, entries, problem):
    with pytest.raises(SuperblockError, match=problem):
        BadBlocks.load(member(*entries, **fields))


def test_examine_badblocks_prints_mdadms_lines():
    assert examine_badblocks_lines(member((2048, 8), (4096, 512)), "x.img") == [
        "Bad-blocks on x.img:",
        "                2048 for 8 sectors",
        "                4096 for 512 sectors",
    ]
    assert examine_badblocks_lines(member(feature_map=0), "x.img") == [
        "Bad-blocks list is empty in x.img"
    ]
    assert examine_badblocks_lines(member(bblog_size=0, feature_map=0), "x.img") == [
        "No bad-blocks list configured on x.img"
    ]


def test_examine_badblocks_json_tells_an_empty_list_from_none():
    assert examine_badblocks_json(member((2048, 8)), "x.img") == {
        "device": "x.img",
        "bad_blocks": [{"sector": 2048, "sectors": 8}],
    }
    empty = member(feature_map=0, bblog=b"")
    assert examine_badblocks_json(empty, "x.img")["bad_blocks"] == []
    none = member(bblog_size=0, feature_map=0, bblog=b"")
    assert examine_badblocks_json(none, "x.img")["bad_blocks"] is None
