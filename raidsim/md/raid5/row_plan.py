"""What the state machine and the ``ops_run_*`` chains need to know of a row, worked out once."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from raidsim.md.layout import Row

    Picker = Callable[[Sequence[Any]], tuple[Any, ...]]

# For so many sets of data members it is kept where their blocks are found.
_MAX_PICKERS = 1024


class RowPlan:
    """The geometry of a row with the masks and block lists that follow from it.

    Attributes:
        row: the geometry itself.
        pd_idx, qd_idx: the members of P and Q; ``qd_idx`` is -1 below RAID6.
        p_bit, q_bit: their masks; ``q_bit`` is 0 below RAID6.
        parity_mask, data_mask, all_mask: parity members, data members, all of them.
        syndrome_disks: data slots of the syndrome, which P and Q follow.
        slot_of: member to syndrome slot.
    """

    __slots__ = (
        "_pickers",
        "all_mask",
        "data_mask",
        "p_bit",
        "parity_mask",
        "pd_idx",
        "q_bit",
        "qd_idx",
        "row",
        "slot_of",
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
        self._pickers: dict[int, Picker] = {}

    def syndrome_blocks(
        self, pages: Sequence[NDArray[np.uint8] | None], mask: int = -1
    ) -> tuple[NDArray[np.uint8] | None, ...]:
        """The blocks of the raid6 functions: data in the order of Q's coefficients, P, Q.

        Args:
            pages: the members' pages, and a None at the end.
            mask: the data members to take (set_syndrome_sources); None stands for the others.
        """
        picker = self._pickers.get(mask)
        if picker is None:
            if len(self._pickers) >= _MAX_PICKERS:
                self._pickers.clear()
            slots = [
                member if member >= 0 and mask >> member & 1 else -1
                for member in self.row.syndrome_slots
            ]
            picker = self._pickers[mask] = itemgetter(*slots, self.pd_idx, self.qd_idx)
        return picker(pages)
