import copy
import dataclasses
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raidsim.md.superblock import (
    MAX_SECTOR,
    MD_DISK_ROLE_FAULTY,
    MD_DISK_ROLE_SPARE,
    MD_FEATURE_RECOVERY_OFFSET,
    SuperblockError,
    SuperblockV1,
    checksum,
    find_superblock,
    format_uuid,
    super_sector,
    unsupported_features,
    validate_for_array,
)

# Written by Linux 6.1 and mdadm 4.2 on members of 4 MiB.
KERNEL_MADE = sorted((Path(__file__).parent / "superblocks").glob("*.sb"))
KERNEL_SECTORS = 8192


def kernel_block(name):
    path = Path(__file__).parent / "superblocks" / f"{name}.sb"
    return path.read_bytes().ljust(4096, b"\0")


def kernel_superblock(name):
    return SuperblockV1.from_bytes(kernel_block(name))


def resealed(sb):
    """The superblock as it would be read with its checksum right."""
    return SuperblockV1.from_bytes(sb.to_bytes().ljust(4096, b"\0"))


def device_with(*superblocks, device_sectors=KERNEL_SECTORS):
    image = bytearray(device_sectors * 512)
    for sb in superblocks:
        raw = sb.to_bytes()
        image[sb.super_offset * 512 : sb.super_offset * 512 + len(raw)] = raw

    def read(sector, count_bytes):
        return bytes(image[sector * 512 : sector * 512 + count_bytes])

    return read


@pytest.mark.parametrize("path", KERNEL_MADE, ids=lambda path: path.stem)
def test_kernel_made_superblock_round_trips_to_the_byte(path):
    raw = path.read_bytes()
    assert SuperblockV1.from_bytes(raw.ljust(4096, b"\0")).to_bytes() == raw


@pytest.mark.parametrize("path", KERNEL_MADE, ids=lambda path: path.stem)
def test_kernels_checksum_is_ours(path):
    raw = path.read_bytes()
    assert checksum(raw) == int.from_bytes(raw[216:220], "little")


def test_fields_are_read_from_their_places():
    sb = kernel_superblock("recovering-1.0")
    assert (sb.level, sb.layout, sb.raid_disks, sb.chunksize) == (5, 2, 3, 8)
    assert (sb.size, sb.data_offset, sb.super_offset) == (8160, 0, 8176)
    assert (sb.feature_map, sb.recovery_offset) == (MD_FEATURE_RECOVERY_OFFSET, 768)
    assert (sb.bblog_offset, sb.bblog_size) == (-8, 8)
    assert (sb.events, sb.resync_offset) == (5, MAX_SECTOR)
    assert (sb.name, sb.minor_version, sb.max_dev) == ("vm:0", 0, 128)


def test_role_is_found_by_device_number_not_by_slot():
    sb = kernel_superblock("recovering-1.0")
    assert sb.dev_roles[:4] == [0, 1, MD_DISK_ROLE_SPARE, 2]
    assert (sb.dev_number, sb.role) == (3, 2)
    sb.dev_number = sb.max_dev
    assert sb.role == MD_DISK_ROLE_SPARE


def test_failed_device_keeps_the_old_roles_and_events():
    failed, survivor = kernel_superblock("failed-1.2"), kernel_superblock("survivor-1.2")
    assert failed.dev_roles[:5] == [0, 1, 2, 3, MD_DISK_ROLE_SPARE]
    assert survivor.dev_roles[:5] == [0, MD_DISK_ROLE_FAULTY, 2, 3, 1]
    assert failed.events < survivor.events


def test_dirty_array_has_resync_offset_zero():
    assert kernel_superblock("dirty-1.2").resync_offset == 0
    assert kernel_superblock("resyncing-1.2").resync_offset == 1024


