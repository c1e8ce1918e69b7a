"""``check --list`` and ``repair --locate``: the rotten disk is named, and healed."""

from __future__ import annotations

import json
import random

import pytest

from raidsim.md.raid5 import mismatch

SMALL = "--chunk 64K --size 4M"
DATA_OFFSET = 1 << 20


@pytest.fixture
def array(done, tmp_path):
    """A RAID6 of 5 members in the directory arr, full of random bytes; the bytes."""
    content = random.Random(4).randbytes(9 << 20)
    (tmp_path / "content").write_bytes(content)
    done(f"create arr --level 6 --raid-devices 5 {SMALL}")
    done("write arr content")
    return content


@pytest.fixture
def spoil(tmp_path):
    """A function that inverts bytes of a member from a byte of its data on."""

    def spoil(slot, offset, length=1):
        with (tmp_path / f"arr/disk{slot}.img").open("r+b") as image:
            image.seek(DATA_OFFSET + offset)
            old = image.read(length)
            image.seek(DATA_OFFSET + offset)
            image.write(bytes(byte ^ 0xFF for byte in old))

    return spoil


def _read(done, tmp_path):
    done("read arr --output out")
    return (tmp_path / "out").read_bytes()


@pytest.mark.usefixtures("array")
def test_check_tells_which_member_is_wrong(cli, spoil):
    spoil(2, 4096, 3)
    found = cli("check arr")
    assert found.status == 1
    assert found.out == (
        "arr: check done, mismatch_cnt 8 sectors\narr: the mismatch points to disk2.img\n"
    )
    spoil(2, 70000)
    assert cli("check arr").out.splitlines()[1] == "arr: all 2 mismatches point to disk2.img"


@pytest.mark.usefixtures("array")
def test_list_shows_row_sector_member_evidence_and_array_offset(cli, spoil):
    # Row 0 of left-symmetric has P on disk 4, Q on 0, data on 1, 2, 3; row 1 has P on 3, Q on 4.
    spoil(2, 4096, 3)
    spoil(4, 8192, 4096)
    spoil(0, 12288)
    spoil(1, 65536 + 20480, 2)
    spoil(2, 65536 + 20480 + 2, 2)
    found = cli("check arr --list")
    assert found.status == 1
    assert found.out == (
        "row  member sector  wrong                       evidence  array offset\n"
        "  0              8  disk2.img (slot 2, data)     3 bytes  69632\n"
        "  0             16  disk4.img (slot 4, P)     4096 bytes  -\n"
        "  0             24  disk0.img (slot 0, Q)         1 byte  -\n"
        "  1            168  more than one member         4 bytes  217088 282624 348160\n"
        "arr: check done, mismatch_cnt 32 sectors\n"
        "arr: 1 of 4 mismatches point to disk2.img\n"
        "arr: 1 of 4 mismatches point to disk4.img\n"
        "arr: 1 of 4 mismatches point to disk0.img\n"
        "arr: 1 of 4 mismatches: more than one member is wrong\n"
    )


@pytest.mark.usefixtures("array")
def test_list_as_json_has_all_of_it(cli, spoil):
    spoil(2, 4096, 3)
    spoil(1, 65536 + 20480, 2)
    spoil(2, 65536 + 20480 + 2, 2)
    facts = json.loads(cli("check arr --list --json").out)
    assert facts["wrong_members"] == [{"slot": 2, "image": "disk2.img", "pages": 1}]
    assert (facts["several_wrong_pages"], facts["unknown_wrong_pages"]) == (1, 0)
    assert facts["unlisted_mismatches"] == 0
    assert facts["mismatches"] == [
        {
            "row": 0,
            "member_sector": 8,
            "wrong": "data",
            "slot": 2,
            "image": "disk2.img",
            "evidence_bytes": 3,
            "array_offsets": [69632],
        },
        {
            "row": 1,
            "member_sector": 168,
            "wrong": "several",
            "slot": None,
            "image": None,
            "evidence_bytes": 4,
            "array_offsets": [217088, 282624, 348160],
        },
    ]


@pytest.mark.usefixtures("array")
def test_what_is_too_much_to_list_is_counted(cli, spoil, monkeypatch):
    monkeypatch.setattr(mismatch, "MAX_LISTED", 2)
    spoil(3, 0, 5 * 4096)
    found = cli("check arr --list").out.splitlines()
    assert len(found) == 6
    assert found[3] == "(3 more are counted, not listed)"
    assert found[5] == "arr: all 5 mismatches point to disk3.img"
    assert json.loads(cli("check arr --list --json").out)["unlisted_mismatches"] == 3


