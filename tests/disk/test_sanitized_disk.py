"""A disk access is an operation in flight, from its submission to its end_io."""

import numpy as np
import pytest

from raidsim import Machine
from raidsim.disk import FLUSH, READ, WRITE, DiskRequest
from raidsim.disk.sanitized import SanitizedDisk


class HeldDisk:
    """A disk that carries out its one request when told to."""

    name = "disk0"
    sectors = 8
    closed = False
    held = None

    def submit(self, request):
        self.held = request

    def finish(self):
        self.held.end_io(self.held)

    def close(self):
        self.closed = True


@pytest.fixture
def sanitizer():
    return Machine(sanitize=True, kernel="numpy").sanitizer


@pytest.fixture
def below():
    return HeldDisk()


@pytest.fixture
def disk(below, sanitizer):
    return SanitizedDisk(below, sanitizer)


def test_a_read_writes_to_memory_until_its_end(disk, below, sanitizer):
    page = np.zeros(512, np.uint8)
    disk.submit(DiskRequest(READ, 0, page, lambda _: sanitizer.cpu_read(page)))
    below.finish()
    sanitizer.cpu_read(page)
    assert not sanitizer.reports


def test_memory_touched_while_it_is_read_into_is_reported(disk, sanitizer):
    page = np.zeros(512, np.uint8)
    disk.submit(DiskRequest(READ, 0, page, lambda _: None))
    sanitizer.cpu_read(page)
    (report,) = sanitizer.reports
    assert report.what == "read of disk0 and the CPU touch the same bytes in no order"
    assert "test_sanitized_disk.py:" in report.first
    assert report.missing == "a wait: its end_io() comes first"


def test_memory_being_written_to_disk_may_be_read_but_not_changed(disk, sanitizer):
    page = np.zeros(512, np.uint8)
    disk.submit(DiskRequest(WRITE, 0, page, lambda _: None))
    sanitizer.cpu_read(page)
    assert not sanitizer.reports
    sanitizer.cpu_write(page)
    assert sanitizer.reports[0].first.startswith("write to disk0 reads bytes 0 to 511")


def test_a_request_is_its_owners_again_when_it_has_ended(disk, below):
    ended = []
    request = DiskRequest(READ, 0, np.zeros(512, np.uint8), ended.append)
    for _ in range(2):
        disk.submit(request)
        below.finish()
        assert request.end_io == ended.append
    assert ended == [request, request]


def test_a_flush_and_the_rest_are_the_disks_own(disk, below):
    request = DiskRequest(FLUSH, 0, None, print)
    disk.submit(request)
    assert below.held is request
    assert request.end_io is print
    assert (disk.name, disk.sectors) == ("disk0", 8)
    disk.close()
    assert below.closed
