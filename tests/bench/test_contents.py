"""The model of what an array holds: right bytes pass, wrong ones do not."""

import numpy as np
import pytest

from raidsim.bench import Contents

SIZE = 4 << 20


def zeros(length):
    return np.zeros(length, np.uint8)


def write(contents, offset, length, *, fua=False):
    version, data = contents.new_write(offset, length)
    contents.wrote(version, offset, length, fua=fua)
    return data.copy()


def test_what_is_unknown_is_not_wrong_and_what_is_zero_is_known():
    assert not len(Contents(SIZE).wrong_sectors(4096, np.ones(4096, np.uint8)))
    assert len(Contents(SIZE, zeros=True).wrong_sectors(4096, np.ones(4096, np.uint8))) == 8
    assert not len(Contents(SIZE, zeros=True).wrong_sectors(4096, zeros(4096)))


def test_any_whole_number_is_a_seed():
    drawn = [write(Contents(SIZE, seed), 0, 4096).tobytes() for seed in (-7, 0, 10**30)]
    assert len(set(drawn)) == 3


def test_only_the_last_write_is_right_however_small():
    contents = Contents(SIZE)
    old = write(contents, 8192, 4096)
    new = write(contents, 8192 + 512, 1024)
    both = old.copy()
    both[512:1536] = new
    assert not len(contents.wrong_sectors(8192, both))
    assert contents.wrong_sectors(8192, old).tolist() == [17, 18]


@pytest.mark.parametrize("shift", [512, 4096, 16384, 65536, 524288, 1 << 20])
def test_data_in_the_wrong_place_are_wrong(shift):
    contents = Contents(SIZE)
    data = write(contents, 0, 2 << 20)
    moved = data[shift : shift + 65536]
    assert len(contents.wrong_sectors(0, moved)) == 128


def test_consecutive_writes_to_a_place_differ():
    contents = Contents(SIZE)
    seen = {write(contents, 4096, 512).tobytes() for _ in range(500)}
    assert len(seen) == 500


def test_a_request_may_be_longer_than_the_source():
    contents = Contents(16 << 20)
    data = write(contents, 512, 10 << 20)
    assert len(data) == 10 << 20
    assert not len(contents.wrong_sectors(512, data))


def test_a_failed_write_leaves_each_sector_old_or_new():
    contents = Contents(SIZE)
    old = write(contents, 0, 4096)
    version, new = contents.new_write(0, 4096)
    contents.may_have_written(version, 0, 4096)
    torn = np.concatenate((old[:512], new[512:1024], old[1024:2048], new[2048:]))
    for found in (old, new, torn):
        assert not len(contents.wrong_sectors(0, found))
    assert len(contents.wrong_sectors(0, zeros(4096))) == 8
    write(contents, 0, 2048)  # is known again
    assert contents.wrong_sectors(0, torn).tolist() == [0, 1, 2, 3]


def test_a_power_cut_takes_back_only_what_no_flush_followed():
    contents = Contents(SIZE, volatile=True)
    first = write(contents, 0, 1024)
    mark = contents.begin_flush()
    second = write(contents, 0, 1024)
    contents.flushed(mark)
    third = write(contents, 512, 512)
    contents.power_cut()
    for found in (first, second, np.concatenate((first[:512], third))):
        assert not len(contents.wrong_sectors(0, found))
    assert contents.wrong_sectors(0, zeros(1024)).tolist() == [0, 1]


def test_what_was_flushed_twice_over_does_not_come_back():
    contents = Contents(SIZE, volatile=True)
    old = write(contents, 0, 512)
    write(contents, 0, 512)
    contents.flushed(contents.begin_flush())
    contents.power_cut()
    assert contents.wrong_sectors(0, old).tolist() == [0]


def test_fua_makes_its_own_sectors_stay():
    contents = Contents(SIZE, volatile=True)
    old = write(contents, 0, 1024)
    middle = write(contents, 0, 1024)
    new = write(contents, 0, 512, fua=True)
    contents.power_cut()
    assert contents.wrong_sectors(0, np.concatenate((old[:512], middle[512:]))).tolist() == [0]
    assert not len(contents.wrong_sectors(0, np.concatenate((new, old[512:]))))


def test_unknown_bytes_that_a_power_cut_brings_back_are_not_wrong():
    contents = Contents(SIZE, volatile=True)
    write(contents, 0, 512)
    contents.power_cut()
    assert not len(contents.wrong_sectors(0, zeros(512)))
