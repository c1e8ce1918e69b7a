"""Forced assembly: the members mdadm brings back, and the superblocks it leaves behind.

Where the array cannot be started all the same, mdadm has changed superblocks nevertheless; here
nothing is changed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from draw import MARK_CLEAN, NEVER_IDLE, disk
from members import assert_same_superblock, data_area, make_images

from raidsim.array import Array, ArraySpec
from raidsim.errors import RaidsimError

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
IMAGE_BYTES = 6 * MIB
DISKS = 5

LIBRARY = """
names() { for i in "$@"; do echo ${disks[i]}; done; }
take_away() { mkdir -p $1; for i in $(seq 0 4); do
    dd status=none if=${disks[i]} of=$1/disk$i.img bs=1M iflag=direct; done; }
bring_back() { for i in $(seq 0 4); do
    dd status=none if=$1/disk$i.img of=${disks[i]} bs=1M oflag=direct; done; }
wipe() { for i in $(seq 0 4); do
    dd status=none if=/dev/zero of=${disks[i]} bs=1M count=6 oflag=direct; done; }
wait_idle() { until [ "$(cat /sys/block/md0/md/sync_action)" = idle ]; do sleep 0.05; done; }
force() { started=no; mdadm --assemble --force /dev/md0 "$@" && started=yes; section outcome-$case
    echo $started; }
"""


@dataclass(frozen=True)
class Case:
    """A history, and what is then assembled by force.

    Attributes:
        level, members: of the array, which is made without a resync.
        text: the steps. "with 0 2 3" assembles these members, in whatever state, and writes; "fail"
            fails a member and "write" writes while they run; "crash" cuts the power, dirty.
        given: what is assembled by force at last.
    """

    level: int
    members: int
    text: str
    given: str

    @property
    def steps(self) -> list[str]:
        return self.text.split(", ")


CASES = {
    "one-stale": Case(6, 5, "with 0 2 3 4, with 0 3 4", "0 1 2 3"),
    "one-vintage": Case(6, 5, "with 0 3 4, with 0 3 4", "0 1 2"),
    "stale-by-one": Case(5, 4, "fail 1, fail 2", "0 1 2 3"),
    "not-needed": Case(5, 4, "with 0 1 3, with 0 1 3", "0 1 2 3"),
    "far-behind": Case(6, 5, "with 0 2 3 4, with 0 2 4, with 0 2 4, with 0 2 4", "0 1 2"),
    "lowest-is-stale": Case(5, 4, "with 1 2 3, with 1 2 3", "0 1 2"),
    "dirty-degraded": Case(5, 4, "fail 1, write, crash", "0 1 2 3"),
    "dirty-degraded-raid6": Case(6, 5, "fail 1, fail 2, write, crash", "0 1 2 3 4"),
    "split-brain": Case(5, 4, "with 0 1 2, with 0 1 2", "2 3"),
    "too-few": Case(6, 5, "with 0 2 3 4, with 0 2 3", "0 4"),
}


def script(name: str, case: Case, content: Path, directory: Path) -> str:
    """The case in mdadm's words; its images are taken away as the assembly left them."""
    members = " ".join(map(str, range(case.members)))
    write = f"dd status=none if={content} of=/dev/md0 bs=300K count=3 oflag=direct seek=1"
    commands = {
        "with": "mdadm --stop /dev/md0; mdadm --assemble --run /dev/md0 $(names {});"
        f" {NEVER_IDLE}; {write}; {MARK_CLEAN}",
        "fail": "mdadm /dev/md0 --fail $(names {}) || true; sleep 0.3",
        "write": write,
        "crash": f"take_away {directory}/crash; mdadm --stop /dev/md0; bring_back"
        f" {directory}/crash",
    }
    create = (
        "mdadm --create /dev/md0 --run --assume-clean --bitmap=none --metadata=1.2 --chunk=64"
        f" --level={case.level} --raid-devices={case.members} $(names {members})"
    )
    lines = [
        f"disks=({' '.join(disk(i) for i in range(DISKS))}); case={name}; wipe",
        f"{create}; {NEVER_IDLE}; {write}; {MARK_CLEAN}",
    ]
    for step in case.steps:
        word, _, numbers = step.partition(" ")
        lines.append(commands[word].format(numbers))
    lines += [
        "mdadm --stop /dev/md0 || true",
        f"force $(names {case.given})",
        f"mdadm --stop /dev/md0 || true; take_away {directory}",
    ]
    return "\n".join(lines)


class Ours:
    """The case in our words."""

    def __init__(self, case: Case, content: bytes, directory: Path) -> None:
        self.case = case
        self.content = content
        self.directory = directory
        self.images = make_images(directory, DISKS, IMAGE_BYTES)
        spec = ArraySpec(
            level=case.level,
            raid_disks=case.members,
            layout=2,
            chunk_sectors=128,
            in_sync=True,
        )
        self.array = Array.create(directory / "array", spec, self.images[: case.members])

    def run(self) -> bool:
        """Carry it out; return whether the forced assembly started the array.

        If not, it has changed nothing.
        """
        self.write()
        self.array.mddev.idle()
        for step in self.case.steps:
            word, *numbers = step.split()
            if word == "with":
                self.array.close()
                self.array = self.assemble(numbers)
                self.write()
                self.array.mddev.idle()
            elif word == "fail":
                self.array.fail(self.images[int(numbers[0])].name)
            elif word == "write":
                self.write()
        if self.case.steps[-1] == "crash":
            self.array.abandon()
        else:
            self.array.close()
        before = [image.read_bytes() for image in self.images]
        try:
            self.assemble(self.case.given.split(), force=True).close()
        except RaidsimError:
            assert [image.read_bytes() for image in self.images] == before
            return False
        return True

    def write(self) -> None:
        self.array.write(300 << 10, self.content[: 900 << 10])

    def assemble(self, numbers: list[str], *, force: bool = False) -> Array:
        images = [self.images[int(number)] for number in numbers]
        return Array.assemble(self.directory / "again", images, force=force)


def test_what_force_brings_back_is_what_mdadm_does(real_md, tmp_path):
    content = tmp_path / "content"
    content.write_bytes(random.Random(1).randbytes(MIB))
    images = make_images(tmp_path / "images", DISKS, IMAGE_BYTES)
    scripts = [script(name, case, content, tmp_path / name) for name, case in CASES.items()]
    run = real_md.run(images, "\n".join([LIBRARY, *scripts]), timeout_s=300)
    found = {}
    for name, case in CASES.items():
        ours = Ours(case, content.read_bytes(), tmp_path / f"our-{name}")
        started = ours.run()
        found[name] = []
        if started != (run.sections[f"outcome-{name}"].split()[0] == "yes"):
            found[name].append(f"started here: {started}")
        for number in range(case.members if started else 0):
            their_image, our_image = tmp_path / name / f"disk{number}.img", ours.images[number]
            if data_area(their_image) != data_area(our_image):
                found[name].append(f"data of {our_image.name}")
            try:
                assert_same_superblock(their_image, our_image)
            except AssertionError as error:
                found[name].append(str(error))
    assert not {name: what for name, what in found.items() if what}
