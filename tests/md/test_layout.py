import pytest
from hypothesis import given
from hypothesis import strategies as st

from raidsim.errors import UsageError
from raidsim.md.layout import Geometry, check_geometry, layout_name, parse_layout

# The pictures of the documents, drawn by hand: a line is a row, a column a disk.
RAID5_OF_4 = {
    "left-asymmetric": "0 1 2 P | 3 4 P 5 | 6 P 7 8 | P 9 10 11",
    "right-asymmetric": "P 0 1 2 | 3 P 4 5 | 6 7 P 8 | 9 10 11 P",
    "left-symmetric": "0 1 2 P | 4 5 P 3 | 8 P 6 7 | P 9 10 11",
    "right-symmetric": "P 0 1 2 | 5 P 3 4 | 7 8 P 6 | 9 10 11 P",
    "parity-first": "P 0 1 2 | P 3 4 5 | P 6 7 8 | P 9 10 11",
    "parity-last": "0 1 2 P | 3 4 5 P | 6 7 8 P | 9 10 11 P",
}
RAID6_OF_5 = {
    "left-asymmetric": "Q 0 1 2 P | 3 4 5 P Q | 6 7 P Q 8 | 9 P Q 10 11 | P Q 12 13 14",
    "right-asymmetric": "P Q 0 1 2 | 3 P Q 4 5 | 6 7 P Q 8 | 9 10 11 P Q | Q 12 13 14 P",
    "left-symmetric": "Q 0 1 2 P | 3 4 5 P Q | 7 8 P Q 6 | 11 P Q 9 10 | P Q 12 13 14",
    "right-symmetric": "P Q 0 1 2 | 5 P Q 3 4 | 7 8 P Q 6 | 9 10 11 P Q | Q 12 13 14 P",
    "parity-first": "P Q 0 1 2 | P Q 3 4 5 | P Q 6 7 8 | P Q 9 10 11 | P Q 12 13 14",
    "parity-last": "0 1 2 P Q | 3 4 5 P Q | 6 7 8 P Q | 9 10 11 P Q | 12 13 14 P Q",
    "ddf-zero-restart": "P Q 0 1 2 | 3 P Q 4 5 | 6 7 P Q 8 | 9 10 11 P Q | Q 12 13 14 P",
    "ddf-N-restart": "0 1 2 P Q | 3 4 P Q 5 | 6 P Q 7 8 | P Q 9 10 11 | Q 12 13 14 P",
    "ddf-N-continue": "0 1 2 Q P | 4 5 Q P 3 | 8 Q P 6 7 | Q P 9 10 11 | P 12 13 14 Q",
    "left-asymmetric-6": "0 1 2 P Q | 3 4 P 5 Q | 6 P 7 8 Q | P 9 10 11 Q",
    "right-asymmetric-6": "P 0 1 2 Q | 3 P 4 5 Q | 6 7 P 8 Q | 9 10 11 P Q",
    "left-symmetric-6": "0 1 2 P Q | 4 5 P 3 Q | 8 P 6 7 Q | P 9 10 11 Q",
    "right-symmetric-6": "P 0 1 2 Q | 5 P 3 4 Q | 7 8 P 6 Q | 9 10 11 P Q",
    "parity-first-6": "P 0 1 2 Q | P 3 4 5 Q | P 6 7 8 Q | P 9 10 11 Q",
}
PICTURES = [
    *[(5, 4, name, picture) for name, picture in RAID5_OF_4.items()],
    *[(6, 5, name, picture) for name, picture in RAID6_OF_5.items()],
    (4, 4, "default", RAID5_OF_4["parity-last"]),
]

# level, layout number
ALL_LAYOUTS = [
    (4, 0),
    *[(5, layout) for layout in range(6)],
    *[(6, layout) for layout in (0, 1, 2, 3, 4, 5, 8, 9, 10, 16, 17, 18, 19, 20)],
]


def widths(level):
    return range(4 if level == 6 else 2, 12)


