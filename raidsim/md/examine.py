"""A superblock as text, line for line what `mdadm --examine` of mdadm 4.2 prints (super1.c).

Levels other than RAID4, 5 and 6 are shown without the lines on array size, layout and chunk.
"""

from __future__ import annotations

import struct
from dataclasses import replace

from raidsim.md.layout import MAX_RAID_DISKS, layout_name
from raidsim.md.superblock import (
    MAX_SECTOR,
    MD_DISK_ROLE_FAULTY,
    MD_DISK_ROLE_JOURNAL,
    MD_DISK_ROLE_MAX,
    MD_FEATURE_BAD_BLOCKS,
    MD_FEATURE_BITMAP_OFFSET,
    MD_FEATURE_MULTIPLE_PPLS,
    MD_FEATURE_NEW_OFFSET,
    MD_FEATURE_PPL,
    MD_FEATURE_RECOVERY_OFFSET,
    MD_FEATURE_REPLACEMENT,
    MD_FEATURE_RESHAPE_ACTIVE,
    SuperblockV1,
    format_uuid,
)
from raidsim.md.wording import human_size, level_name, name_text, seconds, time_text

_PARITY_DISKS = {4: 1, 5: 1, 6: 2}

_BITMAP_MAGIC = b"bitm"


def examine_lines(sb: SuperblockV1, device_name: str, device_sectors: int) -> list[str]:
    """Return the lines that `mdadm --examine` prints for a member.

    Args:
        sb: As `find_superblock` returns it: it also reads the bitmap's superblock.
        device_name: Stands in the first line.
        device_sectors: The device's size.
    """
    sb = _without_broken_bitmap(sb)
    return [
        f"{device_name}:",
        *_identity_lines(sb),
        "",
        *_space_lines(sb, device_sectors),
        f"          State : {'clean' if sb.resync_offset == MAX_SECTOR else 'active'}",
        f"    Device UUID : {format_uuid(sb.device_uuid)}",
        "",
        *_bitmap_lines(sb),
        *_reshape_lines(sb),
        *_update_lines(sb),
        "",
        *_layout_lines(sb),
        "",
        f"   Device Role : {_role_text(sb)}",
        *_array_state_lines(sb),
    ]


def examine_json(sb: SuperblockV1, device_name: str, device_sectors: int) -> dict[str, object]:
    """Return the same facts under stable keys; what does not apply is None.

    Sizes and places are in sectors unless the key says otherwise, times in seconds since 1970.
    """
    sb = _without_broken_bitmap(sb)
    before, after = unused_space(sb, device_sectors)
    has_bblog = sb.bblog_size and sb.bblog_offset
    raid456 = sb.level in _PARITY_DISKS
    return {
        "device": device_name,
        "device_size": device_sectors,
        "metadata": f"1.{sb.minor_version}",
        "feature_map": sb.feature_map,
        "array_uuid": format_uuid(sb.set_uuid),
        "name": sb.name,
        "creation_time": seconds(sb.ctime),
        "raid_level": level_name(sb.level) or "unknown",
        "raid_devices": sb.raid_disks,
        "array_size_bytes": array_size_bytes(sb),
        "used_dev_size": sb.size,
        "avail_dev_size": sb.data_size,
        "data_offset": sb.data_offset,
        "super_offset": sb.super_offset,
        "recovery_offset": (
            sb.recovery_offset if sb.feature_map & MD_FEATURE_RECOVERY_OFFSET else None
        ),
        "unused_space_before": before,
        "unused_space_after": after,
        "state": "clean" if sb.resync_offset == MAX_SECTOR else "active",
        "resync_offset": None if sb.resync_offset == MAX_SECTOR else sb.resync_offset,
        "device_uuid": format_uuid(sb.device_uuid),
        "device_number": sb.dev_number,
        "bitmap_offset": sb.bitmap_offset if sb.feature_map & MD_FEATURE_BITMAP_OFFSET else None,
        "update_time": seconds(sb.utime),
        "bad_block_log_entries": _bblog_entries(sb) if has_bblog else None,
        "bad_block_log_offset": sb.bblog_offset if has_bblog else None,
        "bad_blocks_present": bool(sb.feature_map & MD_FEATURE_BAD_BLOCKS),
        "checksum": f"{sb.sb_csum:08x}",
        "checksum_correct": sb.sb_csum == sb.expected_csum,
        "events": sb.events,
        "layout": layout_name(sb.level, sb.layout) if raid456 else None,
        "chunk_size_bytes": sb.chunksize * 512,
        "device_role": _role_text(sb),
        "array_state": _array_state(sb),
    }


def array_size_bytes(sb: SuperblockV1) -> int | None:
    """Return the array's capacity, None for other levels."""
    if sb.level not in _PARITY_DISKS:
        return None
    return sb.size * 512 * (sb.raid_disks - _PARITY_DISKS[sb.level])


