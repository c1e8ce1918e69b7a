"""Attributes: names, refusals and effects; tests/oracle compares their values with real md's."""

import pytest
from md_rig import Rig

from raidsim.errors import UsageError
from raidsim.md.attributes import AttributeRefusedError, InvalidValueError, names, show, store
from raidsim.md.badblocks import BadBlocks
from raidsim.md.mddev import ArrayStateError
from raidsim.md.superblock import MAX_SECTOR


@pytest.fixture
def rig():
    return Rig(6, 5, spares=1)


@pytest.fixture
def mddev(rig):
    return rig.mddev


def test_every_listed_attribute_can_be_shown(mddev):
    listed = names(mddev)
    assert listed == sorted(listed)
    assert all(isinstance(show(mddev, name), str) for name in listed)
    assert {"sync_action", "rmw_level", "dev-disk0/state", "rd4"} <= set(listed)
    assert "rd5" not in listed


def test_a_member_is_found_by_its_slot_too(mddev):
    assert show(mddev, "rd2") == "dev-disk2"
    assert show(mddev, "rd2/state") == "in_sync"
    store(mddev, "rd2/errors", "3")
    assert show(mddev, "dev-disk2/errors") == "3"


def test_members_of_one_name_are_told_by_their_numbers(mddev):
    for rdev in mddev.rdevs:
        rdev.disk = type("Disk", (), {"name": "disk.img"})()
    assert show(mddev, "rd3") == "dev-disk.img#3"
    assert show(mddev, "dev-disk.img#3/slot") == "3"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("sync_actoin", "did you mean sync_action"),
        ("dev-disk0/stat", "did you mean dev-disk0/state"),
        ("dev-nobody/state", "did you mean dev-disk"),
        ("xyzzy", "`raidsim get ARRAY` lists them"),
    ],
)
def test_what_md_does_not_have_is_refused_with_a_hint(mddev, name, hint):
    for attempt in (lambda: show(mddev, name), lambda: store(mddev, name, "1")):
        with pytest.raises(UsageError, match="md has no such attribute") as refusal:
            attempt()
        assert hint in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("skip_copy", "copied"),
        ("ppl_write_hint", "PPL is not supported yet"),
        ("journal_mode", "journal is not supported yet"),
        ("dev-disk0/new_offset", "reshape is not supported yet"),
    ],
)
def test_what_means_nothing_here_is_refused_with_the_reason(mddev, name, reason):
    with pytest.raises(AttributeRefusedError, match=reason):
        show(mddev, name)
    with pytest.raises(AttributeRefusedError, match=reason):
        store(mddev, name, "1")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("raid_disks", "; reshape is not supported yet"),
        ("dev-disk0/size", "; reshape is not supported yet"),
        ("dev-disk0/slot", "; the array is in use"),
        ("degraded", "can only be read"),
        ("rd0", "can only be read"),
    ],
)
def test_what_can_only_be_read_says_so(mddev, name, reason):
    with pytest.raises(AttributeRefusedError) as refusal:
        store(mddev, name, "1")
    assert str(refusal.value).endswith(reason)


def test_a_value_that_is_not_taken_is_told_what_is(mddev):
    with pytest.raises(InvalidValueError) as refusal:
        store(mddev, "rmw_level", "3")
    assert str(refusal.value) == "rmw_level: takes 0, 1 or 2; not '3'"
    with pytest.raises(AttributeRefusedError) as refused:
        store(mddev, "resync_start", "0")
    assert str(refused.value).startswith("resync_start: ")


@pytest.mark.parametrize("state", ["writemostly", "want_replacement", "-insync", "re-add"])
def test_states_that_are_not_written_here_are_refused_with_the_reason(mddev, state):
    with pytest.raises(AttributeRefusedError, match=f"dev-disk0/state: {state} cannot be written"):
        store(mddev, "dev-disk0/state", state)


def test_a_member_is_failed_by_its_state(rig, mddev):
    store(mddev, "dev-disk1/state", "faulty")
    rig.run()
    assert mddev.degraded == 1
    assert show(mddev, "dev-disk1/state") == "faulty"
    assert show(mddev, "dev-disk1/recovery_start") == "0"


def test_bad_blocks_are_listed_and_added(mddev):
    for rdev in mddev.rdevs:
        rdev.bad_blocks = BadBlocks(512)
    store(mddev, "dev-disk1/bad_blocks", "16 8")
    store(mddev, "dev-disk1/bad_blocks", "64 16")
    assert show(mddev, "dev-disk1/bad_blocks") == "16 8\n64 16"
    assert show(mddev, "dev-disk1/unacknowledged_bad_blocks") == ""
    mddev.rdevs[0].bad_blocks = BadBlocks(0)
    with pytest.raises(AttributeRefusedError, match="no room"):
        store(mddev, f"dev-{mddev.rdevs[0].name}/bad_blocks", "16 8")


def test_a_member_that_refused_a_write_says_so(rig, mddev):
    rig.rdev(1).write_error_seen = True
    assert show(mddev, "rd1/state") == "in_sync,write_error"


