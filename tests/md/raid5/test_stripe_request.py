"""How a bio is cut into stripe heads."""

from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from raidsim.md.bio import WRITE, Bio
from raidsim.md.layout import _NAMES, Geometry
from raidsim.md.raid5.request import split_into_pieces, sync_extent

UNIT = 4096


@st.composite
def confs(draw):
    level = draw(st.sampled_from([4, 5, 6]))
    layout = draw(st.sampled_from(sorted(set(_NAMES[level].values()))))
    disks = draw(st.integers(4 if level == 6 else 2, 9))
    chunk_sectors = 8 << draw(st.integers(0, 5))
    geometry = Geometry(level, layout, disks, chunk_sectors)
    max_units = draw(st.integers(1, chunk_sectors // 8))
    cache = SimpleNamespace(max_units=max_units)
    return SimpleNamespace(
        geometry=geometry,
        chunk_sectors=chunk_sectors,
        cache=cache,
        max_units=max_units,
        max_write_units=max_units,
        max_stripe_units=max_units,
    )


def pieces_of(conf, sector, sectors):
    bio = Bio(WRITE, sector, np.empty(sectors * 512, np.uint8))
    return list(split_into_pieces(conf, bio, sector, sectors * 512))


@settings(deadline=None)
@given(confs(), st.integers(0, 3000), st.integers(1, 1500))
def test_every_byte_is_covered_once_at_its_place(conf, sector, sectors):
    covered = np.zeros(sectors * 512, np.uint8)
    for head, units, parts in pieces_of(conf, sector, sectors):
        for member, page_offset, bio_offset, length in parts:
            assert length > 0
            assert page_offset >= 0
            assert page_offset + length <= units * UNIT
            covered[bio_offset : bio_offset + length] += 1
            for byte in (0, length - 1):
                where, disk, _ = conf.geometry.compute_sector(sector + (bio_offset + byte) // 512)
                assert disk == member
                assert where == head + (page_offset + byte) // 512
    assert covered.min() == covered.max() == 1


@settings(deadline=None)
@given(confs(), st.integers(0, 3000), st.integers(1, 1500))
def test_all_units_of_a_head_are_written_alike(conf, sector, sectors):
    for head, units, parts in pieces_of(conf, sector, sectors):
        assert units <= conf.cache.max_units
        assert head % 8 == 0
        assert head // conf.chunk_sectors == (head + units * 8 - 1) // conf.chunk_sectors
        if units > 1:
            assert all(offset == 0 and length == units * UNIT for _, offset, _, length in parts)


@settings(deadline=None)
@given(confs(), st.integers(0, 3000), st.integers(1, 1500))
def test_heads_of_one_bio_do_not_overlap_and_go_upward(conf, sector, sectors):
    end = 0
    for head, units, _ in pieces_of(conf, sector, sectors):
        assert head >= end
        end = head + units * 8


@settings(deadline=None)
@given(confs(), st.integers(0, 500))
def test_two_bios_that_meet_inside_a_row_at_a_chunks_end_share_their_heads(conf, row):
    data_disks = conf.geometry.data_disks
    if data_disks < 2:
        return
    start = row * conf.chunk_sectors * data_disks
    middle = start + conf.chunk_sectors
    end = start + data_disks * conf.chunk_sectors
    first = {piece[:2] for piece in pieces_of(conf, start, middle - start)}
    second = {piece[:2] for piece in pieces_of(conf, middle, end - middle)}
    assert first == second


@given(confs(), st.integers(0, 400), st.integers(1, 400))
def test_a_sync_goes_on_in_heads_that_stay_in_their_chunk(conf, unit, more):
    sector = unit * 8
    end = sector + more * 8
    units = sync_extent(conf, sector, end)
    assert 1 <= units <= conf.cache.max_units
    assert sector + units * 8 <= end
    assert sector // conf.chunk_sectors == (sector + units * 8 - 1) // conf.chunk_sectors
