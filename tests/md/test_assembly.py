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
    assert assembly.forced == {"d2": (8, 0)}
    assert assembly.degraded == 2
    assert sorted(assembly.stale) == ["d3", "d4"]


def test_members_of_one_vintage_come_back_together():
    superblocks = members()
    set_events(superblocks, d0=10, d1=10, d2=6, d3=8, d4=8)
    assembly = analyse_members(superblocks, force=True)
    assert set(assembly.forced) == {"d3", "d4"}
    assert assembly.stale == ["d2"]


def test_one_declared_faulty_in_the_last_update_is_up_to_date_by_force():
    superblocks = members(5, 4)
    set_events(superblocks, d0=10, d1=9, d2=10, d3=5)
    for name in ("d0", "d2"):
        superblocks[name].dev_roles[1] = superblocks[name].dev_roles[3] = FAULTY
    assembly = analyse_members(superblocks, force=True)
    assert assembly.forced == {"d1": (9, 0)}
    assert assembly.rewritten == ["d0"], "one table of roles, and no count"
    assert superblocks["d0"].dev_roles[:4] == [0, 1, 2, FAULTY]
    assert superblocks["d1"].events == 9


def test_force_rewrites_the_counts_of_who_comes_back_and_the_roles_of_who_speaks():
    superblocks = members()
    set_events(superblocks, d0=6, d1=10, d2=10, d3=4, d4=4)
    for name in ("d1", "d2"):
        superblocks[name].dev_roles[0] = FAULTY
    assembly = analyse_members(superblocks, force=True)
    assert assembly.rewritten == ["d0"]
    assert assembly.freshest is superblocks["d0"], "of the freshest, that of the lowest slot"
    assert superblocks["d0"].events == 10
    assert superblocks["d1"].dev_roles[0] == FAULTY


def test_force_counts_slots_not_places_in_the_list():
    superblocks = members()
    set_events(superblocks, d0=10, d2=10, d4=8)
    del superblocks["d1"], superblocks["d3"]
    assembly = analyse_members(superblocks, force=True)
    assert (set(assembly.forced), assembly.degraded) == ({"d4"}, 2)


def test_force_changes_nothing_where_it_does_not_help():
    superblocks = members()
    set_events(superblocks, d0=10, d1=8)
    for name in ("d2", "d3", "d4"):
        del superblocks[name]
    assembly = analyse_members(superblocks, force=True)
    assert assembly.degraded > 2
    assert (superblocks["d1"].events, assembly.rewritten) == (8, [])


def test_force_calls_a_dirty_degraded_array_clean():
    superblocks = members(resync_offset=0)
    del superblocks["d1"]
    assembly = analyse_members(superblocks, force=True)
    assert assembly.was_dirty
    assert not assembly.dirty
    assert assembly.rewritten == ["d0"]


def test_force_leaves_a_complete_dirty_array_to_its_resync():
    superblocks = members(5, 4, resync_offset=0)
    set_events(superblocks, d0=10, d1=8, d2=8, d3=10)
    assembly = analyse_members(superblocks, force=True)
    assert set(assembly.forced) == {"d1", "d2"}
    assert assembly.dirty


def test_one_that_takes_the_freshest_for_failed_never_comes_back():
    superblocks = members(5, 4)
    set_events(superblocks, d0=10, d1=10, d2=8, d3=6)
    superblocks["d2"].dev_roles[0] = FAULTY
    assert set(analyse_members(superblocks, force=True).forced) == {"d3"}


def test_a_member_that_was_removed_is_stale_not_a_spare():
    superblocks = members()
    set_events(superblocks, d0=10, d1=10, d2=10, d3=10, d4=4)
    for name in ("d0", "d1", "d2", "d3"):
        superblocks[name].dev_roles[4] = SPARE
    assembly = analyse_members(superblocks)
    assert assembly.stale == ["d4"]
    assert not assembly.spares


def test_what_a_spare_has_seen_does_not_make_members_stale():
    superblocks = members(spares=1)
    set_events(superblocks, d0=4, d1=4, d2=4, d3=4, d4=4, d5=9)
    assert not analyse_members(superblocks).stale


def test_a_spare_that_did_not_learn_of_its_slot_has_nothing_of_it():
    superblocks = members(spares=1, missing=())
    set_events(superblocks, d0=5, d1=5, d2=5, d3=5, d4=4, d5=4)
    del superblocks["d4"]
    for name in ("d0", "d1", "d2", "d3"):
        superblocks[name].dev_roles[4:6] = [SPARE, 4]
    assembly = analyse_members(superblocks)
    assert (assembly.slots["d5"], assembly.recovery_offsets["d5"]) == (4, 0)


def replacing(**more):
    """Members of which d5 replaces d1."""
    superblocks = members(spares=1, **more)
    for sb in superblocks.values():
        sb.dev_roles[5] = 1
    superblocks["d5"].feature_map = 0x12
    superblocks["d5"].recovery_offset = 128
    return superblocks


def test_a_replacement_shares_its_members_slot():
    assembly = analyse_members(replacing())
    assert (assembly.slots["d1"], assembly.slots["d5"]) == (1, 1)
    assert assembly.replacements == {"d5"}
    assert (assembly.degraded, assembly.missing) == (0, 0)


def test_a_replacement_that_is_all_its_slot_has_is_its_member():
    superblocks = replacing()
    del superblocks["d1"]
    assembly = analyse_members(superblocks)
    assert not assembly.replacements
    assert (assembly.degraded, assembly.missing) == (1, 0)


def test_two_members_of_one_slot_need_one_to_be_a_replacement():
    superblocks = replacing()
    superblocks["d5"].feature_map = 2
    with pytest.raises(AssemblyError, match="d5: its slot 1 is another member's"):
        analyse_members(superblocks)


def test_a_replacement_does_not_excuse_a_dirty_degraded_array():
    """Its slot, of nothing but parity, has a member; another is missing."""
    superblocks = members(4, 4, spares=1, resync_offset=0)
    for sb in superblocks.values():
        sb.dev_roles[4] = 3
    superblocks["d4"].feature_map = 0x12
    del superblocks["d1"]
    assert analyse_members(superblocks).dirty_degraded


def test_force_leaves_an_array_alone_that_can_run():
    superblocks = members()
    set_events(superblocks, d0=10, d1=10, d2=10, d3=6, d4=4)
    assert not analyse_members(superblocks, force=True).forced


def test_force_does_not_believe_a_member_that_was_being_rebuilt():
    superblocks = members()
    set_events(superblocks, d0=10, d1=10, d2=8, d3=6, d4=4)
    superblocks["d2"].feature_map = 2
    assert analyse_members(superblocks, force=True).forced == {"d3": (6, 0)}


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
