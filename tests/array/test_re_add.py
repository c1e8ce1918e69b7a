"""Former members come back, with a write-intent bitmap and without."""

import random

import pytest

from raidsim.array import Array, ArraySpec
from raidsim.disk import ImageDisk
from raidsim.md.bitmap_superblock import BitmapSuperblock, read_bitmap
from raidsim.md.mddev import ArrayStateError
from raidsim.md.placement import NO_BITMAP, BitmapWish
from raidsim.md.superblock import find_superblock

MIB = 1 << 20
CHUNK = 64 << 10
BITMAP = BitmapWish(internal=True, chunksize=CHUNK)
CONTENT = random.Random(5).randbytes(4 * MIB)


def make(tmp_path, bitmap=BITMAP, level=5, spare_disks=0, minor_version=2, image_bytes=5 * MIB):
    spec = ArraySpec(
        level=level,
        raid_disks=4,
        layout=2,
        chunk_sectors=128,
        spare_disks=spare_disks,
        bitmap=bitmap,
        minor_version=minor_version,
    )
    with Array.create(tmp_path / "array", spec, image_bytes=image_bytes) as array:
        array.write(0, CONTENT)
    return tmp_path / "array"


def bitmap_of(image):
    member = ImageDisk(image, readonly=True, lock=False)
    raw = read_bitmap(member.read, find_superblock(member.read, member.sectors))
    member.close()
    head = BitmapSuperblock.from_bytes(raw)
    value = int.from_bytes(raw[256:], "little") & ((1 << head.chunks) - 1)
    return head, value.bit_count()


def take_out(path, disk="disk1.img"):
    with Array.open(path) as array:
        array.fail(disk)
        array.remove(disk)


def overwrite(path, offset, length):
    """Write other bytes; return what the array holds then."""
    data = random.Random(offset).randbytes(length)
    with Array.open(path) as array:
        array.write(offset, data)
        return array.read(0, len(CONTENT))


class Written:
    """Counts the sectors that go out to an image."""

    def __init__(self, image, monkeypatch):
        self.sectors = 0
        submit = type(image).submit

        def counting(disk, request):
            if disk is image and request.operation == 1 and len(request.buffer) >= 4096:
                self.sectors += len(request.buffer) // 512
            submit(disk, request)

        monkeypatch.setattr(type(image), "submit", counting)


@pytest.mark.parametrize("minor_version", [0, 1, 2])
def test_between_commands_the_bitmap_still_says_what_is_missing(
    minor_version, tmp_path, monkeypatch
):
    path = make(tmp_path, minor_version=minor_version)
    take_out(path)
    expected = overwrite(path, 192 << 10, 192 << 10)
    assert bitmap_of(path / "disk0.img")[1] == 1
    with Array.open(path) as array:
        array.re_add(path / "disk1.img")
    with Array.open(path) as array:
        written = Written(
            next(i for i in array.images.values() if i.name == "disk1.img"), monkeypatch
        )
        assert [report.action for report in array.rebuild()] == ["recover"]
        assert written.sectors == CHUNK // 512
        assert array.check().mismatch_sectors == 0
        assert array.read(0, len(CONTENT)) == expected
    assert {bitmap_of(path / f"disk{i}.img")[1] for i in range(4)} == {0}


def test_a_failed_member_is_taken_back_without_being_removed(tmp_path):
    path = make(tmp_path)
    with Array.open(path) as array:
        array.fail("1")
    with Array.open(path) as array:
        array.re_add("disk1.img")
        array.rebuild()
        assert array.mddev.degraded == 0


def test_without_a_bitmap_a_failed_member_is_taken_back_and_rebuilt_in_full(tmp_path):
    path = make(tmp_path, NO_BITMAP)
    with Array.open(path) as array:
        array.fail("1")
        array.write(0, b"x" * len(CONTENT))
        array.re_add("disk1.img")
        array.rebuild()
        assert array.mddev.degraded == 0
        assert array.check().mismatch_sectors == 0


def test_a_failed_member_whose_slot_is_taken_is_not_taken_back(tmp_path):
    path = make(tmp_path, spare_disks=1)
    with Array.open(path) as array:
        array.fail("1")
        array.rebuild()
        with pytest.raises(ArrayStateError, match="its slot is another member's"):
            array.re_add("disk1.img")


def test_add_tries_a_re_add_first(tmp_path):
    path = make(tmp_path)
    take_out(path)
    with Array.open(path) as array:
        assert array.add(path / "disk1.img")
        array.rebuild()
        assert sorted(rdev.desc_nr for rdev in array.mddev.rdevs) == [0, 1, 2, 3]


def test_who_missed_what_bits_were_cleared_for_is_refused_and_added_anew(tmp_path):
    path = make(tmp_path, spare_disks=1)
    take_out(path)
    with Array.open(path) as array:
        array.rebuild()
    expected = overwrite(path, 0, MIB)
    take_out(path, "disk2.img")
    with Array.open(path) as array:
        before = (path / "disk1.img").read_bytes()
        with pytest.raises(ArrayStateError, match=r"disk1.img: --re-add to .* is not possible"):
            array.re_add(path / "disk1.img")
        assert (path / "disk1.img").read_bytes() == before
        assert not array.add(path / "disk1.img")
        array.rebuild()
        assert array.check().mismatch_sectors == 0
        assert array.read(0, len(CONTENT)) == expected


def test_without_a_bitmap_only_who_missed_nothing_comes_back(tmp_path):
    path = make(tmp_path, NO_BITMAP)
    images = [path / f"disk{i}.img" for i in range(4)]
    with Array.assemble(path, [images[i] for i in (0, 2, 3)]) as array:
        array.re_add(images[1])
        array.rebuild()
    take_out(path)
    with (
        Array.open(path) as array,
        pytest.raises(ArrayStateError, match="not possible: it has seen"),
    ):
        array.re_add(images[1])


def test_a_member_is_not_re_added_twice_nor_is_a_stranger(tmp_path):
    path = make(tmp_path)
    other = make(tmp_path / "other")
    with Array.open(path) as array:
        with pytest.raises(ArrayStateError, match="is a member already"):
            array.re_add("disk1.img")
        with pytest.raises(Exception, match="belongs to array"):
            array.re_add(other / "disk1.img")
        with pytest.raises(Exception, match="no such image"):
            array.re_add(tmp_path / "nowhere")


def test_a_crash_leaves_bits_and_the_next_rebuild_reads_their_chunks_alone(tmp_path):
    path = make(tmp_path)
    array = Array.open(path)
    array.write(3 * 192 << 10, b"x" * 4096)
    array.abandon()
    assert bitmap_of(path / "disk3.img")[1] == 1
    with Array.open(path) as array:
        reports = array.rebuild()
        assert [report.action for report in reports] == ["resync"]
        assert array.check().mismatch_sectors == 0
    assert bitmap_of(path / "disk0.img")[1] == 0
