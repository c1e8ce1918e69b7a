"""How two courses of one plan differ."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deviations import forget_sweeps
from members import superblock
from operations import Stop

from raidsim.md.bitmap_superblock import BitmapSuperblock, read_bitmap
from raidsim.md.superblock import MD_FEATURE_BITMAP_OFFSET, SuperblockError, SuperblockV1

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
    names = [f"disk{disk}.img" for disk in range(plan.images)]
    fields = [[_fields(side / name) for name in names] for side in (real, ours)]
    for side in fields:
        events = max(of_member.get("events", 0) for of_member in side)
        for of_member in side:
            forget_sweeps(of_member, events)
    for name, theirs_of, ours_of in zip(names, *fields, strict=True):
        of_disk = f"{where}: {name}"
        differences += _compare_superblocks(theirs_of, ours_of, of_disk)
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


def _compare_superblocks(
    theirs: dict[str, object], mine: dict[str, object], where: str
) -> list[Difference]:
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
    if sb.feature_map & MD_FEATURE_BITMAP_OFFSET:
        fields |= _bitmap(image, sb)
    roles = fields["dev_roles"]
    while roles and roles[-1] == 0xFFFF:
        roles.pop()
    return fields


def _bitmap(image: Path, sb: SuperblockV1) -> dict[str, object]:
    with image.open("rb") as file:

        def read(sector: int, length: int) -> bytes:
            file.seek(sector * 512)
            return file.read(length)

        raw = read_bitmap(read, sb)
    head = BitmapSuperblock.from_bytes(raw[:512])
    fields = {f"bitmap {name}": value for name, value in dataclasses.asdict(head).items()}
    del fields["bitmap uuid"]
    bits = int.from_bytes(raw[256:], "little")
    # Behind the last chunk's bit mdadm leaves ones, which nobody looks at.
    fields["bitmap bits"] = [bit for bit in range(head.chunks) if bits >> bit & 1]
    return fields


def _data(plan: Plan, image: Path) -> bytes:
    with image.open("rb") as file:
        file.seek(plan.data_offset)
        return file.read(plan.data_bytes)
