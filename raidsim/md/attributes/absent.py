"""Attributes that md has and that mean nothing here, with the reason."""

from __future__ import annotations

_RESHAPE = "reshape is not supported yet"

ABSENT = {
    "bitmap/max_backlog_used": "only RAID1 writes behind",
    "group_thread_cnt": "one thread runs the simulation",
    "journal_mode": "a journal is not supported yet",
    "new_dev": "members are taken on with `raidsim add`",
    "ppl_write_hint": "PPL is not supported yet",
    "serialize_policy": "only RAID1 has it",
    "skip_copy": "data are always copied into the stripe cache",
    "sync_force_parallel": "arrays share no disks here",
}

MEMBER_ABSENT = {
    "block": "a member is an image file",
    "new_offset": _RESHAPE,
    "ppl_sector": "PPL is not supported yet",
    "ppl_size": "PPL is not supported yet",
}

# Attributes that can be written under md, and only be read here.
READ_ONLY = {
    **dict.fromkeys(
        (
            "chunk_size",
            "component_size",
            "layout",
            "level",
            "raid_disks",
            "reshape_direction",
            "reshape_position",
        ),
        _RESHAPE,
    ),
    "bitmap/backlog": "only RAID1 writes behind",
    "bitmap/can_clear": "the bitmap is md's own",
    "bitmap/metadata": "the bitmap is md's own",
    "bitmap/space": "a bitmap's size goes with its chunk",
    "consistency_policy": "PPL is not supported yet",
    "metadata_version": "the array is in use",
    **dict.fromkeys(("offset", "size"), _RESHAPE),
    **dict.fromkeys(("recovery_start", "slot"), "the array is in use"),
    "unacknowledged_bad_blocks": "write bad_blocks",
}