def unused_space(sb: SuperblockV1, device_sectors: int) -> tuple[int, int]:
    """Return the free sectors before and after the data (getinfo_super1).

    A device that is shorter than its data gives a negative number.
    """
    used = sb.size if sb.level > 0 else sb.data_size
    log_offset = log_sectors = 0
    if sb.feature_map & MD_FEATURE_BITMAP_OFFSET:
        log_offset, log_sectors = sb.bitmap_offset, _bitmap_sectors(sb.bitmap_super)
    elif _has_ppl(sb):
        log_offset, log_sectors = _ppl(sb)
    bblog_sector = sb.super_offset + sb.bblog_offset
    has_bblog = sb.bblog_offset and sb.bblog_size
    if sb.data_offset < sb.super_offset:
        before = sb.data_offset
        end = min(sb.super_offset, sb.super_offset + log_offset)
        if has_bblog:
            end = min(end, bblog_sector)
        after = max(0, end - used - sb.data_offset)
    else:
        # The kernel keeps 36K for the superblock and what old md had behind it.
        metadata_end = sb.super_offset + 72
        if log_offset > 0:
            metadata_end = max(metadata_end, log_offset + log_sectors)
        if has_bblog:
            metadata_end = max(metadata_end, bblog_sector + sb.bblog_size)
        before = max(0, sb.data_offset - metadata_end)
        after = device_sectors - sb.data_offset - used
    if sb.role == MD_DISK_ROLE_JOURNAL:
        # A journal uses all whole pages.
        after = (device_sectors - sb.data_offset) % 8
    return before, after


def _without_broken_bitmap(sb: SuperblockV1) -> SuperblockV1:
    """Drop a bitmap that is not the array's own, as mdadm does when it loads the superblock."""
    bitmap = sb.bitmap_super
    if not sb.feature_map & MD_FEATURE_BITMAP_OFFSET or (
        bitmap[:4] == _BITMAP_MAGIC and bitmap[8:24] == sb.set_uuid
    ):
        return sb
    return replace(sb, feature_map=sb.feature_map & ~MD_FEATURE_BITMAP_OFFSET)


