"""Which members make up the array: events, roles, force, dirty and degraded."""

import pytest
from md_rig import Rig

from raidsim.md.assembly import AssemblyError, analyse_members
from raidsim.md.superblock import MAX_SECTOR, MD_DISK_ROLE_FAULTY, MD_DISK_ROLE_SPARE

FAULTY, SPARE = MD_DISK_ROLE_FAULTY, MD_DISK_ROLE_SPARE


def members(level=6, disks=5, **more):
    rig = Rig(level, disks, **more)
    return {f"d{n}": rig.stored(n) for n in range(len(rig.disks))}


def set_events(superblocks, **events):
    for name, count in events.items():
        superblocks[name].events = count


def test_members_take_the_slots_that_the_freshest_gives_them():
    assembly = analyse_members(members())
    assert assembly.slots == {f"d{n}": n for n in range(5)}
    assert (assembly.degraded, assembly.missing, assembly.dirty) == (0, 0, False)


@pytest.mark.parametrize(("behind", "taken"), [(0, True), (1, True), (2, False), (9, False)])
def test_a_member_may_be_one_event_behind(behind, taken):
    superblocks = members()
    set_events(superblocks, d0=10, d1=10, d2=10, d3=10, d4=10 - behind)
    assembly = analyse_members(superblocks)
    assert ("d4" in assembly.slots) == taken
    assert (assembly.stale == ["d4"]) != taken


def test_the_freshest_says_who_failed_whatever_the_failed_one_says():
    superblocks = members()
    set_events(superblocks, d0=4, d1=4, d2=3, d3=4, d4=4)
    for name in ("d0", "d1", "d3", "d4"):
        superblocks[name].dev_roles[2] = FAULTY
    assembly = analyse_members(superblocks)
    assert assembly.faulty == ["d2"]
    assert assembly.degraded == 1


def test_a_spare_may_be_far_behind():
    superblocks = members(spares=1)
    set_events(superblocks, d0=9, d1=9, d2=9, d3=9, d4=9)
    assembly = analyse_members(superblocks)
    assert assembly.spares == ["d5"]
    assert not assembly.stale


def test_a_former_member_is_stale_even_when_the_others_have_forgotten_its_slot():
    superblocks = members()
    set_events(superblocks, d0=9, d1=9, d3=9, d4=9)
    for name in ("d0", "d1", "d3", "d4"):
        superblocks[name].dev_roles[2] = SPARE
    assembly = analyse_members(superblocks)
    assert assembly.stale == ["d2"]
    assert not assembly.spares


def test_a_recovering_member_has_its_slot_but_is_degraded():
    superblocks = members()
    superblocks["d3"].feature_map = 2
    superblocks["d3"].recovery_offset = 128
    assembly = analyse_members(superblocks)
    assert assembly.recovery_offsets["d3"] == 128
    assert (assembly.degraded, assembly.missing) == (1, 0)


def test_force_takes_the_freshest_first_and_no_more_than_needed():
    superblocks = members()
    set_events(superblocks, d0=10, d1=10, d2=8, d3=6, d4=4)
    assembly = analyse_members(superblocks, force=True)
    assert assembly.forced == ["d2"]
    assert assembly.degraded == 2
    assert sorted(assembly.stale) == ["d3", "d4"]


def test_force_leaves_an_array_alone_that_can_run():
    superblocks = members()
    set_events(superblocks, d0=10, d1=10, d2=10, d3=6, d4=4)
    assert not analyse_members(superblocks, force=True).forced


def test_force_does_not_believe_a_member_that_was_being_rebuilt():
    superblocks = members()
    set_events(superblocks, d0=10, d1=10, d2=8, d3=6, d4=4)
    superblocks["d2"].feature_map = 2
    assert analyse_members(superblocks, force=True).forced == ["d3"]


@pytest.mark.parametrize("field", ["level", "layout", "raid_disks", "chunksize", "size"])
def test_members_that_disagree_about_the_shape_are_refused(field):
    superblocks = members()
    setattr(superblocks["d2"], field, getattr(superblocks["d2"], field) + 1)
    with pytest.raises(AssemblyError, match="d2"):
        analyse_members(superblocks)


def test_a_member_of_another_array_and_one_given_twice_are_named():
    superblocks = members()
    superblocks["d1"].set_uuid = b"b" * 16
    with pytest.raises(AssemblyError, match="d1: belongs to another array"):
        analyse_members(superblocks)
    superblocks = members()
    superblocks["d1"].device_uuid = superblocks["d0"].device_uuid
    with pytest.raises(AssemblyError, match="d1: is the same member as d0"):
        analyse_members(superblocks)


@pytest.mark.parametrize(
    ("resync_offset", "gone", "refused"),
    [(MAX_SECTOR, "d1", False), (0, None, False), (0, "d1", True), (256, "d1", True)],
)
def test_dirty_and_degraded_is_the_write_hole(resync_offset, gone, refused):
    superblocks = members(resync_offset=resync_offset)
    superblocks.pop(gone, None)
    assert analyse_members(superblocks).dirty_degraded == refused


@pytest.mark.parametrize(("level", "slot", "refused"), [(4, 3, False), (4, 0, True), (5, 3, True)])
def test_a_present_member_of_nothing_but_parity_is_excused(level, slot, refused):
    """It is being rebuilt, and nothing but parity is what it lacks (trap 26)."""
    superblocks = members(level, 4, resync_offset=0)
    superblocks[f"d{slot}"].feature_map = 2
    assert analyse_members(superblocks).dirty_degraded == refused


def test_a_missing_member_of_nothing_but_parity_is_not_excused():
    superblocks = members(4, 4, resync_offset=0)
    del superblocks["d3"]
    assert analyse_members(superblocks).dirty_degraded