def picture_of(geometry, rows):
    cells = [[""] * geometry.raid_disks for _ in range(rows)]
    for chunk in range(rows * geometry.data_disks):
        member_sector, disk, _ = geometry.compute_sector(chunk * geometry.chunk_sectors)
        cells[member_sector // geometry.chunk_sectors][disk] = str(chunk)
    for number, line in enumerate(cells):
        row = geometry.row(number)
        line[row.pd_idx] += "P"
        if row.qd_idx >= 0:
            line[row.qd_idx] += "Q"
    return " | ".join(" ".join(line) for line in cells)


@pytest.mark.parametrize(("level", "raid_disks", "name", "picture"), PICTURES)
def test_layout_is_the_well_known_picture(level, raid_disks, name, picture):
    geometry = Geometry(level, parse_layout(level, name), raid_disks, 8)
    assert picture_of(geometry, picture.count("|") + 1) == picture


@pytest.mark.parametrize(("level", "layout"), ALL_LAYOUTS)
def test_every_chunk_maps_to_its_own_place_and_back(level, layout):
    for raid_disks in widths(level):
        geometry = Geometry(level, layout, raid_disks, 16)
        rows = 3 * raid_disks
        places = set()
        for chunk in range(rows * geometry.data_disks):
            array_sector = chunk * 16 + chunk % 16
            member_sector, disk, row = geometry.compute_sector(array_sector)
            assert row.data_disks[row.data_index[disk]] == disk
            assert geometry.compute_blocknr(disk, member_sector) == array_sector
            places.add((disk, member_sector // 16))
        assert len(places) == rows * geometry.data_disks


@pytest.mark.parametrize(("level", "layout"), ALL_LAYOUTS)
def test_parity_positions_hold_no_array_block(level, layout):
    for raid_disks in widths(level):
        geometry = Geometry(level, layout, raid_disks, 8)
        for number in range(3 * raid_disks):
            row = geometry.row(number)
            for disk in {row.pd_idx, row.qd_idx} - {-1}:
                assert geometry.compute_blocknr(disk, number * 8 + 3) is None
                assert not row.data_mask >> disk & 1
            assert row.data_mask.bit_count() == geometry.data_disks


@pytest.mark.parametrize(("level", "layout"), ALL_LAYOUTS)
def test_layout_agrees_with_the_kernels_formulas(level, layout):
    for raid_disks in widths(level):
        geometry = Geometry(level, layout, raid_disks, 8)
        for number in range(3 * raid_disks):
            row = geometry.row(number)
            assert (row.pd_idx, row.qd_idx, *row.data_disks) == formula(
                level, layout, raid_disks, number
            )


def formula(level, layout, n, s):
    """P, Q and the data disks by the formulas of raid5_compute_sector."""
    if level == 4 or (level == 5 and layout == 5):
        return (n - 1, -1, *range(n - 1))
    if level == 5:
        p = {0: n - 1 - s % n, 1: s % n, 2: n - 1 - s % n, 3: s % n, 4: 0}[layout]
        if layout in {2, 3}:
            return (p, -1, *((p + 1 + j) % n for j in range(n - 1)))
        return (p, -1, *(j + (j >= p) for j in range(n - 1)))
    if 16 <= layout <= 20:
        p, _, *data = formula(5, layout - 16, n - 1, s)
        return (p, n - 1, *data)
    if layout in {4, 5}:
        return (0, 1, *range(2, n)) if layout == 4 else (n - 2, n - 1, *range(n - 2))
    if layout == 10:
        p = n - 1 - s % n
        return (p, (p - 1 + n) % n, *((p + 1 + j) % n for j in range(n - 2)))
    left = n - 1 - s % n
    p = {0: left, 1: s % n, 2: left, 3: s % n, 8: s % n, 9: n - 1 - (s + 1) % n}[layout]
    q = (p + 1) % n
    if layout in {2, 3}:
        return (p, q, *((p + 2 + j) % n for j in range(n - 2)))
    if p == n - 1:
        return (p, q, *range(1, n - 1))
    return (p, q, *(j + 2 * (j >= p) for j in range(n - 2)))


@pytest.mark.parametrize(
    ("name", "row", "slots"),
    [
        ("left-symmetric", 0, (1, 2, 3)),  # Q 0 1 2 P: behind Q comes disk 1.
        ("left-symmetric", 1, (0, 1, 2)),  # Q on the last disk: start over.
        ("left-symmetric", 2, (4, 0, 1)),
        ("left-asymmetric", 2, (4, 0, 1)),  # Not the order of the data, which is 0, 1, 4.
        ("parity-first", 0, (2, 3, 4)),
        ("parity-last", 0, (0, 1, 2)),
        ("left-asymmetric-6", 1, (0, 1, 3)),
        ("right-symmetric-6", 1, (0, 2, 3)),
        ("ddf-zero-restart", 1, (0, -1, -1, 3, 4)),
        ("ddf-N-restart", 0, (0, 1, 2, -1, -1)),
        ("ddf-N-continue", 4, (-1, 1, 2, 3, -1)),
    ],
)
def test_syndrome_starts_behind_q_and_ddf_counts_disks(name, row, slots):
    assert Geometry(6, parse_layout(6, name), 5, 8).row(row).syndrome_slots == slots


@pytest.mark.parametrize("layout", [layout for level, layout in ALL_LAYOUTS if level == 6])
def test_slots_hold_the_data_disks_then_p_and_q(layout):
    for raid_disks in widths(6):
        for row in Geometry(6, layout, raid_disks, 8).rows:
            assert sorted(set(row.syndrome_slots) - {-1}) == sorted(row.data_disks)
            order = (*row.syndrome_slots, row.pd_idx, row.qd_idx)
            assert [order[slot] for slot in row.slot_of] == list(range(raid_disks))
            assert row.ddf_layout == (layout in {8, 9, 10})
            assert len(row.syndrome_slots) == raid_disks - (0 if row.ddf_layout else 2)


def test_ddf_zero_restart_differs_from_right_asymmetric_in_q_alone():
    for ddf, md in zip(Geometry(6, 8, 6, 8).rows, Geometry(6, 1, 6, 8).rows, strict=True):
        assert (ddf.pd_idx, ddf.qd_idx, ddf.data_disks) == (md.pd_idx, md.qd_idx, md.data_disks)
        assert ddf.syndrome_slots != md.syndrome_slots


def test_raid4_and_raid5_have_no_syndrome():
    for level in (4, 5):
        row = Geometry(level, 0, 5, 8).row(0)
        assert (row.qd_idx, row.syndrome_slots, row.slot_of) == (-1, (), ())


@pytest.mark.parametrize(("level", "layout"), ALL_LAYOUTS)
def test_rows_are_one_period(level, layout):
    geometry = Geometry(level, layout, 7, 8)
    assert geometry.period == len(geometry.rows)
    assert geometry.row(5 * geometry.period + 3) is geometry.rows[3 % geometry.period]
    assert len(set(geometry.rows)) == geometry.period


@given(
    st.sampled_from(ALL_LAYOUTS),
    st.integers(4, 40),
    st.sampled_from([8, 128, 1024]),
    st.integers(0, 2**63),
)
def test_any_sector_maps_there_and_back(level_layout, raid_disks, chunk_sectors, array_sector):
    geometry = Geometry(*level_layout, raid_disks, chunk_sectors)
    member_sector, disk, row = geometry.compute_sector(array_sector)
    assert geometry.row(member_sector // chunk_sectors) is row
    assert geometry.compute_blocknr(disk, member_sector) == array_sector


@pytest.mark.parametrize(("level", "layout"), ALL_LAYOUTS)
def test_layout_names_round_trip(level, layout):
    assert parse_layout(level, layout_name(level, layout)) == layout


@pytest.mark.parametrize(
    ("level", "text", "layout"),
    [
        (5, "la", 0), (5, "ra", 1), (5, "ls", 2), (5, "rs", 3), (5, "default", 2),
        (5, "ddf-zero-restart", 1), (5, "ddf-N-restart", 0), (5, "ddf-N-continue", 2),
        (6, "ls", 2), (6, "default", 2), (6, "ddf-zero-restart", 8), (6, "ddf-N-continue", 10),
        (4, "default", 0),
    ],
)  # fmt: skip
def test_mdadms_other_names_are_accepted(level, text, layout):
    assert parse_layout(level, text) == layout


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"no layout 'left-symetric'.*left-symmetric.*parity-last"):
        parse_layout(5, "left-symetric")
    with pytest.raises(UsageError, match="no layout 'left-symmetric-6'"):
        parse_layout(5, "left-symmetric-6")


def test_unknown_number_has_mdadms_name_for_it():
    assert layout_name(5, 16) == layout_name(6, 7) == layout_name(1, 0) == "-unknown-"


@pytest.mark.parametrize(
    ("level", "layout", "raid_disks", "chunk_sectors", "message"),
    [
        (0, 0, 4, 8, "raid level 0 is not one of 4, 5, 6"),
        (5, 6, 4, 8, "no layout number 6"),
        (6, 7, 4, 8, "no layout number 7"),
        (5, 16, 4, 8, "no layout number 16"),
        (6, 2, 3, 8, "at least 4 raid devices, not 3"),
        (5, 2, 1, 8, "at least 2 raid devices, not 1"),
        (4, 0, 1, 8, "at least 2 raid devices, not 1"),
        (5, 2, 1921, 8, "at most 1920"),
        (6, 2, 256, 8, "at most 255"),
        (6, 8, 254, 8, "at most 253"),
        (5, 2, 3, 4, "at least 4K, not 2048 bytes"),
        (5, 2, 3, 24, "a power of two"),
        (5, 2, 3, 0, "a power of two"),
    ],
)
def test_impossible_geometry_is_refused(level, layout, raid_disks, chunk_sectors, message):
    with pytest.raises(UsageError, match=message):
        check_geometry(level, layout, raid_disks, chunk_sectors)
    with pytest.raises(UsageError, match=message):
        Geometry(level, layout, raid_disks, chunk_sectors)


@pytest.mark.parametrize(
    ("level", "layout", "raid_disks"), [(4, 0, 2), (5, 2, 2), (6, 2, 4), (6, 2, 255), (6, 8, 253)]
)
def test_smallest_and_widest_arrays_are_legal(level, layout, raid_disks):
    assert Geometry(level, layout, raid_disks, 8).raid_disks == raid_disks


def test_raid4_ignores_its_layout_number():
    assert Geometry(4, 99, 4, 8).rows == Geometry(4, 0, 4, 8).rows
