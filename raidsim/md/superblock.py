"""The version-1 superblock: its bytes, where it lies, and what makes it fit to assemble.

The format is `struct mdp_superblock_1` of "Linux include/uapi/linux/raid/md_p.h"; the checks are
those of super_1_load and md_run in "Linux drivers/md/md.c". All numbers are little-endian, all
places and lengths in sectors of 512 bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from raidsim.errors import RaidsimError, UsageError
from raidsim.md.layout import check_geometry

if TYPE_CHECKING:
    from collections.abc import Callable

MD_SB_MAGIC: Final = 0xA92B4EFC
MAX_SECTOR: Final = 2**64 - 1
# What is read at a superblock's place; roles for 1920 devices fit.
MAX_SB_BYTES: Final = 4096
# mdadm takes no smaller device.
MIN_DEVICE_SECTORS: Final = 24

MD_DISK_ROLE_SPARE: Final = 0xFFFF
MD_DISK_ROLE_FAULTY: Final = 0xFFFE
MD_DISK_ROLE_JOURNAL: Final = 0xFFFD
MD_DISK_ROLE_MAX: Final = 0xFF00

MD_FEATURE_BITMAP_OFFSET: Final = 1
MD_FEATURE_RECOVERY_OFFSET: Final = 2
MD_FEATURE_RESHAPE_ACTIVE: Final = 4
MD_FEATURE_BAD_BLOCKS: Final = 8
MD_FEATURE_REPLACEMENT: Final = 16
MD_FEATURE_RESHAPE_BACKWARDS: Final = 32
MD_FEATURE_NEW_OFFSET: Final = 64
MD_FEATURE_RECOVERY_BITMAP: Final = 128
MD_FEATURE_CLUSTERED: Final = 256
MD_FEATURE_JOURNAL: Final = 512
MD_FEATURE_PPL: Final = 1024
MD_FEATURE_MULTIPLE_PPLS: Final = 2048
MD_FEATURE_RAID0_LAYOUT: Final = 4096

SUPPORTED_FEATURES: Final = (
    MD_FEATURE_BITMAP_OFFSET
    | MD_FEATURE_RECOVERY_OFFSET
    | MD_FEATURE_BAD_BLOCKS
    | MD_FEATURE_RECOVERY_BITMAP
    | MD_FEATURE_REPLACEMENT
)

_UNSUPPORTED: Final = {
    MD_FEATURE_RESHAPE_ACTIVE: "a reshape under way",
    MD_FEATURE_RESHAPE_BACKWARDS: "a backward reshape",
    MD_FEATURE_NEW_OFFSET: "a moving data offset",
    MD_FEATURE_CLUSTERED: "a clustered bitmap",
    MD_FEATURE_JOURNAL: "a journal device",
    MD_FEATURE_PPL: "a partial parity log",
    MD_FEATURE_MULTIPLE_PPLS: "a ring of partial parity logs",
    MD_FEATURE_RAID0_LAYOUT: "a RAID0 layout",
}

# The fields behind magic and major_version, in their order on disk.
# fmt: off
_FIELDS: Final = {
    "feature_map": "I", "pad0": "I",
    "set_uuid": "16s", "set_name": "32s", "ctime": "Q", "level": "i", "layout": "I", "size": "Q",
    "chunksize": "I", "raid_disks": "I", "bitmap_offset": "i",
    "new_level": "i", "reshape_position": "Q", "delta_disks": "i", "new_layout": "I",
    "new_chunk": "I", "new_offset": "i",
    "data_offset": "Q", "data_size": "Q", "super_offset": "Q", "recovery_offset": "Q",
    "dev_number": "I", "cnt_corrected_read": "I", "device_uuid": "16s", "devflags": "B",
    "bblog_shift": "B", "bblog_size": "H", "bblog_offset": "i",
    "utime": "Q", "events": "Q", "resync_offset": "Q", "sb_csum": "I", "max_dev": "I",
    "pad3": "32s",
}
# fmt: on
_FORMAT: Final = struct.Struct("<II" + "".join(_FIELDS.values()))
_SB_CSUM: Final = slice(216, 220)
_MAX_DEV: Final = slice(220, 224)
_MAX_MAX_DEV: Final = (MAX_SB_BYTES - _FORMAT.size) // 2


class SuperblockError(RaidsimError):
    """There is no superblock, or it is not one that can be used."""


def checksum(raw: bytes | bytearray) -> int:
    """Return the checksum over the 256 + 2 x max_dev bytes of a superblock (calc_sb_1_csum).

    What the bytes hold as checksum counts as zero; what lies behind them is not looked at.
    """
    size = _FORMAT.size + 2 * int.from_bytes(raw[_MAX_DEV], "little")
    words: tuple[int, ...] = struct.unpack_from(f"<{size // 4}I", raw)
    total = sum(words)
    if size % 4:
        total += int.from_bytes(raw[size - 2 : size], "little")
    total -= int.from_bytes(raw[_SB_CSUM], "little")
    return ((total & 0xFFFFFFFF) + (total >> 32)) & 0xFFFFFFFF


def super_sector(minor_version: int, device_sectors: int) -> int:
    """Return the sector where a 1.0, 1.1 or 1.2 superblock lies on a device of this size."""
    if minor_version == 0:
        return (device_sectors - 16) & ~7
    return 8 if minor_version == 2 else 0


def unsupported_features(feature_map: int) -> list[str]:
    """Name every feature of the map that raidsim does not support, unknown bits by number."""
    return [
        _UNSUPPORTED.get(1 << bit, f"unknown feature bit {1 << bit:#x}")
        for bit in range(feature_map.bit_length())
        if feature_map & ~SUPPORTED_FEATURES & 1 << bit
    ]


def format_uuid(uuid: bytes) -> str:
    """Return a UUID as mdadm prints it: four groups of four bytes."""
    return uuid.hex(":", 4)


@dataclass(slots=True, kw_only=True)
class SuperblockV1:
    """One member's superblock; the fields are the kernel's.

    Attributes:
        set_name: Without the zeros behind it.
        pad3: Kept as found: since Linux 6.19 its first 4 bytes are the logical block size.
        dev_roles: Indexed by dev_number, not by slot: 0 to 0xfeff is a slot, the rest is
            MD_DISK_ROLE_SPARE (also where there is no device), _FAULTY and _JOURNAL.
        bitmap_super: The 512 bytes where `bitmap_offset` points, when `find_superblock` has read
            them. Not part of the superblock.
        bblog: The bad block log, when there are bad blocks and `find_superblock` has read it. Not
            part of the superblock.
    """

    # The array: the same on every member.
    feature_map: int = 0
    pad0: int = 0
    set_uuid: bytes
    set_name: bytes = b""
    ctime: int
    level: int
    layout: int
    size: int
    chunksize: int
    raid_disks: int
    bitmap_offset: int = 0
    new_level: int = 0
    reshape_position: int = 0
    delta_disks: int = 0
    new_layout: int = 0
    new_chunk: int = 0
    new_offset: int = 0
    # This device.
    data_offset: int
    data_size: int
    super_offset: int
    recovery_offset: int = 0
    dev_number: int
    cnt_corrected_read: int = 0
    device_uuid: bytes
    devflags: int = 0
    bblog_shift: int = 0
    bblog_size: int = 0
    bblog_offset: int = 0
    # The array's state when this was written.
    utime: int
    events: int = 0
    resync_offset: int = MAX_SECTOR
    sb_csum: int = 0
    pad3: bytes = bytes(32)
    dev_roles: list[int]

    bitmap_super: bytes = field(default=b"", repr=False, compare=False)
    bblog: bytes = field(default=b"", repr=False, compare=False)

    @classmethod
    def from_bytes(cls, block: bytes) -> SuperblockV1:
        """Parse what lies at a superblock's place, as far as mdadm does to show it.

        Checksum and values are taken as they are: `validate_for_array` judges them.

        Args:
            block: The 4096 bytes from the superblock's sector on.

        Raises:
            SuperblockError: It is not a version-1 superblock.
        """
        if len(block) != MAX_SB_BYTES:
            raise SuperblockError(f"{len(block)} bytes are not a superblock")
        magic, major_version, *values = _FORMAT.unpack_from(block)
        if magic != MD_SB_MAGIC:
            raise SuperblockError("no md superblock")
        if major_version != 1:
            raise SuperblockError(f"metadata version {major_version} is not supported, only 1")
        fields = dict(zip(_FIELDS, values, strict=True))
        max_dev = fields.pop("max_dev")
        if max_dev > _MAX_MAX_DEV:
            raise SuperblockError(f"the superblock claims room for {max_dev} devices")
        fields["set_name"] = fields["set_name"].rstrip(b"\0")
        dev_roles = list(struct.unpack_from(f"<{max_dev}H", block, _FORMAT.size))
        return cls(**fields, dev_roles=dev_roles)

    def to_bytes(self) -> bytes:
        """Return the sectors that md writes, with the right checksum.

        256 + 2 x max_dev bytes, rounded up to whole sectors; what lies behind them on the device
        stays as it is.
        """
        values = (getattr(self, name) for name in _FIELDS)
        raw = bytearray(_FORMAT.pack(MD_SB_MAGIC, 1, *values))
        raw += struct.pack(f"<{self.max_dev}H", *self.dev_roles)
        raw[_SB_CSUM] = checksum(raw).to_bytes(4, "little")
        # mdadm fills the last sector with roles of no device.
        raw += b"\xff" * (-len(raw) % 512)
        return bytes(raw)

    @property
    def max_dev(self) -> int:
        """The number of roles that the superblock has room for."""
        return len(self.dev_roles)

    @property
    def minor_version(self) -> int:
        """0, 1 or 2, told from where the superblock lies, as mdadm does."""
        return {0: 1, 8: 2}.get(self.super_offset, 0)

    @property
    def role(self) -> int:
        """This device's own entry in its role table; a spare's where it has none."""
        if self.dev_number < len(self.dev_roles):
            return self.dev_roles[self.dev_number]
        return MD_DISK_ROLE_SPARE

    @property
    def name(self) -> str:
        """The array's name, "host:name" as mdadm makes it."""
        return self.set_name.split(b"\0")[0].decode(errors="replace")

    @property
    def expected_csum(self) -> int:
        """The checksum that `sb_csum` should be."""
        return checksum(self.to_bytes())


