"""A member as md sees it (``struct md_rdev``, Linux drivers/md/md.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.badblocks import BadBlocks
from raidsim.md.superblock import (
    MAX_SECTOR,
    MD_DISK_ROLE_FAULTY,
    MD_DISK_ROLE_SPARE,
)

if TYPE_CHECKING:
    from raidsim.disk import Disk
    from raidsim.md.superblock import SuperblockV1


class Rdev:
    """One member device.

    Args:
        disk: where its bytes are.
        superblock: its superblock as last read or written.

    Attributes:
        desc_nr: its permanent number, the index into every superblock's ``dev_roles``.
        raid_disk: its slot in the array, or -1.
        saved_raid_disk: the slot whose data it held, so that the bitmap says what it lacks, or -1.
        in_sync: it holds what its slot should hold.
        faulty: it failed and is not used any more; its superblock is never written again.
        replacement: it is to take the place of the member that has its slot (``Replacement``).
        want_replacement: a spare is to take its place (``WantReplacement``).
        recovery_offset: it is in sync below this sector of its data, when not ``in_sync``.
        sb_events: the events of its superblock as last written; 0 since it was loaded.
        data_offset: first sector of its data.
        read_errors: consecutive read errors, reset by any successful read.
        corrected_errors: sectors cured by rewriting them.
        bad_blocks: what it does not hold although it should.
        write_error_seen: a write to it failed, so that its bad blocks are not tried again.

    Raises:
        SuperblockError: its bad block log is damaged.
    """

    __slots__ = (
        "bad_blocks",
        "corrected_errors",
        "data_offset",
        "desc_nr",
        "disk",
        "faulty",
        "in_sync",
        "raid_disk",
        "read_errors",
        "recovery_offset",
        "replacement",
        "saved_raid_disk",
        "sb_events",
        "superblock",
        "want_replacement",
        "write_error_seen",
    )

    def __init__(self, disk: Disk, superblock: SuperblockV1) -> None:
        self.disk = disk
        self.superblock = superblock
        self.desc_nr = superblock.dev_number
        self.raid_disk = -1
        self.saved_raid_disk = -1
        self.in_sync = False
        self.faulty = False
        self.replacement = False
        self.want_replacement = False
        self.recovery_offset = 0
        self.sb_events = 0
        self.data_offset = superblock.data_offset
        self.read_errors = 0
        self.corrected_errors = superblock.cnt_corrected_read
        self.bad_blocks = BadBlocks.load(superblock)
        self.write_error_seen = False

    @property
    def name(self) -> str:
        """The name that messages use."""
        return self.disk.name

    @property
    def recovering(self) -> bool:
        """It has a slot and works, but does not yet hold all that it should."""
        return self.raid_disk >= 0 and not self.in_sync and not self.faulty

    @property
    def role(self) -> int:
        """What ``dev_roles`` says of it (super_1_sync, Linux drivers/md/md.c)."""
        if self.faulty:
            return MD_DISK_ROLE_FAULTY
        return self.raid_disk if self.raid_disk >= 0 else MD_DISK_ROLE_SPARE

    def has_bad_blocks(self, sector: int, sectors: int) -> bool:
        """Whether any of ``sectors`` sectors is bad (is_badblock, Linux drivers/md/md.h).

        Args:
            sector: the first of them, from the start of the member's data.
            sectors: how many.
        """
        return self.bad_blocks.overlap(self.data_offset + sector, sectors)

    def take_slot(self, raid_disk: int, recovery_offset: int, *, replacement: bool = False) -> None:
        """Become the member of slot ``raid_disk``, or its replacement, in sync so far."""
        self.raid_disk = raid_disk
        self.replacement = replacement
        self.in_sync = recovery_offset == MAX_SECTOR
        self.recovery_offset = recovery_offset
