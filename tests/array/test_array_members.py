"""Creating, assembling and refusing: numbers and roles as mdadm gives them, errors that name."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raidsim.array import MISSING, Array, ArraySpec, forget_image
from raidsim.array.hardware import Hardware
from raidsim.disk import ImageError, ImageFullError
from raidsim.errors import RaidsimError
from raidsim.machine import Machine
from raidsim.md.superblock import MAX_SECTOR, SuperblockV1, checksum

SPARE, FAULTY = 0xFFFF, 0xFFFE
IMAGE_BYTES = 3 << 20


def stored(path):
    with Path(path).open("rb") as file:
        file.seek(4096)
        return SuperblockV1.from_bytes(file.read(4096))


def store(path, sb):
    with Path(path).open("r+b") as file:
        file.seek(4096)
        file.write(sb.to_bytes())


def spec_of(level=6, disks=5, **more):
    return ArraySpec(level=level, raid_disks=disks, layout=0 if level == 4 else 2,
                     chunk_sectors=128, **more)  # fmt: skip


@pytest.fixture
def images(tmp_path):
    def make(count, size=IMAGE_BYTES):
        paths = [tmp_path / f"{chr(97 + i)}.img" for i in range(count)]
        for path in paths:
            with path.open("wb") as file:
                file.truncate(size)
        return paths

    return make


@pytest.fixture
def array_dir(tmp_path):
    return tmp_path / "array"


@pytest.fixture
def made(array_dir):
    """The images of a clean RAID6 of five with something in it, stopped."""
    with Array.create(array_dir, spec_of(), image_bytes=IMAGE_BYTES) as array:
        array.write(1000, b"something" * 1000)
    return sorted(array_dir.glob("*.img"))


def everything(paths):
    return [path.read_bytes() for path in paths]


# -- create: the numbers real mdadm gives ---------------------------------------------------------

CREATED = [
    # level, disks, arguments (letters and missing), spares, in_sync, roles by dev_number
    (5, 4, "abcd", 0, True, "0123", "0 1 2 3"),
    (6, 5, "abcde", 0, True, "01234", "0 1 2 3 4"),
    (6, 5, "abcde", 0, False, "01234", "0 1 2 3 4"),
    (5, 4, "abcd", 0, False, "0124", "0 1 2 S S"),
    (4, 4, "abcd", 0, False, "0124", "0 1 2 S S"),
    (5, 4, "a-bc", 0, False, "023", "0 S 2 3"),
    (6, 5, "ab-cd", 0, False, "0135", "0 1 S 3 S S"),
    (6, 5, "-ab-c", 0, False, "124", "S 1 2 S 4"),
    (5, 4, "abcde", 1, True, "01234", "0 1 2 3 S"),
    (6, 5, "abcdef", 1, False, "012345", "0 1 2 3 4 S"),
    (6, 5, "ab-cd", 0, True, "0134", "0 1 S 3 4"),
]


@pytest.mark.parametrize(("level", "disks", "members", "spares", "in_sync", "numbers", "roles"),
                         CREATED)  # fmt: skip
def test_create_numbers_its_members_as_mdadm_does(
    images, array_dir, level, disks, members, spares, in_sync, numbers, roles
):
    paths = iter(images(len(members.replace("-", ""))))
    arguments = [MISSING if letter == "-" else next(paths) for letter in members]
    spec = spec_of(level, disks, spare_disks=spares, in_sync=in_sync)
    Array.create(array_dir, spec, arguments).abandon()
    superblocks = [stored(path) for path in arguments if path != MISSING]
    assert "".join(str(sb.dev_number) for sb in superblocks) == numbers
    wanted = [SPARE if word == "S" else int(word) for word in roles.split()]
    for sb in superblocks:
        assert sb.dev_roles[: len(wanted)] == wanted
        assert set(sb.dev_roles[len(wanted) :]) == {SPARE}
        assert sb.events == 0
    if "-" in members or in_sync or level != 6:
        assert superblocks[0].resync_offset == MAX_SECTOR
    else:
        assert superblocks[0].resync_offset == 0


def test_a_created_raid5_is_rebuilt_to_18_events_and_the_roles_of_md(images, array_dir):
    paths = images(4, 4 << 20)
    with Array.create(array_dir, spec_of(5, 4), paths) as array:
        assert [report.action for report in array.rebuild()] == ["recover"]
    assert stored(paths[0]).events == 18
    assert stored(paths[3]).dev_roles[:5] == [0, 1, 2, SPARE, 3]


def test_create_without_one_of_two_missing_members_rebuilds_what_it_has(images, array_dir):
    paths = images(4, 4 << 20)
    arguments = [*paths[:2], MISSING, *paths[2:]]
    with Array.create(array_dir, spec_of(6, 5), arguments) as array:
        array.rebuild()
        assert array.mddev.degraded == 1
    for path in paths:
        assert stored(path).dev_roles[:6] == [0, 1, SPARE, 3, SPARE, 2]
        assert stored(path).events == 18


@pytest.mark.parametrize(
    ("spec", "count", "words"),
    [
        (spec_of(6, 5), 4, "5 images are needed"),
        (spec_of(6, 5), 6, "5 images are needed"),
        (spec_of(6, 3), 3, "at least 4"),
        (spec_of(5, 1), 1, "at least 2"),
        (ArraySpec(level=5, raid_disks=4, layout=99, chunk_sectors=128), 4, "no layout"),
        (ArraySpec(level=5, raid_disks=4, layout=2, chunk_sectors=24), 4, "power of two"),
        (spec_of(5, 4, size_sectors=1 << 30), 4, "img"),
    ],
)
def test_create_refuses_what_makes_no_array_and_changes_nothing(
    images, array_dir, spec, count, words
):
    paths = images(count)
    before = everything(paths)
    with pytest.raises(RaidsimError, match=words):
        Array.create(array_dir, spec, paths)
    assert everything(paths) == before
    assert not array_dir.exists()


def test_create_refuses_an_image_listed_twice_or_in_use(images, array_dir, tmp_path):
    paths = images(5)
    with pytest.raises(RaidsimError, match=r"twice|in use"):
        Array.create(array_dir, spec_of(), [*paths[:4], paths[0]])
    Array.create(array_dir, spec_of(), paths).close()
    before = everything(paths)
    with pytest.raises(RaidsimError, match="belongs to array"):
        Array.create(tmp_path / "other", spec_of(), paths)
    assert everything(paths) == before


def test_create_refuses_images_that_are_too_small(images, array_dir):
    with pytest.raises(RaidsimError, match=r"\.img"):
        Array.create(array_dir, spec_of(), images(5, 4096))


class NoHardware(Hardware):
    """One whose disks can't be had, which shows when all else is done."""

    def __init__(self):
        super().__init__(Machine())

    def disk(self, image):
        raise ImageError(f"{image.path}: no such drive")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"image_bytes": 8192}, "too small"),
        ({"image_bytes": -512}, r"disk0\.img: cannot be made: Invalid argument"),
        ({"image_bytes": IMAGE_BYTES, "hardware": NoHardware()}, "no such drive"),
    ],
)
def test_a_failed_create_says_what_failed_first_and_leaves_nothing_behind(array_dir, more, words):
    with pytest.raises(RaidsimError, match=words):
        Array.create(array_dir, spec_of(), **more)
    assert not array_dir.exists()