def find_superblock(
    read: Callable[[int, int], bytes],
    device_sectors: int,
) -> SuperblockV1:
    """Find a device's superblock as mdadm's load_super1 does: of several, the newest array's.

    Args:
        read: Returns the bytes from a sector on: `read(sector, count_bytes)`.
        device_sectors: The device's size.

    Raises:
        SuperblockError: There is none; the message does not name the device.
    """
    if device_sectors < MIN_DEVICE_SECTORS:
        raise SuperblockError(f"{device_sectors} sectors are too few for an md superblock")
    newest: SuperblockV1 | None = None
    problem = SuperblockError("no md superblock")
    for minor_version in (0, 1, 2):
        sector = super_sector(minor_version, device_sectors)
        block = read(sector, MAX_SB_BYTES)
        if block[:4] != MD_SB_MAGIC.to_bytes(4, "little"):
            continue
        try:
            sb = SuperblockV1.from_bytes(block)
        except SuperblockError as error:
            problem = error
            continue
        if sb.super_offset != sector:
            problem = SuperblockError(
                f"the superblock in sector {sector} belongs into sector {sb.super_offset}"
                " of another or resized device"
            )
        elif newest is None or sb.ctime > newest.ctime:
            newest = sb
    if newest is None:
        raise problem
    bitmap_sector = newest.super_offset + newest.bitmap_offset
    if newest.feature_map & MD_FEATURE_BITMAP_OFFSET and 0 <= bitmap_sector < device_sectors:
        newest.bitmap_super = read(bitmap_sector, 512)
    if newest.feature_map & MD_FEATURE_BAD_BLOCKS:
        bblog_sector = newest.super_offset + newest.bblog_offset
        if 0 <= bblog_sector <= device_sectors - newest.bblog_size:
            newest.bblog = read(bblog_sector, newest.bblog_size * 512)
    return newest


