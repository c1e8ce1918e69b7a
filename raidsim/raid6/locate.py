"""Which of a RAID6's blocks is wrong, where parity and data contradict each other.

P and Q are two equations. If one block is wrong they tell which: with the error e in the byte of
data slot z, P is off by e and Q by 2^z times e, so the quotient of the two names the slot; an
error in P or Q leaves the other equation right ("The mathematics of RAID-6", H. P. Anvin, section
4; mdadm's raid6check.c does the same for arrays that run).

What one byte says is weak evidence. Two blocks wrong in the same byte give any quotient, and with
d data blocks d of the 255 possible outcomes look as if one block alone were wrong. But every byte
that differs has to say the same: that n bytes of two random errors do so has the probability
d/255 * (1/255)^(n - 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from raidsim.raid6.tables import gflog

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

# What a page's suspect is if it is no data slot.
SEVERAL, CLEAN, P, Q = -4, -3, -2, -1


class Verdicts(NamedTuple):
    """What was found in each page.

    Attributes:
        suspect: int16, the one data slot that is wrong, or ``P``, ``Q``, ``SEVERAL``, ``CLEAN``.
        evidence: how many bytes of the page say so: all in which parity and data differ.
    """

    suspect: NDArray[np.int16]
    evidence: NDArray[np.intp]


def locate(
    p_difference: NDArray[np.uint8],
    q_difference: NDArray[np.uint8],
    data_slots: Collection[int],
) -> Verdicts:
    """Tell which block is wrong in each page; vectorised over all of them.

    Args:
        p_difference: the xor of P and what the data make of it: pages x bytes, uint8.
        q_difference: the same of Q.
        data_slots: the slots that hold data. With ddf layouts P's and Q's own slots are none of
            them, and an error that points there is none of a single block.

    Returns:
        The verdicts, one for each page. All bytes of a page that differ have to agree on a block
        that is there, else the suspect is ``SEVERAL``: two or more blocks are wrong.
    """
    said = _SAID[p_difference, q_difference]
    evidence = np.count_nonzero(said, axis=1)
    suspect = said.max(axis=1)
    agreeing = np.count_nonzero(said == suspect[:, None], axis=1)
    there = np.zeros(_DATA + 255, np.bool_)
    there[[_NOTHING, P + _DATA, Q + _DATA]] = True
    there[[_DATA + slot for slot in data_slots]] = True
    sound = there[suspect] & ((agreeing == evidence) | (evidence == 0))
    return Verdicts(np.where(sound, suspect - _DATA, SEVERAL).astype(np.int16), evidence)


_NOTHING = 0
_DATA = -CLEAN


def _what_bytes_say() -> NDArray[np.int16]:
    """[p, q] -> the suspect that a byte with these differences points to, plus ``_DATA``."""
    log = np.array(gflog, np.int16)
    said = (log[None, :] - log[:, None]) % 255 + _DATA
    said[1:, 0] = P + _DATA
    said[0, 1:] = Q + _DATA
    said[0, 0] = _NOTHING
    return said.astype(np.int16)


_SAID = _what_bytes_say()