def test_a_failed_create_on_given_images_makes_no_array_directory(images, array_dir):
    with pytest.raises(RaidsimError, match="no such drive"):
        Array.create(array_dir, spec_of(), images(5), hardware=NoHardware())
    assert not array_dir.exists()


def test_a_directory_that_cannot_be_saved_is_named_and_nothing_of_it_stays(images, array_dir):
    array_dir.mkdir()
    (array_dir / "array.json.new").mkdir()
    with pytest.raises(RaidsimError, match="array: cannot be written: Is a directory"):
        Array.create(array_dir, spec_of(), images(5))
    assert [path.name for path in array_dir.iterdir()] == ["array.json.new"]


def test_an_assembly_that_cannot_be_saved_leaves_no_directory(made, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(RaidsimError, match="new: cannot be written: No space left"):
        Array.assemble(tmp_path / "new", made)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("text", [b"", b"\xff", b"{}", b"[]", b'{"version": 1, "images": 5}'])
def test_a_damaged_array_file_says_what_to_do(made, text):
    (made[0].parent / "array.json").write_bytes(text)
    with pytest.raises(RaidsimError, match=r"array\.json: damaged; assemble the array anew"):
        Array.open(made[0].parent)


def test_a_file_is_no_array_directory(made, tmp_path):
    file = tmp_path / "file"
    file.touch()
    words = "file: not a directory; name that of an array"
    for attempt in (
        lambda: Array.create(file, spec_of()),
        lambda: Array.assemble(file, made),
        lambda: Array.open(file),
    ):
        with pytest.raises(RaidsimError, match=words):
            attempt()


def test_images_that_were_never_written_stay_sparse(array_dir):
    with Array.create(array_dir, spec_of(), image_bytes=64 << 20) as array:
        array.write(0, b"x" * 10)
        array.check()
    for image in array_dir.glob("*.img"):
        assert image.stat().st_blocks * 512 < 1 << 20


# -- assemble -------------------------------------------------------------------------------------


def test_members_assemble_in_any_order(made, tmp_path):
    with Array.assemble(tmp_path / "again", made[::-1]) as array:
        assert array.read(1000, 9000) == b"something" * 1000


def test_a_stale_member_is_named_with_both_event_counts(made, array_dir, tmp_path):
    with Array.open(array_dir) as array:
        array.fail("1")
        array.write(0, b"later")
    before = everything(made)
    with pytest.raises(RaidsimError) as caught:
        Array.assemble(tmp_path / "again", made)
    assert "disk1.img" in str(caught.value)
    assert str(stored(made[1]).events) in str(caught.value)
    assert str(stored(made[0]).events) in str(caught.value)
    assert everything(made) == before
    with Array.assemble(tmp_path / "again", [made[0], *made[2:]]) as array:
        assert array.read(0, 5) == b"later"


def test_members_of_two_arrays_do_not_mix(made, tmp_path):
    Array.create(tmp_path / "b", spec_of(), image_bytes=IMAGE_BYTES).close()
    other = sorted((tmp_path / "b").glob("*.img"))
    with pytest.raises(RaidsimError, match="another array"):
        Array.assemble(tmp_path / "again", [*made[:4], other[4]])


def test_a_copy_of_a_member_is_not_a_second_member(made, tmp_path):
    copy = tmp_path / "copy.img"
    copy.write_bytes(made[0].read_bytes())
    with pytest.raises(RaidsimError, match="same member"):
        Array.assemble(tmp_path / "again", [*made, copy])


def test_too_few_members_are_refused(made, tmp_path):
    with pytest.raises(RaidsimError, match="not enough"):
        Array.assemble(tmp_path / "again", made[:2])


def test_force_brings_back_the_freshest_of_those_that_failed(made, array_dir, tmp_path):
    with Array.open(array_dir) as array:
        content = array.read(0, array.size)
        for slot in ("1", "3", "0"):
            array.fail(slot)
    with pytest.raises(RaidsimError):
        Array.assemble(tmp_path / "again", made)
    with Array.assemble(tmp_path / "again", made, force=True) as array:
        assert {r.raid_disk for r in array.mddev.rdevs if r.in_sync} == {0, 2, 4}
        assert array.read(0, array.size) == content
        array.write(0, b"again")
    assert [stored(made[0]).dev_roles[slot] for slot in (0, 2, 4)] == [0, 2, 4]


def test_force_does_not_bring_back_a_member_that_was_being_rebuilt(made, tmp_path):
    sb = stored(made[0])
    sb.feature_map = 2
    sb.recovery_offset = 128
    sb.events = 0
    store(made[0], sb)
    with Array.assemble(tmp_path / "again", made, force=True) as array:
        assert array.mddev.degraded == 1


def test_a_dirty_degraded_array_needs_force(made, array_dir, tmp_path):
    array = Array.open(array_dir)
    array.fail("2")
    array.write(0, b"dirty")
    array.abandon()
    rest = [made[i] for i in (0, 1, 3, 4)]
    before = everything(made)
    with pytest.raises(RaidsimError, match="dirty degraded"):
        Array.open(array_dir)
    with pytest.raises(RaidsimError, match="dirty degraded"):
        Array.assemble(tmp_path / "again", rest)
    assert everything(made) == before
    with Array.assemble(tmp_path / "again", rest, force=True) as array:
        assert array.read(0, 5) == b"dirty"


def test_a_dirty_array_is_resynced(made, array_dir):
    array = Array.open(array_dir)
    array.write(0, b"dirty")
    array.abandon()
    assert stored(made[0]).resync_offset == 0
    with Array.open(array_dir) as array:
        assert [report.action for report in array.rebuild()] == ["resync"]
    assert stored(made[0]).resync_offset == MAX_SECTOR


@pytest.mark.parametrize("dirty", [False, True])
def test_readonly_changes_no_byte(made, array_dir, tmp_path, dirty):
    if dirty:
        array = Array.open(array_dir)
        array.write(0, b"dirty")
        array.abandon()
    before = everything(made)
    with Array.assemble(tmp_path / "again", made, readonly=True) as array:
        assert array.read(1000, 9) == b"something"
        for refused in (
            lambda: array.write(0, b"no"),
            lambda: array.fail("1"),
            lambda: array.add(tmp_path / "new.img"),
            array.rebuild,
            array.repair,
        ):
            with pytest.raises(RaidsimError, match="read-only"):
                refused()
    assert everything(made) == before


# -- what stands beyond the last failure ----------------------------------------------------------


@pytest.mark.usefixtures("made")
def test_a_failed_array_still_reads_what_survives(array_dir):
    with Array.open(array_dir) as array:
        row = array.mddev.geometry.row(0)
        content = array.read(0, 3 * 65536)
        for slot in (row.data_disks[0], row.pd_idx, row.qd_idx):
            array.fail(str(slot))
        assert array.read(65536, 65536) == content[65536:131072]
        with pytest.raises(RaidsimError, match="read"):
            array.read(0, 10)
        with pytest.raises(RaidsimError, match="failed"):
            array.write(65536, b"no")
        with pytest.raises(RaidsimError, match="failed"):
            array.rebuild()


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (1, 10**9), (10**12, 1)])
def test_nothing_is_read_or_written_beyond_the_end(array_dir, offset, length):
    with Array.open(array_dir) as array:
        with pytest.raises(RaidsimError):
            array.read(offset, length)
        before = array.read(0, array.size)
        with pytest.raises(RaidsimError, match="beyond the end"):
            array.write(array.size - 1, b"xx")
        array.write(array.size, b"")
        assert array.read(0, array.size) == before


