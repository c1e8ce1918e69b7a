from dataclasses import replace

import pytest
from md_texts import ALL_TEXTS, golden, parse_snapshot, shown

from raidsim.array.detail_export import detail_brief_line, detail_export_lines

EXPORT = "mdadm --detail --export /dev/md0"
BRIEF = "mdadm --detail --brief /dev/md0"
EXPORTED = [name for name in ALL_TEXTS if EXPORT in shown(name)]


@pytest.mark.parametrize("name", EXPORTED)
def test_export_is_mdadms(name):
    lines = detail_export_lines(parse_snapshot(*golden(name)))
    # mdadm lists the members in the order in which it finds them in a directory of sysfs.
    first_member = next(i for i, line in enumerate(lines) if line.startswith("MD_DEVICE_"))
    expected = shown(name)[EXPORT].splitlines()
    assert lines[:first_member] == expected[:first_member]
    assert sorted(lines[first_member:]) == sorted(expected[first_member:])


@pytest.mark.parametrize("name", EXPORTED)
def test_brief_is_mdadms(name):
    assert [detail_brief_line(parse_snapshot(*golden(name)))] == shown(name)[BRIEF].splitlines()


def _renamed(paths, **changes):
    snapshot = parse_snapshot(*golden("clean-raid5"))
    members = sorted(snapshot.members, key=lambda member: member.number)
    members = [replace(m, path=path) for m, path in zip(members, paths, strict=True)]
    return replace(snapshot, members=tuple(members), **changes)


def test_image_names_become_legal_keys():
    lines = detail_export_lines(_renamed(["/a b/my disk.img", "/x/0", "/x/ä", "/x/dm-3"]))
    assert [line for line in lines if "_DEV=" in line] == [
        "MD_DEVICE_dev_my_disk_img_DEV=/a b/my disk.img",
        "MD_DEVICE_dev_0_DEV=/x/0",
        "MD_DEVICE_dev___DEV=/x/ä",
        "MD_DEVICE_dev_dm_3_DEV=/x/dm-3",
    ]


def test_images_named_alike_have_keys_of_their_own():
    lines = detail_export_lines(_renamed(["/a/disk.img", "/b/disk.img", "/b/disk_img", "/b/d"]))
    keys = [line.partition("=")[0] for line in lines]
    assert len(set(keys)) == len(keys)
    assert "MD_DEVICE_dev_disk_img_1_DEV=/b/disk.img" in lines
    two = detail_export_lines(_renamed(["/a/disk.img", "/b/disk.img", "/b/c", "/b/d"]))
    assert "MD_DEVICE_dev_disk_img_0_DEV=/a/disk.img" in two
    assert "MD_DEVICE_dev_d_DEV=/b/d" in lines


def test_name_is_exported_up_to_the_end_of_its_first_line():
    snapshot = replace(parse_snapshot(*golden("clean-raid5")), set_name="one\nMD_LEVEL=raid0")
    assert "MD_NAME=one" in detail_export_lines(snapshot)
    assert "MD_LEVEL=raid0" not in "\n".join(detail_export_lines(snapshot))


def test_nameless_array_has_no_name():
    snapshot = replace(parse_snapshot(*golden("clean-raid5")), set_name="")
    assert not [line for line in detail_export_lines(snapshot) if line.startswith("MD_NAME")]
    assert "name=" not in detail_brief_line(snapshot)


def test_array_that_can_not_be_started_is_inactive():
    snapshot = replace(parse_snapshot(*golden("clean-raid5")), started=False)
    assert detail_brief_line(snapshot).startswith("INACTIVE-ARRAY /dev/md0 ")
