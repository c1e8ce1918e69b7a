"""Plans, carried out by real md: several arrays side by side in one machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

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
from ours import Course, Outcome, make_images
from uml import RealMd

from raidsim.md.layout import layout_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from operations import Operation, Plan

# Events are counted only when we say so: md would mark an array clean by itself.
_FUNCTIONS = """
md=/sys/block/$name/md
array=/dev/$name
number=0
report() {  # STATUS VALUE...: the outcome of one operation
    echo "@ $number $*"
    number=$((number + 1))
}
never_idle() { echo 6000 > $md/safe_mode_delay; }
mark_clean() {
    grep -qE 'active|write-pending' $md/array_state 2>/dev/null || return 0
    echo 0.1 > $md/safe_mode_delay
    for try in {1..40}; do
        grep -qE 'active|write-pending' $md/array_state || break
        sleep 0.05
    done
    sleep 0.3
    never_idle
}
settle() {  # Whatever md begins by itself has come to its end.
    [ -e $md/sync_action ] || return 0
    quiet=0
    until [ $quiet = 2 ]; do
        sleep 0.2
        if [ "$(cat $md/sync_action)" = idle ]; then quiet=$((quiet + 1)); else quiet=0; fi
    done
}
running() { [ -e $md/array_state ] && ! grep -qE 'clear|inactive' $md/array_state; }
state() { cat $md/dev-$1/state 2>/dev/null; }
digest() {  # OFFSET LENGTH
    dd status=none if=$array bs=$2 count=1 iflag=direct,fullblock,skip_bytes skip=$1 |
        sha256sum | cut -d" " -f1
    return ${PIPESTATUS[0]}
}
sync_action() {
    echo $1 > $md/sync_action && settle && cat $md/mismatch_cnt
}
"""


def run_real(plans: Sequence[Plan], directory: Path, *, timeout_s: float = 300) -> list[Course]:
    """What real md makes of each plan, in one boot.

    Args:
        plans: up to about a dozen; each has its loop devices.
        directory: an empty one, on a file system that the guest sees.
        timeout_s: for all of them.
    """
    script = [
        "insmod /usr/lib/uml/modules/$(uname -r)/kernel/drivers/block/loop.ko",
        "echo 1000000 > /proc/sys/dev/raid/speed_limit_min",
        "echo 1000000 > /proc/sys/dev/raid/speed_limit_max",
    ]
    first_loop = 0
    for index, plan in enumerate(plans):
        home = directory / str(index)
        home.mkdir()
        loops = range(first_loop, first_loop + plan.images)
        first_loop += plan.images
        for loop, image in zip(loops, make_images(plan, home), strict=True):
            script.append(f"losetup /dev/loop{loop} {image}")
        (home / "content").write_bytes(plan.content())
        (home / "script").write_text(_Script(plan, f"md{index}", loops, home).text())
        script.append(f"bash {home}/script > {home}/output 2>&1 &")
    RealMd.run([], "\n".join([*script, "wait"]), timeout_s=timeout_s, mem="1G")
    return [_course(plan, directory / str(index)) for index, plan in enumerate(plans)]


class _Script:
    def __init__(self, plan: Plan, name: str, loops: range, home: Path) -> None:
        self.plan = plan
        self.name = name
        self.loops = loops
        self.home = home
        self.points = 0

    def text(self) -> str:
        operations = [self._operation(op) for op in (*self.plan.operations, Stop())]
        return "\n".join([f"name={self.name}", _FUNCTIONS, self._create(), *operations, ""])

    def _device(self, disk: int) -> str:
        return f"/dev/loop{self.loops[disk]}"

    def _devices(self, disks: Sequence[int]) -> str:
        return " ".join(map(self._device, disks))

    def _create(self) -> str:
        command = create_command(self.plan, "$array", self._device)
        return f"{command}; status=$?; settle; never_idle; report $status"

    def _operation(self, operation: Operation) -> str:
        match operation:
            case Write(offset, length):
                return (
                    f"dd status=none if={self.home}/content of=$array bs={length} count=1"
                    f" iflag=fullblock,skip_bytes skip={self.plan.content_offset(operation)}"
                    f" oflag=direct,seek_bytes seek={offset} conv=notrunc,nocreat; report $?"
                )
            case Read(offset, length):
                return f"sum=$(digest {offset} {length}); report $? $sum"
            case Idle():
                return "running; status=$?; mark_clean; report $status"
            case Fail(disk):
                return (
                    f"mdadm --fail $array {self._device(disk)}; settle;"
                    f" [[ $(state loop{self.loops[disk]}) = *faulty* ]]; report $?"
                )
            case Remove(disk):
                return (
                    f"mdadm --remove $array {self._device(disk)}; status=$?; settle; report $status"
                )
            case Add(disks):
                return (
                    "running && echo frozen > $md/sync_action;"
                    f" mdadm --add $array {self._devices(disks)}; status=$?; sleep 0.3;"
                    " running && echo idle > $md/sync_action; settle; report $status"
                )
            case ReAdd(disk):
                return (
                    f"mdadm --re-add $array {self._device(disk)}; status=$?; settle; report $status"
                )
            case Replace(disk, spare):
                given = "" if spare is None else f"--with {self._device(spare)}"
                return (
                    f"mdadm $array --replace {self._device(disk)} {given};"
                    " status=$?; settle; report $status"
                )
            case Check():
                return "count=$(sync_action check); report $? $count"
            case Repair():
                return "count=$(sync_action repair); report $? $count"
            case Stop():
                return self._stop()
            case Assemble(disks, force):
                return (
                    f"running && report 1 || {{ mdadm --assemble --run {'--force' if force else ''}"
                    f" $array {self._devices(disks)};"
                    " if running; then settle; never_idle; report 0;"
                    " else mdadm --stop $array; report 1; fi; }"
                )
            case Corrupt(disk, offset, length):
                return (
                    f"running && report 1 || {{ dd status=none if={self.home}/content"
                    f" of={self._device(disk)} bs={length} count=1 conv=notrunc"
                    f" oflag=direct,seek_bytes seek={self.plan.data_offset + offset}; report $?; }}"
                )
        raise AssertionError(operation)

    def _stop(self) -> str:
        point = self.home / f"point{self.points}"
        self.points += 1
        max_degraded = 2 if self.plan.spec.level == 6 else 1
        return (
            f"sum=$(digest 0 {self.plan.array_bytes}) || sum=unreadable;"
            f' [ "$(cat $md/degraded)" -le {max_degraded} ] || sum=failed;'
            " running; status=$?; mdadm --stop $array;"
            f" sync; mkdir {point}; cp --sparse=always {self.home}/disk*.img {point};"
            " report $status $sum"
        )


def create_command(plan: Plan, array: str, device) -> str:
    """The mdadm command that makes the array of a plan."""
    spec = plan.spec
    layout = "" if spec.level == 4 else f"--layout={layout_name(spec.level, spec.layout)}"
    members = [
        "missing" if disk in plan.missing else device(disk)
        for disk in range(spec.raid_disks + spec.spare_disks)
    ]
    assert spec.size_sectors is not None
    chunk = plan.bitmap_chunk >> 10
    bitmap = f"--bitmap=internal --bitmap-chunk={chunk}K" if chunk else "--bitmap=none"
    return " ".join(
        [
            f"mdadm --create {array} --run {bitmap} --level={spec.level}",
            *(["--assume-clean"] if spec.in_sync else []),
            f"--raid-devices={spec.raid_disks} --spare-devices={spec.spare_disks}",
            f"--metadata=1.{spec.minor_version} {layout} --chunk={spec.chunk_sectors // 2}",
            f"--size={spec.size_sectors // 2} {' '.join(members)}",
        ]
    )


def _course(plan: Plan, home: Path) -> Course:
    course = Course()
    output = (home / "output").read_text(errors="replace")
    before = 0
    for report in re.finditer(r"^@ (\d+) (\d+) ?(.*)\n", output, re.MULTILINE):
        value = report[3]
        refused = report[2] != "0"
        text = output[before : report.start()].strip()
        course.outcomes.append(Outcome(refused, value="" if refused else value, text=text))
        before = report.end()
    if len(course.outcomes) != len(plan.operations) + 2:
        raise AssertionError(f"seed {plan.seed}: real md did not come to the end:\n{output}")
    points = sum(isinstance(operation, Stop) for operation in plan.operations) + 1
    course.points = [home / f"point{i}" for i in range(points)]
    return course
