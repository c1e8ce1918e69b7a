"""Sets of sectors."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raidsim.disk.extents import Extents, read_ddrescue_map
from raidsim.errors import UsageError

RANGES = st.tuples(st.integers(0, 40), st.integers(0, 12))


@given(st.lists(st.tuples(st.booleans(), RANGES)), RANGES)
def test_it_is_a_set(changes, window):
    extents, model = Extents(), set()
    for adds, (sector, count) in changes:
        if adds:
            extents.add(sector, count)
            model |= set(range(sector, sector + count))
        else:
            extents.remove(sector, count)
            model -= set(range(sector, sector + count))
    ranges = list(extents)
    assert {s for sector, count in ranges for s in range(sector, sector + count)} == model
    assert all(a + n < b for (a, n), (b, _) in pairwise(ranges))
    assert bool(extents) is bool(model)
    sector, count = window
    overlap = [s for start, n in extents.overlap(sector, count) for s in range(start, start + n)]
    assert overlap == sorted(model & set(range(sector, sector + count)))


def test_a_table_names_ranges():
    assert list(Extents.from_plain([[8, 4], [2, 2], [12, 1]])) == [(2, 2), (8, 5)]


@pytest.mark.parametrize("value", [3, [3], [[1]], [[1, 0]], [[-1, 2]], [["1", 2]], [[1, True]], {}])
def test_what_names_no_ranges_is_refused(value):
    with pytest.raises(UsageError, match="names no sectors"):
        Extents.from_plain(value)


MAP = """\
# Mapfile. Created by GNU ddrescue version 1.23
# Command line: ddrescue -d -r0 /dev/sdb3 discoC.img discoC.Logfile
# current_pos  current_status  current_pass
0x00002000     +               1
#      pos        size  status
0x00000000  0x00001000  +
0x00001000  0x00000200  -
0x00001200  0x00000300  /
0x00001500  0x00002B00  +
0x00004000  0x00000100  *
0x00005000  0x00000A00  ?
"""


def test_what_a_ddrescue_map_does_not_call_rescued_is_bad(tmp_path):
    path = tmp_path / "disk.map"
    path.write_text(MAP)
    assert list(Extents.from_plain(str(path))) == [(8, 3), (32, 1), (40, 5)]
    path.write_text(MAP.replace("     1\n", "\n"))  # as before 1.22, without the pass
    assert list(read_ddrescue_map(path)) == [(8, 3), (32, 1), (40, 5)]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("0x0 +\n0x0 0x200 %\n", "line 2: expected a position"),
        ("hello\n", "line 1: expected a position"),
        ("0x0 +\n0x0 +\n", "line 2: expected"),
        ("é", "is not text"),
    ],
)
def test_what_is_no_mapfile_is_refused(tmp_path, text, complaint):
    path = tmp_path / "disk.map"
    path.write_text(text)
    with pytest.raises(UsageError, match=complaint):
        read_ddrescue_map(path)
    with pytest.raises(UsageError, match="No such file"):
        read_ddrescue_map(tmp_path / "none.map")
