"""What a check knows of a unit in which parity and data differ: where it lies, and who is wrong.

The kernel counts such units and logs a range of sectors; mdadm's raid6check goes further on arrays
that run. Here a check notes each unit while it still has all its blocks at hand.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from raidsim.async_tx import SUM_CHECK_P_RESULT, SUM_CHECK_Q_RESULT
from raidsim.md.raid5.stripe_head import UNIT_BYTES, UNIT_SECTORS, members
from raidsim.raid6.locate import CLEAN, SEVERAL, P, Q, locate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from raidsim.md.layout import Geometry
    from raidsim.md.raid5.conf import R5Conf
    from raidsim.md.raid5.state import StripeHeadState
    from raidsim.md.raid5.stripe_head import StripeHead

# So many mismatches are kept one by one, some 2 MB of them; the others are only counted.
MAX_LISTED = 10_000


class Wrong(StrEnum):
    """What is wrong in a unit."""

    DATA = "data"
    P = "P"
    Q = "Q"
    SEVERAL = "several"
    """More than one member, so that there is no telling which."""
    UNKNOWN = "unknown"
    """With one parity, as in RAID4, RAID5 and a degraded RAID6, nothing tells."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One unit of 4 KiB in which parity and data differ.

    Attributes:
        sector: where it lies on all members, from the start of their data.
        wrong: what of it is wrong.
        member: the slot of the one member that is wrong, or -1.
        device: that member's name, or "".
        evidence_bytes: how many bytes of the unit say so, all that differ; 0 for ``UNKNOWN``.
    """

    sector: int
    wrong: Wrong
    member: int
    device: str
    evidence_bytes: int

    def array_sectors(self, geometry: Geometry) -> list[int]:
        """Where data that may be wrong lie in the array, 8 sectors from each of these.

        None where a parity is what is wrong, all data of the unit where nothing tells.
        """
        if self.wrong in {Wrong.P, Wrong.Q}:
            return []
        members = [self.member] if self.member >= 0 else range(geometry.raid_disks)
        found = (geometry.compute_blocknr(member, self.sector) for member in members)
        return sorted(sector for sector in found if sector is not None)


class MismatchLog:
    """The mismatches of one check, or of one repair that heals what is wrong instead of parity.

    Attributes:
        listed: the first that were found.
        by_member: (slot, device) of a member that is wrong by itself -> in how many units.
        several: in how many units more than one is wrong.
        unknown: in how many nothing tells which is wrong.
    """

    def __init__(self) -> None:
        self.listed: list[Mismatch] = []
        self.by_member: Counter[tuple[int, str]] = Counter()
        self.several = 0
        self.unknown = 0

    def note(self, mismatch: Mismatch) -> None:
        """Count ``mismatch``, and list it if there is room."""
        if mismatch.wrong == Wrong.SEVERAL:
            self.several += 1
        elif mismatch.wrong == Wrong.UNKNOWN:
            self.unknown += 1
        else:
            self.by_member[mismatch.member, mismatch.device] += 1
        if len(self.listed) < MAX_LISTED:
            self.listed.append(mismatch)

    @property
    def total(self) -> int:
        """How many there are."""
        return self.by_member.total() + self.several + self.unknown


def unit_mismatches(conf: R5Conf, sh: StripeHead) -> list[int]:
    """Tell for each unit of a stripe whose blocks are all at hand what of its parity is wrong.

    A check wrote nothing but its result, so that P is still what was read.

    Returns:
        ``SUM_CHECK_P_RESULT`` and ``SUM_CHECK_Q_RESULT`` or-ed, 0 for a unit that is right.
    """
    plan = sh.plan
    raid6 = conf.machine.raid6
    pages = sh.slab.pages
    new_p, new_q = conf.machine.scratch(sh.size), conf.spare_page
    if not conf.raid6:
        data = [page for member in members(plan.data_mask) if (page := pages[member]) is not None]
        raid6.xor_gen(new_p, data, sh.size)
        wrong_q = [False] * sh.units
    else:
        *present, _, q = plan.syndrome_blocks(pages)
        raid6.gen_syndrome([*present, new_p, new_q], sh.size)
        wrong_q = _differing_units(q, new_q, sh)
    wrong_p = _differing_units(pages[plan.pd_idx], new_p, sh)
    return [
        (SUM_CHECK_P_RESULT if p_differs else 0) | (SUM_CHECK_Q_RESULT if q_differs else 0)
        for p_differs, q_differs in zip(wrong_p, wrong_q, strict=True)
    ]


def _differing_units(
    found: NDArray[np.uint8] | None, right: NDArray[np.uint8], sh: StripeHead
) -> list[bool]:
    assert found is not None
    # By words of 8 bytes, for all units at once.
    differing = found.view(np.uint64) != right[: sh.size].view(np.uint64)
    whether: list[bool] = differing.reshape(sh.units, -1).any(axis=1).tolist()
    return whether


def find_wrong_member(conf: R5Conf, sh: StripeHead, s: StripeHeadState, unit: int) -> Mismatch:
    """Tell what is wrong in a unit of a stripe whose blocks are all at hand.

    Both parities are needed for that, and no block that was computed from them.
    """
    sector = sh.sector + unit * UNIT_SECTORS
    if not conf.raid6 or s.failed:
        return Mismatch(sector, Wrong.UNKNOWN, -1, "", 0)
    plan = sh.plan
    *data, p, q = plan.syndrome_blocks(sh.slab.pages)
    assert p is not None
    assert q is not None
    new_p, new_q = conf.machine.scratch(sh.size), conf.spare_page
    start = unit * UNIT_BYTES
    window = slice(start, start + UNIT_BYTES)
    conf.machine.raid6.gen_syndrome([*data, new_p, new_q], UNIT_BYTES, start)
    found = locate(
        np.bitwise_xor(p[window], new_p[window])[None],
        np.bitwise_xor(q[window], new_q[window])[None],
        [slot for slot, member in enumerate(plan.row.syndrome_slots) if member >= 0],
    )
    suspect, evidence_bytes = int(found.suspect[0]), int(found.evidence[0])
    if suspect == SEVERAL:
        return Mismatch(sector, Wrong.SEVERAL, -1, "", evidence_bytes)
    if suspect == CLEAN:  # an engine's check that was wrong itself
        return Mismatch(sector, Wrong.UNKNOWN, -1, "", 0)
    if suspect == P:
        wrong, member = Wrong.P, plan.pd_idx
    elif suspect == Q:
        wrong, member = Wrong.Q, plan.qd_idx
    else:
        wrong, member = Wrong.DATA, plan.row.syndrome_slots[suspect]
    rdev = conf.disks[member]
    assert rdev is not None
    return Mismatch(sector, wrong, member, rdev.name, evidence_bytes)
