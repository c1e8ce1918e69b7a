"""mdadm's own test cases on our arrays; docs/internals/mdadm-tests.md maps each to its tests."""

import random
from itertools import combinations

import pytest

from raidsim.array import Array, ArraySpec
from raidsim.errors import RaidsimError
from raidsim.md.spares import activate_spares
from raidsim.md.superblock import find_superblock
from raidsim.md.sync import SyncThread

IMAGE_BYTES = 1 << 20
LAYOUTS = {4: [0], 5: range(6), 6: [*range(6), 8, 9, 10, *range(16, 21)]}
EVERY_LAYOUT = [(level, layout) for level, layouts in LAYOUTS.items() for layout in layouts]


def make_images(directory, count):
    images = [directory / f"disk{number}.img" for number in range(count)]
    for image in images:
        with image.open("wb") as file:
            file.truncate(IMAGE_BYTES + (1 << 20))
    return images


def spec_of(level, raid_disks, layout=None, **more):
    if layout is None:
        layout = 0 if level == 4 else 2
    return ArraySpec(level=level, raid_disks=raid_disks, layout=layout, chunk_sectors=16,
                     size_sectors=1024, **more)  # fmt: skip


def fill(array):
    content = random.Random(array.size).randbytes(array.size)
    array.write(0, content)
    return content


def holds(array, content):
    return array.read(0, array.size) == content and array.check().mismatch_sectors == 0


def lose_and_rebuild(array, images, slots, content):
    """Content is right with members gone, and again when others were rebuilt in their place."""
    for slot in slots:
        array.fail(images[slot].name)
    assert array.read(0, array.size) == content
    for slot in slots:
        array.remove(images[slot].name)
        images[slot].write_bytes(bytes(images[slot].stat().st_size))
        array.add(images[slot])
    array.rebuild()
    assert not array.mddev.degraded
    assert holds(array, content)


# -- 01r5integ, 01raid6integ ----------------------------------------------------------------------


@pytest.mark.parametrize(("level", "layout"), EVERY_LAYOUT)
def test_contents_are_the_same_with_each_disk_and_each_pair_gone(level, layout, tmp_path):
    disks = 5 if level == 6 else 4
    images = make_images(tmp_path, disks)
    with Array.create(tmp_path / "array", spec_of(level, disks, layout), images) as array:
        array.rebuild()
        content = fill(array)
    for count in range(1, 3 if level == 6 else 2):
        for slots in combinations(range(disks), count):
            left = [image for slot, image in enumerate(images) if slot not in slots]
            with Array.assemble(tmp_path / "degraded", left, readonly=True) as array:
                assert array.read(0, array.size) == content, slots


@pytest.mark.slow
@pytest.mark.parametrize(("level", "layout"), EVERY_LAYOUT)
def test_contents_survive_the_rebuilding_of_each_disk_and_some_pairs(level, layout, tmp_path):
    disks = 5 if level == 6 else 4
    images = make_images(tmp_path, disks)
    losses = [[slot] for slot in range(disks)]
    if level == 6:
        losses += [[0, 1], [1, 3], [4, 0]]
    with Array.create(tmp_path / "array", spec_of(level, disks, layout), images) as array:
        array.rebuild()
        content = fill(array)
        for slots in losses:
            lose_and_rebuild(array, images, slots, content)


# -- 01r5fail -------------------------------------------------------------------------------------


