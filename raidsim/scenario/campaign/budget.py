"""How much may go wrong: a redundancy budget, kept for every stripe.

A stripe survives as many members that do not hold what they should as its level has parities. A
disk that may fail, or be refused at any access, is counted in every stripe: it is doubtful. What
is left of the budget may go to latent sector errors on other disks, stripe by stripe.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

UNIT_SECTORS = 8
# md fails a member after 20 corrected read errors (``max_corrected_read_errors``).
_MAX_LATENT_PER_DISK = 10


@dataclass(slots=True, kw_only=True)
class Budget:
    """What may be spent on one array.

    Attributes:
        slots: Its disks, by the slots they are in at first.
        parities: What each stripe can bear.
        units: How many stripes of 4 KiB it has.
        doubtful: Slots whose disks may do anything but lie.
        latent: Slot to unit numbers that can not be read until they are written.
    """

    slots: int
    parities: int
    units: int
    doubtful: list[int] = field(default_factory=list)
    latent: dict[int, list[int]] = field(default_factory=dict)

    def doubt(self, random: Random, count: int) -> None:
        """Let the disks of ``count`` slots be doubtful."""
        self.doubtful = sorted(random.sample(range(self.slots), min(count, self.slots)))

    def spread(self, random: Random, stripes: int) -> None:
        """Spend what is left on latent sector errors in so many stripes."""
        left = self.parities - len(self.doubtful)
        sound = [slot for slot in range(self.slots) if slot not in self.doubtful]
        if left < 1:
            return
        for unit in random.sample(range(self.units), min(stripes, self.units)):
            for slot in random.sample(sound, random.randint(1, left)):
                bad = self.latent.setdefault(slot, [])
                if len(bad) < _MAX_LATENT_PER_DISK:
                    bad.append(unit)

    def damage(self, unit: int) -> int:
        """How many members of a stripe may not hold what they should."""
        return len(self.doubtful) + sum(unit in bad for bad in self.latent.values())
