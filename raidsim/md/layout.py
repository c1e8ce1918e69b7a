"""Where data and parity lie: every RAID4, 5 and 6 layout of Linux drivers/md/raid5.c, both ways.

A layout is told by three things a row: the disk of P, the disk of Q, and whether the data starts
behind the parity (the symmetric layouts) or on the lowest disk. From these follow the place of
each data chunk and the order in which RAID6 weighs them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from raidsim.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

ALGORITHM_LEFT_ASYMMETRIC = 0
ALGORITHM_RIGHT_ASYMMETRIC = 1
ALGORITHM_LEFT_SYMMETRIC = 2
ALGORITHM_RIGHT_SYMMETRIC = 3
ALGORITHM_PARITY_0 = 4
ALGORITHM_PARITY_N = 5

# RAID6 only: the layouts of SNIA's disk data format, as hardware controllers have them.
ALGORITHM_ROTATING_ZERO_RESTART = 8
ALGORITHM_ROTATING_N_RESTART = 9
ALGORITHM_ROTATING_N_CONTINUE = 10

# RAID6 only: a RAID5 on all disks but the last, which holds Q. PARITY_N is such a one already.
ALGORITHM_LEFT_ASYMMETRIC_6 = 16
ALGORITHM_RIGHT_ASYMMETRIC_6 = 17
ALGORITHM_LEFT_SYMMETRIC_6 = 18
ALGORITHM_RIGHT_SYMMETRIC_6 = 19
ALGORITHM_PARITY_0_6 = 20

# A chunk is never smaller than a page ("Linux drivers/md/raid5.c", setup_conf).
MIN_CHUNK_SECTORS = 8
# The roles that fit into the superblock's page.
MAX_RAID_DISKS = 1920
# async_gen_syndrome takes at most 255 blocks, P and Q included ("crypto/async_tx/async_pq.c").
MAX_SYNDROME_BLOCKS = 255

_MD_NAMES = {
    "left-asymmetric": ALGORITHM_LEFT_ASYMMETRIC,
    "right-asymmetric": ALGORITHM_RIGHT_ASYMMETRIC,
    "left-symmetric": ALGORITHM_LEFT_SYMMETRIC,
    "right-symmetric": ALGORITHM_RIGHT_SYMMETRIC,
    "parity-first": ALGORITHM_PARITY_0,
    "parity-last": ALGORITHM_PARITY_N,
    "default": ALGORITHM_LEFT_SYMMETRIC,
    "la": ALGORITHM_LEFT_ASYMMETRIC,
    "ra": ALGORITHM_RIGHT_ASYMMETRIC,
    "ls": ALGORITHM_LEFT_SYMMETRIC,
    "rs": ALGORITHM_RIGHT_SYMMETRIC,
}

# mdadm's names (maps.c); of a number's names the first is the one that is printed.
_NAMES: dict[int, dict[str, int]] = {
    # RAID4 has its parity on the last disk and 0 for it in the superblock.
    4: {"parity-last": 0, "default": 0},
    5: {
        **_MD_NAMES,
        "ddf-zero-restart": ALGORITHM_RIGHT_ASYMMETRIC,
        "ddf-N-restart": ALGORITHM_LEFT_ASYMMETRIC,
        "ddf-N-continue": ALGORITHM_LEFT_SYMMETRIC,
    },
    6: {
        **_MD_NAMES,
        "ddf-zero-restart": ALGORITHM_ROTATING_ZERO_RESTART,
        "ddf-N-restart": ALGORITHM_ROTATING_N_RESTART,
        "ddf-N-continue": ALGORITHM_ROTATING_N_CONTINUE,
        "left-asymmetric-6": ALGORITHM_LEFT_ASYMMETRIC_6,
        "right-asymmetric-6": ALGORITHM_RIGHT_ASYMMETRIC_6,
        "left-symmetric-6": ALGORITHM_LEFT_SYMMETRIC_6,
        "right-symmetric-6": ALGORITHM_RIGHT_SYMMETRIC_6,
        "parity-first-6": ALGORITHM_PARITY_0_6,
    },
}

_FIXED = {ALGORITHM_PARITY_0, ALGORITHM_PARITY_N, ALGORITHM_PARITY_0_6}
_RIGHT = {
    ALGORITHM_RIGHT_ASYMMETRIC,
    ALGORITHM_RIGHT_SYMMETRIC,
    ALGORITHM_ROTATING_ZERO_RESTART,
}
_SYMMETRIC = {
    ALGORITHM_LEFT_SYMMETRIC,
    ALGORITHM_RIGHT_SYMMETRIC,
    ALGORITHM_ROTATING_N_CONTINUE,
    ALGORITHM_LEFT_SYMMETRIC_6,
    ALGORITHM_RIGHT_SYMMETRIC_6,
}
_DDF = {
    ALGORITHM_ROTATING_ZERO_RESTART,
    ALGORITHM_ROTATING_N_RESTART,
    ALGORITHM_ROTATING_N_CONTINUE,
}
_RAID5_AND_Q = range(ALGORITHM_LEFT_ASYMMETRIC_6, ALGORITHM_RIGHT_SYMMETRIC_6 + 1)


def layout_names(level: int) -> list[str]:
    """Return the names that mdadm knows for layouts of a level, in alphabetical order."""
    return sorted(_NAMES[level])


def layout_name(level: int, layout: int) -> str:
    """Return mdadm's name of a layout, or "-unknown-" as mdadm prints it.

    Args:
        level: 4, 5 or 6. RAID4 has one layout, whatever its number.
        layout: The number as the superblock has it.
    """
    if level == 4:
        return "parity-last"
    for name, number in _NAMES.get(level, {}).items():
        if number == layout:
            return name
    return "-unknown-"


def parse_layout(level: int, text: str) -> int:
    """Return the number of the layout that mdadm's `--layout` calls `text`.

    Raises:
        UsageError: `level` has no layout of that name; the message lists those it has.
    """
    names = _known_level(level)
    if text not in names:
        raise UsageError(f"raid{level} has no layout {text!r}: use one of {', '.join(names)}")
    return names[text]


def check_geometry(level: int, layout: int, raid_disks: int, chunk_sectors: int) -> None:
    """Refuse what raid5_run would ("Linux drivers/md/raid5.c"), without building anything.

    Raises:
        UsageError: One line that names the wrong number and the right ones.
    """
    names = _known_level(level)
    if level != 4 and layout not in names.values():
        raise UsageError(f"raid{level} has no layout number {layout}")
    fewest = 4 if level == 6 else 2
    if raid_disks < fewest:
        raise UsageError(f"raid{level} needs at least {fewest} raid devices, not {raid_disks}")
    most = MAX_RAID_DISKS
    if level == 6:
        most = MAX_SYNDROME_BLOCKS - 2 if layout in _DDF else MAX_SYNDROME_BLOCKS
    if raid_disks > most:
        raise UsageError(
            f"raid{level} {layout_name(level, layout)} has at most {most} raid devices,"
            f" not {raid_disks}"
        )
    if chunk_sectors < MIN_CHUNK_SECTORS or chunk_sectors & (chunk_sectors - 1):
        raise UsageError(
            f"a chunk is a power of two and at least 4K, not {chunk_sectors * 512} bytes"
        )


def _known_level(level: int) -> dict[str, int]:
    if level not in _NAMES:
        raise UsageError(f"raid level {level} is not one of 4, 5, 6")
    return _NAMES[level]


@dataclass(frozen=True, slots=True)
class Row:
    """The geometry of one chunk row: one chunk on each member.

    Attributes:
        pd_idx: The disk that holds P.
        qd_idx: The disk that holds Q, or -1 where the level has none.
        ddf_layout: Whether the syndrome slots are the disks themselves.
        data_disks: Data chunk j of the row -> its disk.
        data_index: Disk -> the data chunk j on it, -1 for P and Q.
        data_mask: Bit i is set where disk i holds data.
        syndrome_slots: Slot -> the disk whose data Q weighs by 2**slot, -1 where a ddf slot is P's
            or Q's own and counts as zeros. raid_disks - 2 slots, with ddf raid_disks. Empty for
            RAID4 and 5.
        slot_of: Disk -> its slot; P and Q are the two behind the last, where the raid6 functions
            take them. Empty for RAID4 and 5.
    """

    pd_idx: int
    qd_idx: int
    ddf_layout: bool
    data_disks: tuple[int, ...]
    data_index: tuple[int, ...]
    data_mask: int
    syndrome_slots: tuple[int, ...]
    slot_of: tuple[int, ...]


class Geometry:
    """The map between an array's sectors and its members' ("Linux drivers/md/raid5.c").

    Args:
        level: 4, 5 or 6.
        layout: The number as the superblock has it; ignored for RAID4.
        raid_disks: The members, parity included.
        chunk_sectors: The chunk, in sectors of 512 bytes.

    Attributes:
        rows: The rows of one period; row r of the array is `rows[r % period]`.
        period: After how many rows the layout repeats.
        data_disks: The data chunks in a row.
        max_degraded: How many members may be missing.

    Raises:
        UsageError: The four numbers do not make an array.
    """

    __slots__ = (
        "chunk_sectors",
        "data_disks",
        "layout",
        "level",
        "max_degraded",
        "period",
        "raid_disks",
        "rows",
    )

    def __init__(self, level: int, layout: int, raid_disks: int, chunk_sectors: int) -> None:
        check_geometry(level, layout, raid_disks, chunk_sectors)
        self.level = level
        self.layout = layout
        self.raid_disks = raid_disks
        self.chunk_sectors = chunk_sectors
        self.max_degraded = 2 if level == 6 else 1
        self.data_disks = raid_disks - self.max_degraded
        algorithm = ALGORITHM_PARITY_N if level == 4 else layout
        self.rows = _rows(level, algorithm, raid_disks)
        self.period = len(self.rows)

    def row(self, stripe_row: int) -> Row:
        """Return the geometry of chunk row `stripe_row`, counted from the members' data start."""
        return self.rows[stripe_row % self.period]

    def compute_sector(self, array_sector: int) -> tuple[int, int, Row]:
        """Map a sector of the array to its member (raid5_compute_sector).

        Returns:
            The sector on the member, counted from its data offset; the disk; the row's geometry.
        """
        chunk, offset_sectors = divmod(array_sector, self.chunk_sectors)
        stripe_row, j = divmod(chunk, self.data_disks)
        row = self.rows[stripe_row % self.period]
        return stripe_row * self.chunk_sectors + offset_sectors, row.data_disks[j], row

    def compute_blocknr(self, member: int, member_sector: int) -> int | None:
        """Map a member's sector back to the array's, or to None where it holds parity.

        Args:
            member: The disk, 0 to raid_disks - 1.
            member_sector: The sector, counted from the member's data offset.
        """
        stripe_row, offset_sectors = divmod(member_sector, self.chunk_sectors)
        j = self.rows[stripe_row % self.period].data_index[member]
        if j < 0:
            return None
        return (stripe_row * self.data_disks + j) * self.chunk_sectors + offset_sectors


