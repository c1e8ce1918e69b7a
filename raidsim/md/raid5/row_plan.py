"""What the state machine and the ``ops_run_*`` chains need to know of a row, worked out once."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.md.layout import Row

    Picker = Callable[[tuple[Any, ...]], tuple[Any, ...]]


class RowPlan:
    """The geometry of a row with the masks and block lists that follow from it.

    Attributes:
        row: the geometry itself.
        pd_idx, qd_idx: the members of P and Q; ``qd_idx`` is -1 below RAID6.
        p_bit, q_bit: their masks; ``q_bit`` is 0 below RAID6.
        parity_mask, data_mask, all_mask: parity members, data members, all of them.
        syndrome_disks: data slots of the syndrome, which P and Q follow.
        slot_of: member to syndrome slot.
        syndrome_blocks: picks from a slab's pages the blocks of the raid6 functions: data in the
            order of Q's coefficients, P, Q (set_syndrome_sources with SRC_ALL).
    """

    __slots__ = (
        "all_mask",
        "data_mask",
        "p_bit",
        "parity_mask",
        "pd_idx",
        "q_bit",
        "qd_idx",
        "row",
        "slot_of",
        "syndrome_blocks",
        "syndrome_disks",
    )

    def __init__(self, row: Row) -> None:
        self.row = row
        self.pd_idx = row.pd_idx
        self.qd_idx = row.qd_idx
        self.p_bit = 1 << row.pd_idx
        self.q_bit = 1 << row.qd_idx if row.qd_idx >= 0 else 0
        self.parity_mask = self.p_bit | self.q_bit
        self.data_mask = row.data_mask
        self.all_mask = row.data_mask | self.parity_mask
        self.syndrome_disks = len(row.syndrome_slots)
        self.slot_of = row.slot_of
        self.syndrome_blocks: Picker | None = None
        if row.qd_idx >= 0:
            self.syndrome_blocks = itemgetter(*row.syndrome_slots, row.pd_idx, row.qd_idx)