@pytest.fixture
def half_built(tmp_path):
    """A RAID5 of five with a spare, half way through its initial recovery, and its images."""
    images = make_images(tmp_path, 6)
    array = Array.create(tmp_path / "array", spec_of(5, 5, spare_disks=1), images)
    content = fill(array)
    activate_spares(array.mddev)
    thread = SyncThread(array.mddev, "recover")
    thread.start()
    array.machine.sim.run_until(lambda: thread.position >= thread.end_sector // 2)
    yield array, images, content
    array.abandon()


def test_the_spare_takes_over_from_a_member_that_fails_in_its_initial_recovery(half_built):
    array, images, content = half_built
    (recovering,) = (rdev for rdev in array.mddev.rdevs if rdev.recovering)
    array.fail(array.images[recovering].path.name)
    array.rebuild()
    assert not array.mddev.degraded
    assert array.mddev.rdevs[-1].raid_disk == 0
    assert {rdev.raid_disk for rdev in array.mddev.rdevs if rdev.faulty} == {-1}
    assert holds(array, content)
    lose_and_rebuild(array, images, [1], content)


def test_a_source_that_fails_in_the_initial_recovery_ends_it(half_built):
    array, images, content = half_built
    array.fail(images[1].name)
    assert array.mddev.broken
    assert array.mddev.sync_thread is None
    with pytest.raises(RaidsimError, match="failed"):
        array.write(0, content[:512])


# -- 03r5assem, 03r5assemV1 -----------------------------------------------------------------------


def snapshot(images):
    return [image.read_bytes() for image in images]


@pytest.mark.parametrize(("level", "minor_version"), [(4, 0), (5, 1), (5, 2), (6, 2)])
def test_any_subset_that_is_enough_assembles_and_any_other_is_refused(
    level, minor_version, tmp_path
):
    images = make_images(tmp_path, 5)
    spec = spec_of(level, 5, minor_version=minor_version)
    with Array.create(tmp_path / "array", spec, images) as array:
        array.rebuild()
        content = fill(array)
    before = snapshot(images)
    needed = 3 if level == 6 else 4
    for count in range(1, 6):
        for subset in combinations(images, count):
            if count < needed:
                with pytest.raises(RaidsimError, match="not enough"):
                    Array.assemble(tmp_path / "subset", subset)
            else:
                with Array.assemble(tmp_path / "subset", subset) as array:
                    assert array.read(0, array.size) == content
    assert snapshot(images) == before


def test_an_old_device_takes_no_part_and_is_rebuilt_once_it_is_added(tmp_path):
    images = make_images(tmp_path, 5)
    with Array.create(tmp_path / "array", spec_of(5, 5), images) as array:
        array.rebuild()
        fill(array)
    others = [image for image in images if image != images[2]]
    with Array.assemble(tmp_path / "array", others) as array:
        content = fill(array)[::-1]
        array.write(0, content)
    with pytest.raises(RaidsimError, match=r"disk2\.img: is stale"):
        Array.assemble(tmp_path / "array", images)
    with Array.assemble(tmp_path / "array", others) as array:
        array.add(images[2])
        array.rebuild()
        assert holds(array, content)
    with Array.assemble(tmp_path / "array", images) as array:
        assert not array.mddev.degraded


# -- 00readonly -----------------------------------------------------------------------------------


@pytest.mark.parametrize("minor_version", [0, 1, 2])
@pytest.mark.parametrize("level", [4, 5, 6])
def test_a_readonly_array_is_read_and_a_writable_one_written(level, minor_version, tmp_path):
    images = make_images(tmp_path, 5)
    spec = spec_of(level, 4, minor_version=minor_version)
    with Array.create(tmp_path / "array", spec, images[:4]) as array:
        array.rebuild()
        content = fill(array)
    before = snapshot(images)
    with Array.assemble(tmp_path / "array", images[:4], readonly=True) as array:
        assert array.read(0, array.size) == content
        for change in (
            lambda: array.write(0, b"x" * 512),
            lambda: array.fail(images[0].name),
            lambda: array.add(images[4]),
            array.check,
            array.repair,
            array.rebuild,
        ):
            with pytest.raises(RaidsimError, match="read-only"):
                change()
    assert snapshot(images) == before
    with Array.assemble(tmp_path / "array", images[:4]) as array:
        array.write(0, content[::-1])
        assert holds(array, content[::-1])
        roles = {find_superblock(i.read, i.sectors).role for i in array.images.values()}
        assert roles == {0, 1, 2, 3}