@pytest.mark.usefixtures("made")
def test_a_member_in_use_is_not_removed_and_a_failed_one_not_failed(array_dir):
    with Array.open(array_dir) as array:
        with pytest.raises(RaidsimError, match="in use"):
            array.remove("1")
        array.fail("1")
        with pytest.raises(RaidsimError, match="disk1"):
            array.fail("disk1.img")
        with pytest.raises(RaidsimError, match="nosuch"):
            array.fail("nosuch.img")
        array.remove("disk1.img")
        with pytest.raises(RaidsimError):
            array.remove("disk1.img")


def test_a_removed_member_comes_back_by_add_and_rebuild(made, array_dir):
    with Array.open(array_dir) as array:
        content = array.read(0, array.size)
        array.fail("1")
        array.remove("disk1.img")
        array.write(0, b"meanwhile")
        array.add(made[1])
        array.rebuild()
        assert array.mddev.degraded == 0
        assert array.check().mismatch_sectors == 0
        assert array.read(0, array.size) == b"meanwhile" + content[9:]


def test_add_refuses_a_member_of_another_array_and_of_this_one(made, array_dir, tmp_path):
    Array.create(tmp_path / "b", spec_of(), image_bytes=IMAGE_BYTES).close()
    other = next((tmp_path / "b").glob("*.img"))
    with Array.open(array_dir) as array:
        for image in (other, made[0]):
            with pytest.raises(RaidsimError, match=image.name):
                array.add(image)


