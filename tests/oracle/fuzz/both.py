"""Plans carried out on both sides, and a plan as a script for a reader."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from compare import Difference, compare
from operations import (
    Add,
    Assemble,
    Check,
    Corrupt,
    Fail,
    Idle,
    Read,
    ReAdd,
    Remove,
    Repair,
    Replace,
    Stop,
    Write,
)
from ours import Course, Ours
from real import create_command, run_real

from raidsim.md.layout import layout_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from operations import Operation, Plan


@dataclass(frozen=True)
class Verdict:
    """What became of a plan on both sides."""

    plan: Plan
    real: Course
    ours: Course
    differences: list[Difference]


def run_both(plans: Sequence[Plan]) -> list[Verdict]:
    """Carry out plans here, and on real md in one boot."""
    with tempfile.TemporaryDirectory(prefix="fuzz-oracle-") as scratch:
        directory = Path(scratch)
        courses = []
        for index, plan in enumerate(plans):
            home = directory / f"ours{index}"
            home.mkdir()
            courses.append(Ours(plan, home).run())
        return [
            Verdict(plan, real, ours, compare(plan, real, ours))
            for plan, real, ours in zip(plans, run_real(plans, directory), courses, strict=True)
        ]


def script(plan: Plan) -> str:
    """The plan in mdadm's words and in raidsim's, side by side."""
    rows = [_create_row(plan), *map(_row, plan.operations), _row(Stop())]
    width = max(len(mdadm) for mdadm, _ in rows)
    return "\n".join(f"  {mdadm:{width}}   {raidsim}".rstrip() for mdadm, raidsim in rows)


def _image(disk: int) -> str:
    return f"disk{disk}.img"


def _images(disks: Sequence[int]) -> str:
    return " ".join(map(_image, disks))


def _create_row(plan: Plan) -> tuple[str, str]:
    spec = plan.spec
    members = [
        "missing" if disk in plan.missing else _image(disk)
        for disk in range(spec.raid_disks + spec.spare_disks)
    ]
    layout = "" if spec.level == 4 else f" --layout {layout_name(spec.level, spec.layout)}"
    chunk = plan.bitmap_chunk >> 10
    bitmap = f"--bitmap internal --bitmap-chunk {chunk}K " if chunk else ""
    used = "# on images of random bytes: " if plan.used_before else ""
    return (
        used + create_command(plan, "/dev/md0", _image),
        (
            f"raidsim create md0 --level {spec.level} --raid-devices {spec.raid_disks}"
            f" --spare-devices {spec.spare_disks} --metadata 1.{spec.minor_version}{layout}"
            f" --chunk {spec.chunk_sectors // 2}K {bitmap}"
            f"{'--assume-clean ' if spec.in_sync else ''}"
            f"{' '.join(members)}  # --size-of-member {plan.data_bytes}"
        ),
    )


def _row(operation: Operation) -> tuple[str, str]:
    match operation:
        case Write(offset, length):
            place = f"bs={length} count=1 oflag=direct,seek_bytes seek={offset}"
            return (
                f"dd if=/dev/urandom of=/dev/md0 {place}",
                f"head -c {length} /dev/urandom | raidsim write md0 --offset {offset}",
            )
        case Read(offset, length):
            place = f"bs={length} count=1 iflag=direct,skip_bytes skip={offset}"
            return (
                f"dd if=/dev/md0 {place} | sha256sum",
                f"raidsim read md0 --offset {offset} --length {length} | sha256sum",
            )
        case Idle():
            return "sleep 0.5  # marked clean", "# mddev.idle()"
        case Fail(disk):
            return f"mdadm --fail /dev/md0 {_image(disk)}", f"raidsim fail md0 {_image(disk)}"
        case Remove(disk):
            return f"mdadm --remove /dev/md0 {_image(disk)}", f"raidsim remove md0 {_image(disk)}"
        case Add(disks):
            return (
                f"mdadm --add /dev/md0 {_images(disks)}",
                "; ".join(f"raidsim add md0 {_image(disk)}" for disk in disks),
            )
        case ReAdd(disk):
            return f"mdadm --re-add /dev/md0 {_image(disk)}", f"raidsim re-add md0 {_image(disk)}"
        case Replace(disk, spare):
            given = "" if spare is None else f" --with {_image(spare)}"
            return (
                f"mdadm /dev/md0 --replace {_image(disk)}{given}",
                f"raidsim replace md0 {_image(disk)}{given}",
            )
        case Check():
            return "echo check > sync_action; cat mismatch_cnt", "raidsim check md0"
        case Repair():
            return "echo repair > sync_action; cat mismatch_cnt", "raidsim repair md0"
        case Stop():
            return "mdadm --stop /dev/md0", "# array.close()"
        case Assemble(disks, force):
            option = " --force" if force else ""
            return (
                f"mdadm --assemble --run{option} /dev/md0 {_images(disks)}",
                f"raidsim assemble{option} md0 {_images(disks)}",
            )
        case Corrupt(disk, offset, length):
            return f"# bytes {offset} to {offset + length} of the data on {_image(disk)} change", ""
    raise AssertionError(operation)
