"""An overlay is a disk, and the one below stays as it was."""

import numpy as np

from raidsim.disk import READ, WRITE, DiskRequest, MemoryDisk
from raidsim.disk.overlay import OverlayDisk
from raidsim.testing import check_block_device


def test_an_overlay_is_a_disk():
    check_block_device(lambda _machine: OverlayDisk(MemoryDisk("disk0", 4096)))


def test_what_is_written_hides_what_is_below_and_leaves_it_alone():
    below = MemoryDisk("disk0", 64)
    below.image[:] = 1
    before = below.image.copy()
    disk = OverlayDisk(below)
    disk.submit(DiskRequest(WRITE, 10, np.full(1024, 2, np.uint8), lambda _: None))
    buffer = np.zeros(4 * 512, np.uint8)
    disk.submit(DiskRequest(READ, 9, buffer, lambda _: None))
    assert buffer.tolist() == [1] * 512 + [2] * 1024 + [1] * 512
    assert (below.image == before).all()