def test_nothing_wrong_is_an_empty_list(done):
    done(f"create arr --level 6 --raid-devices 4 {SMALL}")
    assert done("check arr --list") == "arr: check done, mismatch_cnt 0 sectors\n"
    assert json.loads(done("check arr --list --json"))["mismatches"] == []


def test_on_raid5_the_list_tells_where_but_not_who(cli, done, spoil):
    done(f"create arr --level 5 --raid-devices 4 {SMALL}")
    spoil(2, 65536 + 4096)
    assert cli("check arr --list").out == (
        "row  member sector  wrong           evidence  array offset\n"
        "  1            136  cannot be told         -  200704 266240 331776\n"
        "arr: check done, mismatch_cnt 8 sectors\n"
        "arr: 1 of 1 mismatch: one parity cannot tell which member is wrong\n"
    )


def test_repair_locate_heals_data_where_repair_makes_parity_fit(cli, done, spoil, array, tmp_path):
    spoil(2, 4096, 3)
    spoil(4, 8192, 4096)
    assert done("repair arr --locate") == (
        "arr: repair done, mismatch_cnt 16 sectors\n"
        "arr: rewrote 1 page of disk2.img\n"
        "arr: rewrote 1 page of disk4.img\n"
    )
    assert done("check arr") == "arr: check done, mismatch_cnt 0 sectors\n"
    assert _read(done, tmp_path) == array
    spoil(2, 4096, 3)
    assert done("repair arr") == "arr: repair done, mismatch_cnt 8 sectors\n"
    assert cli("check arr").status == 0
    assert _read(done, tmp_path) != array


@pytest.mark.usefixtures("array")
def test_repair_locate_leaves_alone_what_is_ambiguous(cli, spoil, tmp_path):
    spoil(1, 0, 100)
    spoil(2, 65536)
    spoil(3, 65536 + 1)
    before = [(tmp_path / f"arr/disk{slot}.img").read_bytes()[DATA_OFFSET:] for slot in range(5)]
    found = cli("repair arr --locate --list")
    assert found.status == 1
    assert found.out.splitlines()[-3:] == [
        "arr: repair done, mismatch_cnt 16 sectors",
        "arr: rewrote 1 page of disk1.img",
        "arr: left 1 page alone: more than one member is wrong",
    ]
    after = [(tmp_path / f"arr/disk{slot}.img").read_bytes()[DATA_OFFSET:] for slot in range(5)]
    assert [one == other for one, other in zip(before, after, strict=True)] == [
        slot != 1 for slot in range(5)
    ]
    assert cli("check arr").out.splitlines()[0] == "arr: check done, mismatch_cnt 8 sectors"


@pytest.mark.usefixtures("array")
def test_repair_locate_prints_json(cli, spoil):
    spoil(2, 4096, 3)
    found = cli("repair arr --locate --list --json")
    assert found.status == 0
    facts = json.loads(found.out)
    assert (facts["action"], facts["mismatch_cnt"]) == ("repair", 8)
    assert facts["wrong_members"] == [{"slot": 2, "image": "disk2.img", "pages": 1}]
    assert len(facts["mismatches"]) == 1
    assert "wrong_members" not in json.loads(cli("repair arr --json").out)


def test_repair_locate_needs_two_parities(done, refused):
    done(f"create arr --level 5 --raid-devices 4 {SMALL}")
    assert refused("repair arr --locate", status=2) == (
        "raid5 has one parity, which cannot tell which member is wrong;"
        " repair without --locate makes the parity fit the data"
    )


def test_repair_locate_needs_all_members(cli, done):
    done(f"create arr --level 6 --raid-devices 5 {SMALL}")
    done("fail arr 1")
    found = cli("repair arr --locate")
    assert (found.status, found.out) == (1, "")
    assert found.err == (
        "raidsim: a degraded array cannot tell which member is wrong;"
        " add a member and rebuild first\n"
    )


def test_repair_locate_needs_parity_that_was_in_sync(done, refused, tmp_path):
    for name in "abcd":
        (tmp_path / name).write_bytes(bytes(4 << 20))
    done("create arr --level 6 --raid-devices 4 --chunk 64K a b c d")
    assert refused("repair arr --locate", status=1) == (
        "parity is not in sync yet; run `raidsim rebuild` first"
    )


def test_repair_lists_only_what_it_located(refused, done):
    done(f"create arr --level 6 --raid-devices 4 {SMALL}")
    assert refused("repair arr --list", status=2).startswith("--list goes with --locate")