def _rows(level: int, algorithm: int, raid_disks: int) -> tuple[Row, ...]:
    """Return the rows of one period."""
    if algorithm in _FIXED:
        period = 1
    elif algorithm in _RAID5_AND_Q:
        period = raid_disks - 1
    else:
        period = raid_disks
    rows = []
    for stripe_row in range(period):
        pd_idx, qd_idx = _parity_disks(algorithm, raid_disks, stripe_row)
        if level != 6:
            # RAID5 is RAID6 without its Q; only parity-last then moves into the place of Q.
            pd_idx = qd_idx if algorithm == ALGORITHM_PARITY_N else pd_idx
            qd_idx = -1
        rows.append(_row(algorithm, raid_disks, pd_idx, qd_idx))
    return tuple(rows)


def _parity_disks(algorithm: int, raid_disks: int, stripe_row: int) -> tuple[int, int]:
    """Return the disks of P and Q of a RAID6 in a row of its first period."""
    last = raid_disks - 1
    if algorithm == ALGORITHM_PARITY_0:
        return 0, 1
    if algorithm == ALGORITHM_PARITY_N:
        return last - 1, last
    if algorithm == ALGORITHM_PARITY_0_6:
        return 0, last
    if algorithm in _RAID5_AND_Q:
        raid5 = algorithm - ALGORITHM_LEFT_ASYMMETRIC_6
        return _parity_disks(raid5, last, stripe_row)[0], last
    if algorithm in _RIGHT:
        pd_idx = stripe_row
    elif algorithm == ALGORITHM_ROTATING_N_RESTART:
        # Left-asymmetric, one row ahead.
        pd_idx = last - (stripe_row + 1) % raid_disks
    else:
        pd_idx = last - stripe_row
    if algorithm == ALGORITHM_ROTATING_N_CONTINUE:
        return pd_idx, (pd_idx - 1) % raid_disks
    return pd_idx, (pd_idx + 1) % raid_disks


