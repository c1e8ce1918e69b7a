"""Requests keep out of each other's way: reads may meet, writes meet nobody."""

import numpy as np
import pytest

from raidsim.bench.under_way import UnderWay
from raidsim.md.bio import READ, Bio


@pytest.fixture
def read():
    return Bio(READ, 8, np.zeros(4096, np.uint8))


@pytest.fixture
def busy(read):
    """A read of bytes 4096 to 8192 and writes of 16384 to 20480 and 20480 to 24576."""
    made = UnderWay()
    made.begin_read(read)
    made.begin_write(20480, 4096)
    made.begin_write(16384, 4096)
    return made


@pytest.mark.parametrize("offset", [3584, 4096, 7680])
def test_a_read_is_met_by_reads_alone(busy, offset):
    assert busy.admits(offset, 1024, write=False)
    assert not busy.admits(offset, 1024, write=True)


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize(
    ("offset", "length", "free"),
    [
        (0, 4096, True),
        (8192, 8192, True),
        (8192, 8704, False),
        (18432, 512, False),
        (20480, 4096, False),
        (24064, 512, False),
        (24576, 512, True),
        (12288, 65536, False),
    ],
)
def test_a_write_is_met_by_nobody(busy, write, offset, length, free):
    assert busy.admits(offset, length, write=write) == free


def test_who_waits_tries_again_once_when_any_ends(busy, read):
    tries = []
    busy.wait(lambda: tries.append("again"))
    busy.end_read(read)
    busy.end_write(16384, 4096)
    assert tries == ["again"]
    assert busy.admits(4096, 16384, write=True)
    assert not busy.admits(4096, 16385, write=True)
