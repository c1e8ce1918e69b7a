"""``replace``: marking, waiting for a spare, going on after an interruption."""

import pytest

from raidsim.array import Array, ArraySpec, forget_image
from raidsim.disk import ImageDisk
from raidsim.errors import RaidsimError
from raidsim.md.superblock import find_superblock
from raidsim.md.sync import SyncThread

IMAGE_BYTES = 3 << 20
CONTENT = b"something" * 100_000


def superblock(path):
    member = ImageDisk(path, readonly=True, lock=False)
    try:
        return find_superblock(member.read, member.sectors)
    finally:
        member.close()


@pytest.fixture
def make(tmp_path):
    def array_with(spares=1):
        spec = ArraySpec(level=6, raid_disks=5, layout=2, chunk_sectors=128, spare_disks=spares)
        with Array.create(tmp_path / "array", spec, image_bytes=IMAGE_BYTES) as array:
            array.write(0, CONTENT)
        return tmp_path / "array"

    return array_with


def slots(array):
    """Slot to the names of its members, replacements last."""
    found = {}
    for rdev in sorted(array.mddev.rdevs, key=lambda rdev: rdev.replacement):
        found.setdefault(rdev.raid_disk, []).append(rdev.name)
    return found


def leave_half_done(path):
    array = Array.open(path)
    thread = SyncThread(array.mddev, "recover")
    thread.start()
    array.machine.sim.run_until(lambda: thread.completed >= thread.end_sector // 2, "half")
    array.abandon()


def holds(array):
    return array.read(0, len(CONTENT)) == CONTENT and array.check().mismatch_sectors == 0


def test_a_replacement_is_in_the_superblocks_before_it_is_carried_out(make):
    path = make()
    with Array.open(path) as array:
        assert array.replace(["1"]) == []
        assert slots(array)[1] == ["disk1.img", "disk5.img"]
    assert superblock(path / "disk5.img").feature_map == 0x12
    assert superblock(path / "disk0.img").dev_roles[:6] == [0, 1, 2, 3, 4, 1]
    with Array.open(path) as array:
        assert [(r.action, r.interrupted) for r in array.rebuild()] == [("recover", False)]
        assert slots(array) | {-1: []} == {0: ["disk0.img"], 1: ["disk5.img"], 2: ["disk2.img"],
                                           3: ["disk3.img"], 4: ["disk4.img"], -1: []}  # fmt: skip
        assert holds(array)
        array.remove("disk1.img")


def test_a_member_waits_across_commands_for_a_spare_to_replace_it(make, tmp_path):
    path = make(spares=0)
    with Array.open(path) as array:
        assert array.replace(["disk1.img", "3"]) == ["disk1.img", "3"]
        assert not array.rebuild()
    with Array.open(path) as array:
        array.add(tmp_path / "new.img")
        array.rebuild()
        assert slots(array)[1] == ["new.img"]
    with Array.open(path) as array:
        array.add(tmp_path / "newer.img")
        array.rebuild()
        assert slots(array)[3] == ["newer.img"]
        assert holds(array)
    with Array.open(path) as array:
        array.add(tmp_path / "spare.img")
        assert not array.rebuild()


def test_assembled_anew_nothing_waits_any_more(make, tmp_path):
    path = make(spares=0)
    with Array.open(path) as array:
        array.replace(["1"])
    with Array.assemble(path, sorted(path.glob("*.img"))) as array:
        array.add(tmp_path / "new.img")
        assert not array.rebuild()


def test_named_spares_replace_the_members_in_their_order(make):
    path = make(spares=3)
    with Array.open(path) as array:
        events = array.mddev.events
        array.replace(["4", "0", "2"], ["disk5.img", "disk6.img"])
        found = slots(array)
        assert [found[slot][1] for slot in (4, 0, 2)] == ["disk5.img", "disk6.img", "disk7.img"]
        assert array.mddev.events == events + 1, "one update for all"
        array.rebuild()
        assert holds(array)


@pytest.mark.parametrize(
    ("disks", "replacements", "words"),
    [
        (["5"], [], "no such disk"),
        (["disk5.img"], [], "is not active and so cannot be replaced"),
        (["1"], ["2"], "is active and cannot be a replacement"),
        (["1"], ["disk5.img", "disk6.img"], "more replacements"),
        (["1", "disk1.img"], [], "named twice"),
        (["1", "2"], ["disk5.img", "disk5.img"], "named twice"),
        (["1"], ["nosuch.img"], "no such disk"),
    ],
)
def test_what_cannot_replace_or_be_replaced_is_refused_and_nothing_changes(
    make, disks, replacements, words
):
    path = make(spares=2)
    with Array.open(path) as array:
        with pytest.raises(RaidsimError, match=words):
            array.replace(disks, replacements)
        assert not any(rdev.want_replacement for rdev in array.mddev.rdevs)
        assert not array.rebuild()


def test_a_replacement_is_not_replaced_nor_removed(make):
    path = make()
    with Array.open(path) as array:
        array.replace(["1"])
        with pytest.raises(RaidsimError, match="is not active"):
            array.replace(["disk5.img"])
        with pytest.raises(RaidsimError, match="in use"):
            array.remove("disk5.img")
        assert array.replace(["1"]) == []


def test_a_member_being_rebuilt_is_not_replaced(make):
    path = make()
    with Array.open(path) as array:
        array.fail("1")  # the spare has the slot from here on
        with pytest.raises(RaidsimError, match="is not active"):
            array.replace(["disk5.img"])


def test_an_interrupted_replacement_goes_on_where_it_was(make):
    path = make()
    with Array.open(path) as array:
        array.replace(["1"])
    leave_half_done(path)
    reached = superblock(path / "disk5.img").recovery_offset
    assert reached > 0
    with Array.open(path) as array:
        assert SyncThread(array.mddev, "recover").position == reached
        array.rebuild()
        assert slots(array)[1] == ["disk5.img"]
        assert holds(array)


def test_without_the_old_member_the_replacement_has_its_slot(make):
    path = make()
    with Array.open(path) as array:
        array.replace(["1"])
    leave_half_done(path)
    (path / "disk1.img").unlink()
    forget_image(path, "disk1.img")
    with Array.open(path) as array:
        assert slots(array)[1] == ["disk5.img"]
        assert array.mddev.degraded == 1
        assert array.read(0, len(CONTENT)) == CONTENT
        array.rebuild()
        assert array.mddev.degraded == 0
        assert holds(array)
    assert superblock(path / "disk5.img").feature_map == 0


def test_without_the_replacement_the_old_member_goes_on(make):
    path = make()
    with Array.open(path) as array:
        array.replace(["1"])
    leave_half_done(path)
    (path / "disk5.img").unlink()
    forget_image(path, "disk5.img")
    with Array.open(path) as array:
        assert array.mddev.degraded == 0
        assert holds(array)


def test_the_replaced_member_is_left_out_of_later_assemblies(make, tmp_path):
    path = make()
    with Array.open(path) as array:
        array.replace(["1"])
        array.rebuild()
    rest = [path / f"disk{n}.img" for n in (0, 2, 3, 4, 5)]
    old = superblock(path / "disk1.img")
    assert old.events + 2 == superblock(rest[0]).events
    assert old.role == 1, "it never learned"
    with Array.assemble(tmp_path / "again", rest) as array:
        assert holds(array)


def test_no_wish_without_a_spare_survives_the_members_end(make, tmp_path):
    path = make(spares=0)
    with Array.open(path) as array:
        array.replace(["1"])
        array.fail("1")
        array.add(tmp_path / "new.img")
        array.rebuild()
        array.add(tmp_path / "newer.img")
        assert not array.rebuild()
        assert not array.directory.want_replacement
