"""Arrays on images with sectors that fail, from one opening to the next."""

import random

import pytest

from raidsim.array import Array, ArraySpec
from raidsim.cli.examine import command as examine
from raidsim.disk import FLUSH
from raidsim.md.mddev import ArrayStateError

SPEC = ArraySpec(level=5, raid_disks=4, layout=2, chunk_sectors=128)
MIB = 1 << 20


class DyingDisk:
    """An image with sectors that can be neither read nor written."""

    def __init__(self, image, dead):
        self.image = image
        self.dead = dead
        self.name = image.name

    def submit(self, request):
        start = request.sector
        if request.operation != FLUSH and any(
            start <= sector < start + len(request.buffer) // 512 for sector in self.dead
        ):
            request.status = 5
            request.end_io(request)
        else:
            self.image.submit(request)


@pytest.fixture
def array(tmp_path):
    """An array of random bytes, `content`, open."""
    array = Array.create(tmp_path / "md0", SPEC, image_bytes=5 * MIB)
    array.content = random.Random(1).randbytes(array.size)
    array.write(0, array.content)
    return array


def spoil(array, slot, *sectors):
    """Let sectors of a member's data die."""
    rdev = next(rdev for rdev in array.mddev.rdevs if rdev.raid_disk == slot)
    rdev.disk = DyingDisk(rdev.disk, [rdev.data_offset + sector for sector in sectors])
    return rdev


def test_bad_blocks_are_read_around_and_cured_in_the_next_opening(array, tmp_path, capsys):
    rdev = spoil(array, 1, 44)
    array.write(0, array.content[: 2 * MIB])
    assert array.read(0, array.size) == array.content
    array.close()
    path = tmp_path / "md0" / "disk1.img"
    examine.main(["--badblocks", str(path)], standalone_mode=False)
    sector = rdev.data_offset + 40
    assert capsys.readouterr().out == f"Bad-blocks on {path}:\n{sector:20} for 8 sectors\n"
    with Array.open(tmp_path / "md0") as again:
        assert again.read(0, again.size) == array.content
        assert again.check().mismatch_sectors == 0
    examine.main(["--badblocks", str(path)], standalone_mode=False)
    assert capsys.readouterr().out == f"Bad-blocks list is empty in {path}\n"


def test_what_is_lost_beyond_redundancy_stays_lost_and_the_rest_is_served(array, tmp_path):
    array.fail("2")
    spoil(array, 1, 44)
    with pytest.raises(ArrayStateError, match="input/output error"):
        array.read(0, array.size)
    array.close()
    with Array.open(tmp_path / "md0") as again:
        lost = []
        for offset in range(0, again.size, 4096):
            try:
                assert again.read(offset, 4096) == array.content[offset : offset + 4096]
            except ArrayStateError:
                lost.append(offset)
    assert len(lost) == 2  # the bad block, and the failed member's in the same stripe


def test_a_rebuild_that_can_not_record_what_is_lost_ends(array, tmp_path):
    array.fail("2")
    array.remove("disk2.img")
    array.add(tmp_path / "spare.img")
    spare = array.mddev.rdevs[0]
    for i in range(512):
        assert spare.bad_blocks.set(1_000_000 + 16 * i, 8)
    spoil(array, 1, 44)
    (report,) = array.rebuild()
    assert report.interrupted
    assert spare.raid_disk == -1
    assert array.mddev.degraded == 1
    array.add(tmp_path / "other.img")
    array.rebuild()
    assert array.mddev.degraded == 0
    array.close()