# -- images that are not what they should be ------------------------------------------------------


def test_a_missing_image_is_named_and_can_be_forgotten(made, array_dir):
    made[2].unlink()
    with pytest.raises(RaidsimError, match=r"disk2\.img: no such image"):
        Array.open(array_dir)
    forget_image(array_dir, "disk2.img")
    with Array.open(array_dir) as array:
        assert array.read(1000, 9) == b"something"


def test_a_short_image_is_named(made, array_dir):
    os.truncate(made[2], 2 << 20)
    with pytest.raises(RaidsimError, match=r"disk2\.img"):
        Array.open(array_dir)


@pytest.mark.usefixtures("made")
def test_a_second_opener_is_refused(array_dir):
    with Array.open(array_dir), pytest.raises(RaidsimError, match="in use"):
        Array.open(array_dir)


def test_a_directory_without_an_array_is_named(tmp_path):
    with pytest.raises(RaidsimError, match="no array here"):
        Array.open(tmp_path)


FULL = """
import resource, signal, sys
from raidsim.array import Array
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
array = Array.open(sys.argv[1])
limit = 2_000_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    array.write(0, b"x" * array.size)
except Exception as error:
    print(type(error).__name__, error)
array.abandon()
"""


@pytest.mark.usefixtures("made")
def test_a_full_host_is_not_a_failed_member(array_dir):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(array_dir)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(ImageFullError.__name__)
    assert ".img" in done.stdout
    with Array.open(array_dir) as array:
        assert array.mddev.degraded == 0
        array.rebuild()
        array.write(0, b"x" * array.size)
        assert array.check().mismatch_sectors == 0


