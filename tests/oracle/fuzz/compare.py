"""How two courses of one plan differ."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from members import superblock
from operations import Stop

from raidsim.md.superblock import SuperblockError, SuperblockV1

if TYPE_CHECKING:
    from pathlib import Path

    from operations import Plan
    from ours import Course, Outcome

# What differs between any two arrays; all else is to be the same.
_OF_ONE_ARRAY = {"set_uuid", "set_name", "ctime", "utime", "device_uuid", "sb_csum"}


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same.

    Attributes:
        kind: what sort of thing; a shrunk plan still shows a difference of the same kind.
        text: all about it.
    """

    kind: str
    text: str


def compare(plan: Plan, real: Course, ours: Course) -> list[Difference]:
    """All that differs, in the order in which it happened."""
    differences: list[Difference] = []
    point = 0
    operations = ("create", *plan.operations, Stop())
    for number, operation in enumerate(operations):
        theirs, mine = real.outcomes[number], ours.outcomes[number]
        where = f"operation {number}, {operation}"
        if mine.crashed:
            differences.append(Difference("crash", f"{where}: {mine.text}"))
            return differences
        if theirs.refused != mine.refused:
            said = f"real md {_said(theirs)}; ours {_said(mine)}"
            kind = f"refused {type(operation).__name__}"
            differences.append(Difference(kind, f"{where}: {said}"))
        elif theirs.value != mine.value:
            differences.append(
                Difference(
                    f"value of {type(operation).__name__}",
                    f"{where}: real md {theirs.value!r}, ours {mine.value!r}",
                )
            )
        if isinstance(operation, Stop):
            differences += _compare_point(plan, real.points[point], ours.points[point], where)
            point += 1
    return differences


def _said(outcome: Outcome) -> str:
    return f"{'refused' if outcome.refused else 'did it'} ({outcome.text!r})"


def _compare_point(plan: Plan, real: Path, ours: Path, where: str) -> list[Difference]:
    differences = []
    for disk in range(plan.images):
        name = f"disk{disk}.img"
        of_disk = f"{where}: {name}"
        differences += _compare_superblocks(real / name, ours / name, of_disk)
        theirs, mine = _data(plan, real / name), _data(plan, ours / name)
        if theirs != mine:
            places = [
                i for i in range(0, len(mine), 512) if theirs[i : i + 512] != mine[i : i + 512]
            ]
            differences.append(
                Difference(
                    "data", f"{of_disk}: {len(places)} sectors differ, first {places[0] // 512}"
                )
            )
    return differences


def _compare_superblocks(real: Path, ours: Path, where: str) -> list[Difference]:
    theirs, mine = _fields(real), _fields(ours)
    return [
        Difference(
            f"field {name}", f"{where}: {name}: real md {theirs.get(name)}, ours {mine.get(name)}"
        )
        for name in sorted((theirs.keys() | mine.keys()) - _OF_ONE_ARRAY)
        if theirs.get(name) != mine.get(name)
    ]


def _fields(image: Path) -> dict[str, object]:
    try:
        sb: SuperblockV1 = superblock(image)
    except SuperblockError:
        return {}
    fields = dataclasses.asdict(sb)
    del fields["bitmap_super"]
    roles = fields["dev_roles"]
    while roles and roles[-1] == 0xFFFF:
        roles.pop()
    return fields


def _data(plan: Plan, image: Path) -> bytes:
    with image.open("rb") as file:
        file.seek(plan.data_offset)
        return file.read(plan.data_bytes)