def _row(algorithm: int, raid_disks: int, pd_idx: int, qd_idx: int) -> Row:
    """Lay the data out around the parity."""
    parity = (pd_idx, qd_idx)
    first = pd_idx + 1 if algorithm in _SYMMETRIC else 0
    data_disks = tuple(disk for disk in _upward(first, raid_disks) if disk not in parity)
    data_index = [-1] * raid_disks
    for j, disk in enumerate(data_disks):
        data_index[disk] = j

    ddf_layout = algorithm in _DDF
    syndrome_slots: tuple[int, ...] = ()
    slot_of: list[int] = []
    if qd_idx >= 0:
        if ddf_layout:
            syndrome_slots = tuple(-1 if disk in parity else disk for disk in range(raid_disks))
        else:
            syndrome_slots = tuple(
                disk for disk in _upward(qd_idx + 1, raid_disks) if disk not in parity
            )
        slot_of = [-1] * raid_disks
        for slot, disk in enumerate((*syndrome_slots, pd_idx, qd_idx)):
            if disk >= 0:
                slot_of[disk] = slot
    return Row(
        pd_idx=pd_idx,
        qd_idx=qd_idx,
        ddf_layout=ddf_layout,
        data_disks=data_disks,
        data_index=tuple(data_index),
        data_mask=sum(1 << disk for disk in data_disks),
        syndrome_slots=syndrome_slots,
        slot_of=tuple(slot_of),
    )


def _upward(first: int, raid_disks: int) -> Iterator[int]:
    """Yield every disk once, from `first` upward and round."""
    return ((first + step) % raid_disks for step in range(raid_disks))