@pytest.mark.parametrize("max_dev", [1, 2, 127, 128, 129, 383, 1920])
def test_any_number_of_roles_round_trips_and_fills_sectors(max_dev):
    sb = kernel_superblock("spare-1.2")
    sb.dev_roles = [number % 7 for number in range(max_dev)]
    raw = sb.to_bytes()
    assert len(raw) == -(-(256 + 2 * max_dev) // 512) * 512
    assert raw[256 + 2 * max_dev :].strip(b"\xff") == b""
    again = SuperblockV1.from_bytes(raw.ljust(4096, b"\0"))
    assert again.dev_roles == sb.dev_roles
    assert again.sb_csum == again.expected_csum


def test_odd_last_role_counts_in_the_checksum_and_what_follows_does_not():
    sb = kernel_superblock("spare-1.2")
    sb.dev_roles = [0, 1, 2]
    before = sb.expected_csum
    sb.dev_roles[2] = 5
    assert sb.expected_csum == before + 3
    raw = sb.to_bytes()
    assert checksum(raw[:262] + bytes(250)) == checksum(raw)


def test_checksum_folds_its_carry_once():
    raw = bytearray(b"\xff" * 256)
    raw[220:224] = bytes(4)
    # 62 words of all ones: the sum is 62 * 2**32 - 62.
    assert checksum(raw) == (2**32 - 62 + 61) % 2**32


def test_logical_block_size_of_linux_6_19_is_kept_and_accepted():
    sb = kernel_superblock("clean-raid6-1.2")
    sb.pad3 = (4096).to_bytes(4, "little") + bytes(28)
    again = resealed(sb)
    assert again.pad3 == sb.pad3
    validate_for_array(again, KERNEL_SECTORS)


@pytest.mark.parametrize(
    ("minor_version", "device_sectors", "sector"),
    [(0, 8192, 8176), (0, 8199, 8176), (0, 8200, 8184), (1, 8192, 0), (2, 8192, 8), (0, 24, 8)],
)
def test_superblock_lies_where_md_looks(minor_version, device_sectors, sector):
    assert super_sector(minor_version, device_sectors) == sector


def test_uuid_is_printed_in_four_groups():
    assert format_uuid(bytes(range(16))) == "00010203:04050607:08090a0b:0c0d0e0f"


def test_unsupported_features_are_named_and_unknown_bits_numbered():
    assert unsupported_features(MD_FEATURE_RECOVERY_OFFSET) == []
    assert unsupported_features(2 | 4 | 1024 | 1 << 20) == [
        "a reshape under way",
        "a partial parity log",
        "unknown feature bit 0x100000",
    ]


def test_the_features_that_arrays_here_may_have_are_few():
    for bit in range(32):
        assert len(unsupported_features(1 << bit)) == (bit not in {0, 1, 3, 4, 7})


# What is not a superblock at all.


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (0, b"\0\0\0\0", "no md superblock"),
        (4, b"\2\0\0\0", "version 2 is not supported"),
        (220, (1921).to_bytes(4, "little"), "room for 1921 devices"),
    ],
)
def test_what_cannot_be_parsed_is_refused(offset, value, message):
    block = bytearray(kernel_block("clean-raid6-1.2"))
    block[offset : offset + 4] = value
    with pytest.raises(SuperblockError, match=message):
        SuperblockV1.from_bytes(bytes(block))


def test_cut_block_is_refused():
    with pytest.raises(SuperblockError, match="512 bytes are not a superblock"):
        SuperblockV1.from_bytes(kernel_block("clean-raid6-1.2")[:512])


# Finding one on a device.


@pytest.mark.parametrize("name", ["clean-raid6-1.2", "raid4-1.1", "recovering-1.0"])
def test_superblock_is_found_at_each_of_its_places(name):
    sb = kernel_superblock(name)
    assert find_superblock(device_with(sb), KERNEL_SECTORS) == sb


@pytest.mark.parametrize(("newer", "found"), [(0, 8176), (1, 0), (2, 8)])
def test_newest_array_wins(newer, found):
    superblocks = [
        kernel_superblock(name) for name in ("recovering-1.0", "raid4-1.1", "clean-raid6-1.2")
    ]
    for sb in superblocks:
        sb.ctime = 1000
    superblocks[newer].ctime = 1001
    assert find_superblock(device_with(*superblocks), KERNEL_SECTORS).super_offset == found


def test_superblock_of_a_larger_device_is_not_taken():
    sb = kernel_superblock("recovering-1.0")
    image = device_with(sb)
    with pytest.raises(SuperblockError, match="sector 8168 belongs into sector 8176"):
        # The same superblock, 8 sectors nearer to the front.
        find_superblock(lambda sector, count: image(sector + 8, count), KERNEL_SECTORS - 8)


def test_device_without_superblock_is_told():
    with pytest.raises(SuperblockError, match="no md superblock"):
        find_superblock(device_with(), KERNEL_SECTORS)


def test_tiny_device_is_told():
    with pytest.raises(SuperblockError, match="23 sectors are too few"):
        find_superblock(device_with(), 23)


def test_device_that_ends_early_has_no_superblock():
    with pytest.raises(SuperblockError, match="no md superblock"):
        find_superblock(lambda _sector, _count: b"", KERNEL_SECTORS)


def test_bitmaps_superblock_is_read_along():
    sb = kernel_superblock("bitmap-1.2")
    image = device_with(sb)

    def read(sector, count_bytes):
        return b"bitm" + bytes(508) if sector == 16 else image(sector, count_bytes)

    assert find_superblock(read, KERNEL_SECTORS).bitmap_super[:4] == b"bitm"


def test_wrong_checksum_is_found_but_not_valid():
    block = bytearray(kernel_block("clean-raid6-1.2"))
    block[200] ^= 1
    sb = SuperblockV1.from_bytes(bytes(block))
    with pytest.raises(SuperblockError, match=r"checksum is [0-9a-f]{8} and should be"):
        validate_for_array(sb, KERNEL_SECTORS)


# Fit to assemble.


