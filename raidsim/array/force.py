"""What ``--force`` did to assemble an array, what may be wrong with it since, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from raidsim.md.assembly import AssemblyError
from raidsim.md.wording import time_text

if TYPE_CHECKING:
    import os

    from raidsim.md.assembly import Assembly


def dirty_degraded_error(path: str | os.PathLike[str]) -> AssemblyError:
    """Return the error of an array directory whose array only ``--force`` would start."""
    return AssemblyError(
        f"{path}: cannot start a dirty degraded array: its parity may be wrong where a write was"
        " cut short; `raidsim assemble --force` takes it as it is"
    )


def force_risks(assembly: Assembly) -> list[str]:
    """Explain a forced assembly, a line for each thing; nothing where none was needed.

    The words that mdadm has for what it does are mdadm's (force_array, Assemble.c).
    """
    if not assembly.rewritten:
        return []
    return [*_stale_lines(assembly), *_parity_lines(assembly), _advice(assembly)]


def _stale_lines(assembly: Assembly) -> list[str]:
    lines = []
    freshest = assembly.freshest
    for name, seen in assembly.forced.items():
        image = Path(name).name
        slot = assembly.slots[name]
        missed = freshest.events - seen.events
        if name in assembly.rewritten and missed:
            lines.append(
                f"forcing event count in {image}({slot}) from {seen.events} up to {freshest.events}"
            )
        else:
            lines.append(f"clearing FAULTY flag for {image}")
        lines.append(
            f"{image} missed {missed} update{'s' * (missed != 1)} of the superblocks since"
            f" {time_text(seen.utime)}: what was written after that may be old on"
            " it, and wrong where it is computed with it"
        )
    return lines


def _parity_lines(assembly: Assembly) -> list[str]:
    if not assembly.degraded:
        return []
    lines = ["marking array as 'clean'"]
    if assembly.was_dirty:
        in_slots = set(assembly.slots.values())
        missing = [slot for slot in range(assembly.geometry.raid_disks) if slot not in in_slots]
        where = f" of slot {', '.join(map(str, missing))}" if missing else " of members not in sync"
        lines.append(
            f"it was not: where a write was cut short, blocks{where} may be computed wrong"
            " (write hole)"
        )
    return lines


def _advice(assembly: Assembly) -> str:
    if assembly.degraded < assembly.geometry.max_degraded:
        # mdadm begins the repair by itself.
        check = "`raidsim check` tells how much disagrees, `raidsim repair` makes parity agree"
    else:
        check = "there is no redundancy left to check with"
    return f"{check}; look at the contents, as with `fsck -n`, before they are written to"