# -- damaged superblocks --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def victim(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz")
    Array.create(path / "array", spec_of(), image_bytes=IMAGE_BYTES).close()
    return path


fuzz = settings(
    deadline=None,
    max_examples=60,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


def assemble_with(victim, member, block):
    """Assemble with one superblock replaced; only our errors, and nothing changed."""
    paths = sorted((victim / "array").glob("*.img"))
    good = paths[member].read_bytes()[4096:8192]
    with paths[member].open("r+b") as file:
        file.seek(4096)
        file.write(block)
    before = everything(paths)
    try:
        array = Array.assemble(victim / "again", paths, readonly=True)
    except RaidsimError as error:
        assert "\n" not in str(error)  # noqa: PT017  both outcomes are looked at
    else:
        array.read(0, 100)
        array.close()
    finally:
        after = everything(paths)
        with paths[member].open("r+b") as file:
            file.seek(4096)
            file.write(good)
    assert after == before


@fuzz
@given(block=st.binary(min_size=4096, max_size=4096), member=st.integers(0, 4))
def test_a_random_block_for_a_superblock(victim, block, member):
    assemble_with(victim, member, block)


@fuzz
@given(
    edits=st.lists(st.tuples(st.integers(4, 511), st.integers(0, 255)), min_size=1, max_size=6),
    right_checksum=st.booleans(),
    member=st.integers(0, 4),
)
def test_a_mutated_superblock(victim, edits, right_checksum, member):
    path = sorted((victim / "array").glob("*.img"))[member]
    block = bytearray(path.read_bytes()[4096:8192])
    for place, value in edits:
        block[place] = value
    if right_checksum and int.from_bytes(block[220:224], "little") <= 1920:
        block[216:220] = checksum(block).to_bytes(4, "little")
    assemble_with(victim, member, bytes(block))


# -- the order in which md lists members -----------------------------------------------------------


def test_members_stay_in_the_order_in_which_they_came(array_dir):
    with Array.create(array_dir, spec_of(), image_bytes=IMAGE_BYTES) as array:
        array.add(array_dir / "spare.img")
    with Array.open(array_dir) as array:
        assert [rdev.desc_nr for rdev in array.mddev.rdevs] == [5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("used", [5, 6])
def test_after_an_assembly_the_spare_given_last_is_put_to_use_first(array_dir, made, used):
    """mdadm gives slots first, and what speaks for the array at the very end."""
    spares = {number: array_dir / f"spare{number}.img" for number in (5, 6)}
    with Array.open(array_dir) as array:
        for spare in spares.values():
            array.add(spare)
    given = [spares.pop(11 - used), *made[:0:-1], spares.pop(used)]
    with Array.assemble(array_dir, given) as array:
        assert [rdev.desc_nr for rdev in array.mddev.rdevs] == [1, used, 11 - used, 4, 3, 2]
        array.rebuild()
        assert stored(array_dir / f"spare{used}.img").role == 0
