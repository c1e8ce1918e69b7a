"""Image files as disks."""

import errno
import os

import numpy as np
import pytest

from raidsim.disk import FLUSH, READ, WRITE, DiskRequest, ImageDisk, ImageError, ImageFullError


@pytest.fixture
def path(tmp_path):
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(range(256)) * 256)
    return image


def submit(disk, operation, sector, buffer=None, **more):
    done = []
    request = DiskRequest(operation, sector, buffer, done.append, **more)
    disk.submit(request)
    assert done == [request]
    return request.status


def test_sectors_are_read_into_the_buffer(path):
    buffer = np.zeros(1024, np.uint8)
    assert submit(ImageDisk(path), READ, 3, buffer) == 0
    assert buffer.tobytes() == path.read_bytes()[1536:2560]


def test_sectors_are_written_in_place(path):
    before = path.read_bytes()
    disk = ImageDisk(path)
    assert submit(disk, WRITE, 1, np.full(512, 7, np.uint8)) == 0
    assert submit(disk, WRITE, 5, np.full(512, 8, np.uint8), fua=True) == 0
    assert submit(disk, FLUSH, 0) == 0
    after = path.read_bytes()
    assert after[512:1024] == b"\7" * 512
    assert after[2560:3072] == b"\10" * 512
    assert after[:512] + after[1024:2560] == before[:512] + before[1024:2560]


def test_the_size_is_in_whole_sectors(tmp_path):
    image = tmp_path / "odd.img"
    image.write_bytes(bytes(1300))
    assert ImageDisk(image).sectors == 2


@pytest.mark.parametrize("operation", [READ, WRITE])
def test_beyond_the_end_is_an_error_and_the_file_does_not_grow(path, operation):
    disk = ImageDisk(path)
    assert submit(disk, operation, disk.sectors - 1, np.zeros(1024, np.uint8)) == errno.EIO
    assert path.stat().st_size == 65536


def test_a_file_that_shrank_under_us_fails_the_read(path):
    disk = ImageDisk(path)
    os.truncate(path, 1024)
    assert submit(disk, READ, 1, np.zeros(1024, np.uint8)) == errno.EIO


@pytest.mark.parametrize("operation", [READ, WRITE, FLUSH])
def test_what_comes_after_the_close_ends_in_an_error(path, operation):
    disk = ImageDisk(path)
    disk.close()
    buffer = None if operation == FLUSH else np.zeros(512, np.uint8)
    assert submit(disk, operation, 0, buffer) == errno.EBADF


def test_an_error_of_the_medium_is_a_status(path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "bad")

    disk = ImageDisk(path)
    monkeypatch.setattr(os, "preadv", fail)
    assert submit(disk, READ, 0, np.zeros(512, np.uint8)) == errno.EIO


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_host_is_an_exception_that_names_the_image(path, monkeypatch, number):
    def fail(*_):
        raise OSError(number, "full")

    disk = ImageDisk(path)
    monkeypatch.setattr(os, "pwritev", fail)
    with pytest.raises(ImageFullError, match=r"disk\.img.*make room"):
        submit(disk, WRITE, 0, np.zeros(512, np.uint8))


def test_short_reads_and_writes_are_finished(path, monkeypatch):
    preadv, pwritev = os.preadv, os.pwritev

    def read_a_little(fd, buffers, position):
        return preadv(fd, [buffers[0][:300]], position)

    def write_a_little(fd, buffers, position, flags):
        return pwritev(fd, [buffers[0][:300]], position, flags)

    disk = ImageDisk(path)
    monkeypatch.setattr(os, "preadv", read_a_little)
    monkeypatch.setattr(os, "pwritev", write_a_little)
    data = np.arange(1024).astype(np.uint8)
    assert submit(disk, WRITE, 2, data) == 0
    back = np.zeros(1024, np.uint8)
    assert submit(disk, READ, 2, back) == 0
    assert np.array_equal(back, data)


def test_a_second_opener_is_refused_until_the_first_lets_go(path):
    first = ImageDisk(path)
    with pytest.raises(ImageError, match="in use"):
        ImageDisk(path)
    with pytest.raises(ImageError, match="in use"):
        ImageDisk(path, readonly=True)
    ImageDisk(path, readonly=True, lock=False).close()
    first.close()
    first.close()
    ImageDisk(path).close()


def test_readers_share_an_image(path):
    one, other = ImageDisk(path, readonly=True), ImageDisk(path, readonly=True)
    assert one.read(0, 4) == other.read(0, 4) == bytes(range(4))


def test_what_is_not_there_or_no_file_is_named(tmp_path):
    with pytest.raises(ImageError, match="no such image"):
        ImageDisk(tmp_path / "nothing.img")
    with pytest.raises(ImageError, match=str(tmp_path)):
        ImageDisk(tmp_path)


@pytest.mark.parametrize(("readonly", "word"), [(False, "write"), (True, "read")])
def test_no_permission_is_named(path, monkeypatch, readonly, word):
    def refuse(*_):
        raise PermissionError(errno.EACCES, "denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ImageError, match=f"no permission to {word};"):
        ImageDisk(path, readonly=readonly)
