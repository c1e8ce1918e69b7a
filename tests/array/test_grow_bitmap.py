"""A bitmap that comes later, and one that goes."""

import pytest
from test_re_add import BITMAP, CHUNK, CONTENT, bitmap_of, make

from raidsim.array import Array
from raidsim.errors import RaidsimError, UsageError
from raidsim.md.bitmap_superblock import BitmapError
from raidsim.md.grow_bitmap import add_bitmap, remove_bitmap
from raidsim.md.mddev import ArrayStateError
from raidsim.md.placement import NO_BITMAP


@pytest.mark.parametrize("minor_version", [0, 1, 2])
def test_a_bitmap_given_later_is_placed_as_mdadm_does_and_costs_one_event(minor_version, tmp_path):
    path = make(tmp_path, NO_BITMAP, minor_version=minor_version)
    with Array.open(path) as array:
        events = array.mddev.events
        add_bitmap(array.mddev, CHUNK)
        array.machine.sim.run()
        assert array.mddev.events == events + 1
        assert array.mddev.bitmap.storage.offset == (8 if minor_version else -16)
        head, bits = bitmap_of(path / "disk2.img")
        assert (bits, head.chunks) == (head.chunks, -(-array.mddev.dev_sectors // 128))
        assert (head.events, head.events_cleared) == (events + 1, events)
    assert bitmap_of(path / "disk2.img")[1] == 0
    with Array.open(path) as array:
        assert array.check().mismatch_sectors == 0
        assert array.read(0, len(CONTENT)) == CONTENT


def test_a_bitmap_goes_and_another_with_larger_chunks_comes(tmp_path):
    path = make(tmp_path)
    with Array.open(path) as array:
        with pytest.raises(ArrayStateError, match="has a bitmap already"):
            add_bitmap(array.mddev)
        remove_bitmap(array.mddev)
        add_bitmap(array.mddev)
    assert bitmap_of(path / "disk0.img")[0].chunksize == 64 << 20
    with Array.open(path) as array:
        remove_bitmap(array.mddev)
        array.write(0, CONTENT[:4096])
    with pytest.raises(BitmapError, match="has no write-intent bitmap"):
        bitmap_of(path / "disk0.img")


def test_every_page_of_a_new_bitmap_is_written(tmp_path):
    path = make(tmp_path, NO_BITMAP, image_bytes=9 << 30)
    image = path / "disk3.img"
    with Array.open(path) as array:
        add_bitmap(array.mddev, CHUNK)
        array.machine.sim.run()
        head, bits = bitmap_of(image)
        assert bits == head.chunks > 8 * 3840
    assert bitmap_of(image)[1] == 0


def test_chunks_so_small_that_the_bits_do_not_fit_are_refused(tmp_path):
    path = make(tmp_path, NO_BITMAP)
    with Array.open(path) as array:
        with pytest.raises(UsageError, match="too small"):
            add_bitmap(array.mddev, 512)
        assert array.mddev.bitmap is None


def test_attributes_take_a_bitmap_off_and_give_another_between_commands(tmp_path):
    path = make(tmp_path)
    for name, value in [
        ("bitmap/location", "none"),
        ("bitmap/chunksize", "131072"),
        ("bitmap/location", "+8"),
        ("bitmap/time_base", "7"),
    ]:
        with Array.open(path) as array:
            array.set(name, value)
    head, bits = bitmap_of(path / "disk1.img")
    assert (head.chunksize, head.daemon_sleep, bits) == (131072, 7, 0)
    with Array.open(path, inspect=True) as array:
        assert array.get("bitmap/location") == "+8"
        assert array.get("bitmap/can_clear") == "true"
        assert array.get("consistency_policy") == "bitmap"


@pytest.mark.parametrize(
    ("bitmap", "name", "value", "message"),
    [
        (NO_BITMAP, "bitmap/location", "+16", "takes none, or the sectors"),
        (NO_BITMAP, "bitmap/location", "inside", "takes none, or the sectors"),
        (NO_BITMAP, "bitmap/chunksize", "1000", "a power of two"),
        (NO_BITMAP, "bitmap/time_base", "5", "the array has no bitmap"),
        (BITMAP, "bitmap/location", "+8", "the array has a bitmap"),
        (BITMAP, "bitmap/chunksize", "65536", "the array has a bitmap"),
        (BITMAP, "bitmap/time_base", "0", "whole seconds from 1 on"),
        (BITMAP, "bitmap/space", "8", "can only be read"),
    ],
)
def test_attributes_refuse_what_a_bitmap_does_not_take(bitmap, name, value, message, tmp_path):
    path = make(tmp_path, bitmap)
    with Array.open(path) as array, pytest.raises(RaidsimError, match=message):
        array.set(name, value)
