"""An array that nobody runs looks like the array that runs when it is opened."""

import json

import pytest

from raidsim.array import Array, ArraySpec
from raidsim.array.directory import ArrayDirectory, DirectoryError
from raidsim.array.inspection import inspect_array
from raidsim.disk import ImageError, ImageMissingError
from raidsim.errors import UsageError
from raidsim.md.assembly import AssemblyError
from raidsim.md.placement import NO_BITMAP, BitmapWish
from raidsim.md.sync import SyncThread

MIB = 1 << 20
# 6912 chunks, so 4 pages of counters, the last in part.
BITMAP = BitmapWish(internal=True, chunksize=4096)


@pytest.fixture
def make(tmp_path):
    """Make an array, closed again."""

    def array_with(**options):
        spec = ArraySpec(
            level=options.pop("level", 6),
            raid_disks=5,
            layout=2,
            chunk_sectors=128,
            spare_disks=options.pop("spares", 1),
            **options,
        )
        with Array.create(tmp_path / "array", spec, image_bytes=28 * MIB):
            pass
        return tmp_path / "array"

    return array_with


def change_nothing(_array):
    pass


def fail_two(array):
    array.fail("1")
    array.fail("3")


def break_it(array):
    fail_two(array)
    array.fail("0")


def rebuild_half(array):
    array.fail("1")
    thread = SyncThread(array.mddev, "recover")
    thread.start()
    array.machine.sim.run_until(lambda: thread.completed >= thread.end_sector // 2, "half")


def replace_one(array):
    array.replace(["2"])


def remove_the_spare(array):
    array.remove("disk5.img")


def want_a_replacement(array):
    remove_the_spare(array)
    replace_one(array)


def make_it_smaller(array):
    array.set("array_size", "2048")


CHANGES = [
    change_nothing,
    fail_two,
    break_it,
    rebuild_half,
    replace_one,
    remove_the_spare,
    want_a_replacement,
    make_it_smaller,
]


def assert_looks_as_when_opened(path):
    looked_at = inspect_array(path)
    with Array.open(path, inspect=True) as array:
        assert looked_at == array.snapshot()
    return looked_at


@pytest.mark.parametrize("bitmap", [BITMAP, NO_BITMAP], ids=["bitmap", "none"])
@pytest.mark.parametrize("change", CHANGES)
def test_it_looks_as_when_opened(change, bitmap, make):
    path = make(bitmap=bitmap)
    with Array.open(path) as array:
        change(array)
        assert_looks_as_when_opened(path)
    assert_looks_as_when_opened(path)


@pytest.mark.parametrize("level", [4, 5, 6])
@pytest.mark.parametrize("minor_version", [0, 1, 2])
@pytest.mark.parametrize("degraded", [False, True])
def test_it_looks_as_when_opened_after_a_crash(level, minor_version, degraded, make):
    path = make(level=level, minor_version=minor_version, bitmap=BITMAP)
    array = Array.open(path)
    if degraded:
        array.fail("1")
    array.write(0, bytes(MIB))
    array.abandon()
    looked_at = assert_looks_as_when_opened(path)
    assert looked_at.started is not degraded
    assert looked_at.resync_pending is True
    assert looked_at.bitmap.pages_in_use == 1


def test_pages_with_a_set_bit_are_in_use_and_all_where_bits_are_out_of_date(make):
    path = make(bitmap=BITMAP)
    array = Array.open(path)
    for chunk in (0, 2047, 6911):  # of members; a write to a row sets the chunk of each
        row_bytes = 3 * 65536
        array.write(chunk * 4096 // 65536 * row_bytes, bytes(4096))
    array.abandon()
    assert inspect_array(path).bitmap.pages_in_use == 2
    assert_looks_as_when_opened(path)
    for member in range(6):
        with (path / f"disk{member}.img").open("r+b") as image:
            image.seek(4096 + 4096 + 24)  # events of the bitmap, behind the superblock
            image.write(bytes(8))
    assert inspect_array(path).bitmap.pages_in_use == 4
    assert_looks_as_when_opened(path)


def test_it_may_be_in_use_and_lack_its_engines(make):
    path = make()
    directory = ArrayDirectory.load(path)
    directory.engines = ["gone.toml"]
    directory.save()
    with pytest.raises(UsageError, match="gone"):
        Array.open(path, inspect=True)
    assert inspect_array(path).state == "clean"


def test_what_makes_no_array_is_refused(make, tmp_path):
    path = make(bitmap=BITMAP)
    with pytest.raises(DirectoryError, match="no array here"):
        inspect_array(tmp_path)
    (path / "disk3.img").rename(path / "elsewhere.img")
    with pytest.raises(ImageMissingError, match=r"disk3.img: no such image; put it back, or"):
        inspect_array(path)
    (path / "elsewhere.img").rename(path / "disk3.img")
    for member in range(6):
        with (path / f"disk{member}.img").open("r+b") as image:
            image.seek(8192)  # the bitmap's magic
            image.write(bytes(4))
    with pytest.raises(AssemblyError, match="no bitmap where the superblock says"):
        inspect_array(path)
    with (path / "disk0.img").open("r+b") as image:
        image.seek(4096)
        image.write(bytes(4))
    with pytest.raises(ImageError, match=r"disk0.img: no md superblock"):
        inspect_array(path)


@pytest.mark.parametrize("value", ["much", None, True])
def test_a_kept_size_that_makes_no_sense_is_refused(value, make):
    path = make()
    with Array.open(path) as array:
        make_it_smaller(array)
    file = path / "array.json"
    values = json.loads(file.read_text())
    assert values["settings"] == {"size_limit": 4096}
    values["settings"]["size_limit"] = value
    file.write_text(json.dumps(values))
    with pytest.raises(DirectoryError, match=f"it keeps {value!r} for size_limit"):
        inspect_array(path)
    values["images"] = []
    file.write_text(json.dumps(values))
    with pytest.raises(UsageError, match="no images given"):
        inspect_array(path)