def test_frozen_a_failed_member_keeps_its_slot(mddev, rig):
    store(mddev, "sync_action", "frozen")
    store(mddev, "dev-disk1/state", "faulty")
    rig.run()
    assert rig.stored(0).events == 1
    assert show(mddev, "dev-disk1/slot") == "1"
    store(mddev, "sync_action", "idle")
    rig.run()
    assert show(mddev, "dev-disk1/slot") == "none"
    assert rig.stored(0).events == 2


def test_actions_run_and_refuse_each_other(rig, mddev):
    store(mddev, "sync_max", "128")
    store(mddev, "sync_action", "check")
    rig.run()
    assert show(mddev, "sync_action") == "check"
    assert show(mddev, "sync_completed") == "128 / 512"
    for name, value in [
        ("sync_action", "repair"),
        ("sync_min", "0"),
        ("sync_max", "0"),
    ]:
        with pytest.raises(AttributeRefusedError, match="under way"):
            store(mddev, name, value)
    store(mddev, "sync_max", "max")
    rig.run()
    assert show(mddev, "sync_action") == "idle"


def test_idle_ends_what_runs(rig, mddev):
    store(mddev, "sync_max", "128")
    store(mddev, "sync_action", "check")
    rig.run()
    store(mddev, "sync_action", "idle")
    rig.run()
    assert show(mddev, "sync_completed") == "none"
    assert show(mddev, "sync_min") == "128"


def test_any_other_action_ends_frozen(mddev, rig):
    for action in ("check", "repair", "resync", "recover", "idle"):
        store(mddev, "sync_action", "frozen")
        assert show(mddev, "sync_action") == "frozen"
        store(mddev, "sync_action", action)
        rig.run()
        assert show(mddev, "sync_action") == "idle"


def test_a_check_waits_for_a_recovery_that_was_begun():
    rig = Rig(6, 5, missing=[2], recovering={3: 128})
    with pytest.raises(ArrayStateError, match="a recovery is pending"):
        store(rig.mddev, "sync_action", "check")


def test_resync_start_makes_a_resync_pending(mddev, rig):
    store(mddev, "sync_action", "frozen")
    store(mddev, "resync_start", "256")
    rig.run()
    assert rig.stored(0).resync_offset == 256
    store(mddev, "sync_action", "resync")
    rig.run()
    assert rig.stored(0).resync_offset == MAX_SECTOR
    assert min(sector for _, sector, _ in rig.accesses("read")) == 256


def test_a_suspended_write_waits_until_its_range_is_lifted(mddev, rig):
    store(mddev, "suspend_lo", "64")
    store(mddev, "suspend_hi", "128")
    inside, at_its_edge, outside = (
        rig.begin_write(sector, bytes(8192)) for sector in (120, 128, 48)
    )
    rig.run()
    assert [bio.done for bio in (inside, at_its_edge, outside)] == [False, True, True]
    assert rig.read(120, 8).done
    store(mddev, "suspend_hi", "100")
    rig.run()
    assert inside.done


def test_array_size_hides_the_end(mddev):
    store(mddev, "array_size", "100")
    assert mddev.array_sectors == 200
    store(mddev, "array_size", "default")
    assert mddev.array_sectors == mddev.capacity_sectors


def test_the_stripe_cache_takes_its_new_size(mddev, rig):
    for size in ("17", "1000"):
        store(mddev, "stripe_cache_size", size)
        assert mddev.personality.conf.cache.capacity_units == int(size)
        rig.write(0, 64)
        assert rig.reads_right()
    assert mddev.personality.conf.cache.max_units == 16
    store(mddev, "preread_bypass_threshold", "900")
    store(mddev, "stripe_cache_size", "17")
    assert show(mddev, "preread_bypass_threshold") == "900"


def test_stripe_heads_are_no_taller_than_the_stripe_cache():
    rig = Rig(6, 5, chunk_kib=128)
    store(rig.mddev, "stripe_cache_size", "17")
    assert rig.mddev.personality.conf.cache.max_units == 17
    rig.write(0, 768)
    assert rig.reads_right()


def test_sync_min_is_rounded_down_to_a_unit(mddev):
    store(mddev, "sync_min", "15")
    assert show(mddev, "sync_min") == "8"


def test_the_stripe_cache_is_not_changed_while_it_is_in_use(mddev, rig):
    rig.settle()
    for disk in rig.disks:
        disk.held = []
    bio = rig.begin_write(0, bytes(512))
    rig.run()
    assert int(show(mddev, "stripe_cache_active")) > 0
    with pytest.raises(AttributeRefusedError, match="in use"):
        store(mddev, "stripe_cache_size", "300")
    rig.let_go()
    assert bio.done


def test_rmw_level_changes_how_a_small_write_is_made():
    reads = {}
    for level in ("0", "1"):
        rig = Rig(6, 8)
        store(rig.mddev, "rmw_level", level)
        rig.settle()
        rig.write(0, 8)
        reads[level] = rig.units("read")
    assert reads == {"0": 5, "1": 3}


def test_a_higher_threshold_lets_more_full_rows_pass_a_write_that_reads_ahead(mddev):
    cache = mddev.personality.conf.cache
    store(mddev, "preread_bypass_threshold", "7")
    assert cache.bypass_threshold == 7