@pytest.mark.parametrize(
    "name",
    [
        "clean-raid6-1.2", "spare-1.2", "dirty-1.2", "failed-1.2", "survivor-1.2", "raid4-1.1",
        "recovering-1.0", "recovered-1.2", "resyncing-1.2", "replacing-1.2",
        "beside-replacing-1.2", "bitmap-1.2",
    ],
)  # fmt: skip
def test_kernels_plain_arrays_are_accepted(name):
    validate_for_array(kernel_superblock(name), KERNEL_SECTORS)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("journal-1.2", "a journal device: not supported yet"),
        ("ppl-1.2", "a partial parity log: not supported yet"),
    ],
)
def test_kernels_other_arrays_are_refused_by_name(name, message):
    with pytest.raises(SuperblockError, match=message):
        validate_for_array(kernel_superblock(name), KERNEL_SECTORS)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pad0": 1}, "padding"),
        ({"pad3": bytes(31) + b"\1"}, "padding"),
        ({"feature_map": 1 << 30}, "unknown feature bit 0x40000000"),
        ({"level": 1}, "raid level 1 is not one of"),
        ({"level": -4}, "raid level -4 is not one of"),
        ({"layout": 7}, "no layout number 7"),
        ({"raid_disks": 3}, "at least 4 raid devices"),
        ({"raid_disks": 2**32 - 1}, "at most 255"),
        ({"chunksize": 100}, "power of two"),
        ({"chunksize": 0}, "power of two"),
        ({"size": 0}, "not a multiple of the chunk"),
        ({"size": 130}, "not a multiple of the chunk"),
        ({"data_size": 128}, "more than the 128 available"),
        ({"data_size": 6145}, "data ends at sector 8193"),
        ({"data_offset": 2049}, "data ends at sector 8193"),
        ({"data_offset": MAX_SECTOR}, "data ends at sector"),
        ({"data_offset": 8, "data_size": 6144}, "lies in the superblock"),
        ({"super_offset": 16}, "no superblock belongs into sector 16"),
        ({"dev_number": 128}, "no place among 128"),
        ({"dev_roles": [0, 1, 2, 4]}, "a role is 4, with 4 raid devices"),
        ({"dev_roles": [0, 2, 2, 2]}, "three devices have one role"),
    ],
)
def test_absurd_fields_are_refused(fields, message):
    sb = dataclasses.replace(kernel_superblock("clean-raid6-1.2"), **fields)
    with pytest.raises(SuperblockError, match=message):
        validate_for_array(resealed(sb), KERNEL_SECTORS)


def test_data_in_front_of_a_1_0_superblock_must_end_there():
    sb = kernel_superblock("recovering-1.0")
    sb.data_offset = 8176 - sb.size
    validate_for_array(resealed(sb), KERNEL_SECTORS)
    sb.data_offset += 1
    with pytest.raises(SuperblockError, match="data ends at sector 8177, behind the last, 8176"):
        validate_for_array(resealed(sb), KERNEL_SECTORS)


def test_truncated_device_is_refused():
    sb = kernel_superblock("clean-raid6-1.2")
    with pytest.raises(SuperblockError, match="data ends at sector 8192, behind the last, 8191"):
        validate_for_array(sb, KERNEL_SECTORS - 1)


def judge(block, device_sectors=KERNEL_SECTORS):
    """Parse, find and validate; whatever is wrong must be a SuperblockError."""
    try:
        sb = SuperblockV1.from_bytes(block)
        validate_for_array(sb, device_sectors)
    except SuperblockError:
        return
    assert resealed(copy.copy(sb)) == sb


@given(st.binary(min_size=0, max_size=4096))
@example(b"\xfc\x4e\x2b\xa9\1\0\0\0".ljust(4096, b"\xff"))
def test_random_blocks_raise_nothing_else(block):
    judge(block)
    judge(block.ljust(4096, b"\0"))


@given(
    st.sampled_from(KERNEL_MADE),
    st.lists(st.tuples(st.integers(8, 1023), st.integers(0, 255)), min_size=1, max_size=12),
    st.booleans(),
)
def test_mutated_blocks_raise_nothing_else(path, changes, reseal):
    block = bytearray(path.read_bytes().ljust(4096, b"\0"))
    for offset, value in changes:
        block[offset] = value
    if reseal and int.from_bytes(block[220:224], "little") <= 1920:
        block[216:220] = checksum(block).to_bytes(4, "little")
    judge(bytes(block))


@given(st.data())
def test_fields_of_any_value_raise_nothing_else(data):
    """Whole fields at their limits, which byte changes seldom reach."""
    sb = kernel_superblock("clean-raid6-1.2")
    limits = [0, 1, 7, 8, 2**15, 2**31 - 1]
    for name in ("level", "layout", "chunksize", "raid_disks", "dev_number", "delta_disks"):
        setattr(sb, name, data.draw(st.sampled_from([getattr(sb, name), *limits])))
    for name in ("size", "data_offset", "data_size", "super_offset", "recovery_offset"):
        value = st.sampled_from([getattr(sb, name), *limits, 2**63, MAX_SECTOR])
        setattr(sb, name, data.draw(value))
    judge(sb.to_bytes().ljust(4096, b"\0"))