def _bitmap_sectors(bitmap_super: bytes) -> int:
    """Return the sectors of a bitmap, in whole pages: its superblock and a bit a chunk."""
    sync_size = int.from_bytes(bitmap_super[40:48], "little")
    chunk_sectors = max(1, int.from_bytes(bitmap_super[52:56], "little") // 512)
    bits = -(-sync_size // chunk_sectors)
    return -(-((bits + 7) // 8 + 256) // 4096) * 8


def _has_ppl(sb: SuperblockV1) -> bool:
    return bool(sb.feature_map & (MD_FEATURE_PPL | MD_FEATURE_MULTIPLE_PPLS))


def _ppl(sb: SuperblockV1) -> tuple[int, int]:
    """Return the PPL's offset from the superblock and its size, which share bitmap_offset."""
    return struct.unpack("<hH", struct.pack("<i", sb.bitmap_offset))


def _bblog_entries(sb: SuperblockV1) -> int:
    return sb.bblog_size * 512 // 8


def _identity_lines(sb: SuperblockV1) -> list[str]:
    return [
        "          Magic : a92b4efc",
        f"        Version : 1.{sb.minor_version}",
        f"    Feature Map : {sb.feature_map:#x}",
        f"     Array UUID : {format_uuid(sb.set_uuid)}",
        f"           Name : {name_text(sb.name)}",
        f"  Creation Time : {time_text(sb.ctime)}",
        f"     Raid Level : {level_name(sb.level) or '-unknown-'}",
        f"   Raid Devices : {sb.raid_disks}",
    ]


def _space_lines(sb: SuperblockV1, device_sectors: int) -> list[str]:
    lines = [f" Avail Dev Size : {sb.data_size} sectors{human_size(sb.data_size * 512)}"]
    size_bytes = array_size_bytes(sb)
    if size_bytes is not None:
        lines.append(f"     Array Size : {size_bytes >> 10} KiB{human_size(size_bytes)}")
    if sb.level > 0 and sb.size != sb.data_size:
        lines.append(f"  Used Dev Size : {sb.size} sectors{human_size(sb.size * 512)}")
    if sb.data_offset:
        lines.append(f"    Data Offset : {sb.data_offset} sectors")
    moving = sb.feature_map & MD_FEATURE_NEW_OFFSET
    if moving and sb.new_offset:
        lines.append(f"     New Offset : {(sb.data_offset + sb.new_offset) % (1 << 64)} sectors")
    lines.append(f"   Super Offset : {sb.super_offset} sectors")
    if sb.feature_map & MD_FEATURE_RECOVERY_OFFSET:
        lines.append(f"Recovery Offset : {sb.recovery_offset} sectors")
    before, after = unused_space(sb, device_sectors)
    # mdadm takes 1 for "no room at all", and less than nothing for very much.
    journal = sb.role == MD_DISK_ROLE_JOURNAL
    if (before or after or journal) and after != 1 and not moving:
        after %= 1 << 64
        lines.append(f"   Unused Space : before={before} sectors, after={after} sectors")
    return lines


def _bitmap_lines(sb: SuperblockV1) -> list[str]:
    if sb.feature_map & MD_FEATURE_BITMAP_OFFSET:
        return [f"Internal Bitmap : {sb.bitmap_offset} sectors from superblock"]
    if _has_ppl(sb):
        offset, size = _ppl(sb)
        return [f"            PPL : {size} sectors at offset {offset} sectors from superblock"]
    return []


def _reshape_lines(sb: SuperblockV1) -> list[str]:
    if not sb.feature_map & MD_FEATURE_RESHAPE_ACTIVE:
        return []
    position = sb.reshape_position
    lines = [f"  Reshape pos'n : {position // 2}{human_size(position * 512)}"]
    if sb.delta_disks:
        old_disks = sb.raid_disks - sb.delta_disks
        lines.append(f"  Delta Devices : {sb.delta_disks} ({old_disks}->{sb.raid_disks})")
    if sb.new_level != sb.level:
        lines.append(f"      New Level : {level_name(sb.new_level) or '-unknown-'}")
    if sb.new_layout != sb.layout and sb.level in {5, 6}:
        lines.append(f"     New Layout : {layout_name(sb.level, sb.new_layout)}")
    if sb.new_chunk != sb.chunksize:
        lines.append(f"  New Chunksize : {sb.new_chunk // 2}K")
    return [*lines, ""]


def _update_lines(sb: SuperblockV1) -> list[str]:
    lines = []
    if sb.devflags:
        words = [
            word for bit, word in ((1, " write-mostly"), (2, " failfast")) if sb.devflags & bit
        ]
        lines.append(f"          Flags :{''.join(words)}")
    lines.append(f"    Update Time : {time_text(sb.utime)}")
    if sb.bblog_size and sb.bblog_offset:
        present = " - bad blocks present." if sb.feature_map & MD_FEATURE_BAD_BLOCKS else ""
        lines.append(
            f"  Bad Block Log : {_bblog_entries(sb)} entries available"
            f" at offset {sb.bblog_offset} sectors{present}"
        )
    expected = sb.expected_csum
    verdict = "correct" if sb.sb_csum == expected else f"expected {expected:x}"
    lines.append(f"       Checksum : {sb.sb_csum:x} - {verdict}")
    lines.append(f"         Events : {sb.events}")
    return lines


def _layout_lines(sb: SuperblockV1) -> list[str]:
    if sb.level not in _PARITY_DISKS:
        return []
    lines = [f"     Chunk Size : {sb.chunksize // 2}K"]
    if sb.level != 4:
        lines.insert(0, f"         Layout : {layout_name(sb.level, sb.layout)}")
    return lines


def _role_text(sb: SuperblockV1) -> str:
    role = sb.role
    if role >= MD_DISK_ROLE_FAULTY:
        return "spare"
    if role == MD_DISK_ROLE_JOURNAL:
        return "Journal"
    if sb.feature_map & MD_FEATURE_REPLACEMENT:
        return f"Replacement device {role}"
    return f"Active device {role}"


def _slots(sb: SuperblockV1) -> int:
    """The slots in use: while an array shrinks, also those that will go."""
    shrinking = sb.feature_map & MD_FEATURE_RESHAPE_ACTIVE and sb.delta_disks < 0
    slots = sb.raid_disks - sb.delta_disks if shrinking else sb.raid_disks
    # A damaged superblock may claim millions.
    return min(slots, MAX_RAID_DISKS)


def _array_state(sb: SuperblockV1) -> str:
    """One letter a slot: of how many devices it is the role."""
    letters = {0: ".", 1: "A", 2: "R"}
    return "".join(letters.get(sb.dev_roles.count(slot), "?") for slot in range(_slots(sb)))


def _array_state_lines(sb: SuperblockV1) -> list[str]:
    state = _array_state(sb)
    lines = [f"   Array State : {state} ('A' == active, '.' == missing, 'R' == replacing)"]
    beyond = any(_slots(sb) < role <= MD_DISK_ROLE_MAX for role in sb.dev_roles)
    if beyond or "?" in state:
        lines.append("WARNING Array state is inconsistent - each number should appear only once")
        lines.append(
            "".join(
                f" {number}:{'-' if role >= MD_DISK_ROLE_FAULTY else role}"
                for number, role in enumerate(sb.dev_roles)
            )
        )
    return lines