def validate_for_array(sb: SuperblockV1, device_sectors: int) -> None:
    """Refuse a superblock that is damaged, or of an array that can't be run or be run safely.

    Raises:
        SuperblockError: One line that names the field; it does not name the device.
    """
    _check_integrity(sb)
    features = unsupported_features(sb.feature_map)
    if features:
        raise SuperblockError(f"the array has {', '.join(features)}: not supported yet")
    try:
        check_geometry(sb.level, sb.layout, sb.raid_disks, sb.chunksize)
    except UsageError as error:
        raise SuperblockError(f"the superblock makes no sense: {error}") from error
    _check_placement(sb, device_sectors)
    _check_roles(sb)


def _check_integrity(sb: SuperblockV1) -> None:
    """The checks of super_1_load that need the superblock alone."""
    if sb.sb_csum != sb.expected_csum:
        raise SuperblockError(
            f"the superblock's checksum is {sb.sb_csum:08x} and should be {sb.expected_csum:08x}"
        )
    if sb.pad0 or any(sb.pad3[4:]):
        raise SuperblockError("the superblock has values in its padding: a feature of later md")


def _check_placement(sb: SuperblockV1, device_sectors: int) -> None:
    """Data of `size` sectors must lie on the device and beside the superblock (md_run)."""
    if sb.super_offset != super_sector(sb.minor_version, device_sectors):
        raise SuperblockError(f"no superblock belongs into sector {sb.super_offset}")
    if not sb.size or sb.size % sb.chunksize:
        raise SuperblockError(f"the used size of {sb.size} sectors is not a multiple of the chunk")
    if sb.data_size < sb.size:
        raise SuperblockError(
            f"the used size of {sb.size} sectors is more than the {sb.data_size} available"
        )
    if sb.minor_version == 0:
        end_sector, room = sb.data_offset + sb.size, sb.super_offset
    else:
        end_sector, room = sb.data_offset + sb.data_size, device_sectors
        if sb.data_offset < sb.super_offset + len(sb.to_bytes()) // 512:
            raise SuperblockError(f"the data offset {sb.data_offset} lies in the superblock")
    if end_sector > room:
        raise SuperblockError(f"the data ends at sector {end_sector}, behind the last, {room}")


def _check_roles(sb: SuperblockV1) -> None:
    """The role table gives each slot to one device, and maybe to its replacement."""
    if sb.dev_number >= sb.max_dev:
        raise SuperblockError(f"device number {sb.dev_number} has no place among {sb.max_dev}")
    slots = [role for role in sb.dev_roles if role < MD_DISK_ROLE_JOURNAL]
    beyond = [slot for slot in slots if slot >= sb.raid_disks]
    if beyond:
        raise SuperblockError(f"a role is {beyond[0]}, with {sb.raid_disks} raid devices")
    if any(slots.count(slot) > 2 for slot in set(slots)):
        raise SuperblockError("three devices have one role")
