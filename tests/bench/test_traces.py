"""Traces are read line by line as they are, and fit any array."""

import gzip
from itertools import islice
from random import Random

import pytest

from raidsim.bench import Trace, Workload
from raidsim.bench.pattern import requests_of
from raidsim.bench.traces import FORMATS, open_trace
from raidsim.errors import UsageError
from raidsim.md.bio import FLUSH, READ, WRITE
from raidsim.tables import TableError

US, MS = 1_000, 1_000_000

IOLOG_2 = """fio version 2 iolog
/dev/sdb add
/dev/sdb open
/dev/sdb write 8192 4096
/dev/sdb wait 2500 0
/dev/sdb read 12288 512
/dev/sdb sync 0 0
/dev/sdb trim 0 4096
/dev/sdb close
"""
IOLOG_3 = """fio version 3 iolog
100 /dev/sdb add
100 /dev/sdb open
103 /dev/sdb write 8192 4096
105 /dev/sdb read 12288 512
105 /dev/sdb datasync 0 0
110 /dev/sdb close
"""
BLKPARSE = """\
  8,16   1        1     0.500000000  4162  Q  WS 16 + 8 [fio]
  8,16   1        2     0.500000800  4162  G  WS 16 + 8 [fio]
  8,16   1        3     0.500001500  4162  D  WS 16 + 8 [fio]
  8,16   1        4     0.502500000  4162  Q   R 24 + 1 [fio]
  8,16   0        5     0.502500000     0  C  WS 16 + 8 [0]
  8,16   1        6     0.502500000  4162  Q FWS [fio]
  8,16   1        7     0.502500000  4162  Q   D 0 + 8 [fio]
  8,16   1        8     0.503000000  4162  Q DFS 0 + 8 [fio]
CPU1 (8,16):
 Reads Queued:           1,        1KiB\t Writes Queued:           1,        4KiB
"""
MSR = """\
128166372003061629,hm,1,Write,8192,4096,22686
128166372003086629,hm,1,Read,12288,512,41286
"""
SPC = """\
0,16,4096,W,0.551706
0,24,512,r,0.554206,extra
"""
ACCESSES = [(0, WRITE, 8192, 4096), (2500 * US, READ, 12288, 512)]
FLUSHED = [*ACCESSES, (2500 * US, FLUSH, 0, 0)]


def accesses(path, **options):
    with open_trace(Trace(path=str(path), **options)) as found:
        return [tuple(access) for access in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (IOLOG_2, FLUSHED),
        (BLKPARSE, FLUSHED),
        (MSR, ACCESSES),
        ("Timestamp,Hostname,DiskNumber,Type,Offset,Size,ResponseTime\n" + MSR, ACCESSES),
        (SPC, ACCESSES),
        (IOLOG_3, [(0, *ACCESSES[0][1:]), *((2 * MS, *it[1:]) for it in FLUSHED[1:])]),
    ],
    ids=["iolog 2", "blkparse", "msr", "msr with a heading", "spc", "iolog 3"],
)
def test_each_format_says_the_same(tmp_path, text, expected):
    plain = tmp_path / "trace.txt"
    plain.write_text(text)
    assert accesses(plain) == expected
    packed = tmp_path / "trace.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert accesses(packed) == expected
    assert accesses(plain, limit=1) == expected[:1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "an empty trace"),
        (
            "what is this\n",
            "its first line is of no known format; name one of iolog, blkparse, msr, spc",
        ),
        (IOLOG_2 + "/dev/sdb write 5\n", "line 10: '/dev/sdb write 5': expected a file, an action"),
        (BLKPARSE + "8,0 1 what\n", "line 11: '8,0 1 what': expected an event"),
        (MSR + "1,hm,1,Erase,0,0,0\n", "line 3: '1,hm,1,Erase,0,0,0': expected time,host"),
        (SPC + "0,-8,512,R,0.7\n", "line 3: '0,-8,512,R,0.7': expected no negative numbers"),
        (SPC + "0,8,512,R,NaN\n", "line 3: '0,8,512,R,NaN': expected ASU"),
        (SPC + "0,8,512,R,1e999999\n", "line 3: '0,8,512,R,1e999999': expected ASU"),
    ],
)
def test_a_line_that_makes_no_sense_is_named(tmp_path, text, message):
    path = tmp_path / "trace"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        accesses(path)
    assert str(refused.value).startswith(f"{path}: {message}")


def test_a_file_that_is_not_there_or_not_packed_is_named(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        accesses(tmp_path / "none")
    broken = tmp_path / "broken.gz"
    broken.write_text(MSR)
    with pytest.raises(UsageError, match="line 1: Not a gzipped file"):
        accesses(broken)


def test_a_format_that_is_named_is_believed(tmp_path):
    path = tmp_path / "trace"
    path.write_text(SPC)
    with pytest.raises(UsageError, match="expected 'fio version 2 iolog'"):
        accesses(path, format="iolog")
    with pytest.raises(TableError, match="did you mean 'blkparse'"):
        Trace(path="x", format="blkpars")
    assert FORMATS == ("iolog", "blkparse", "msr", "spc")


def replayed(path, region, **options):
    workload = Workload(trace=Trace(path=str(path), **options))
    return list(requests_of(workload, region, Random(1)))


def test_addresses_are_folded_in_whole_sectors_and_times_are_scaled(tmp_path):
    path = tmp_path / "trace"
    path.write_text(
        "0,0,512,R,10\n"
        "0,2056,1024,W,10.5\n"  # 1 MiB + 4 KiB
        "0,2047,4096,W,11\n"  # over the end: moved back
        "0,1,9999999,R,9\n"  # larger than the array, and out of order
    )
    region = range(4096, 4096 + (1 << 20))
    requests = replayed(path, region, time_scale=0.5)
    assert [(r.offset - 4096, r.length) for r in requests] == [
        (0, 512),
        (4096, 1024),
        ((1 << 20) - 4096, 4096),
        (0, 1 << 20),
    ]
    assert [r.due_ns for r in requests] == [0, 250 * MS, 500 * MS, 500 * MS]


def test_bytes_that_are_no_whole_sectors_are_rounded_out(tmp_path):
    path = tmp_path / "trace"
    path.write_text("1,hm,1,Write,1000,100,0\n1,hm,1,Read,513,0,0\n")
    requests = replayed(path, range(1 << 20))
    assert [(r.offset, r.length) for r in requests] == [(512, 1024), (512, 512)]


def test_no_more_of_a_trace_is_read_than_is_asked_for(tmp_path):
    path = tmp_path / "trace"
    path.write_text(SPC + "nonsense\n" * 5)
    with open_trace(Trace(path=str(path))) as found:
        assert len(list(islice(found, 2))) == 2
