"""Members come, go, are replaced and forced back: the same on real md and here.

All sequences run in one machine, one after the other on the same disks; their images are copied
away as each leaves them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from draw import CHECK, MARK_CLEAN, NEVER_IDLE, disk
from members import assert_same_superblock, data_area, make_images

from raidsim.array import Array, ArraySpec
from raidsim.disk import READ
from raidsim.md.spares import activate_spares
from raidsim.md.sync import SyncThread

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
IMAGE_BYTES = 6 * MIB
DISKS = 8
CHUNK_SECTORS = 128
BAD_SECTOR = 1000
"""On member 1, from the start of its data: it cannot be read until it is written."""

LIBRARY = """
modules=/usr/lib/uml/modules/$(uname -r)/kernel/drivers/md
insmod $modules/dm-mod.ko; insmod $modules/dm-dust.ko
M=/sys/block/md0/md
names() { for i in "$@"; do echo ${disks[i]}; done; }
wait_idle() { until [ "$(cat $M/sync_action)" = idle ]; do sleep 0.05; done; sleep 0.3; }
hold() { echo frozen > $M/sync_action; sleep 0.2; }
let_go() { echo idle > $M/sync_action; sleep 0.2; wait_idle; }
settle() { sleep 0.3; }
half() {
    echo 512 > $M/sync_max; echo idle > $M/sync_action
    until grep -q '^512 ' $M/sync_completed; do sleep 0.05; done
    hold; echo max > $M/sync_max
}
take_away() { mkdir -p $1; for i in $(seq 0 $((count - 1))); do
    dd status=none if=${plain[i]} of=$1/disk$i.img bs=1M iflag=direct; done; }
bring_back() { for i in $(seq 0 $((count - 1))); do
    dd status=none if=$1/disk$i.img of=${plain[i]} bs=1M oflag=direct; done; }
wipe() { for i in $(seq 0 $((count - 1))); do
    dd status=none if=/dev/zero of=${plain[i]} bs=1M count=6 oflag=direct; done; }
"""


@dataclass(frozen=True)
class Sequence:
    """What is done to an array of ``members``, step by step, in words both sides understand.

    Attributes:
        level, members: of the array, which is made without a resync.
        text: the steps: a word each, and the numbers of the disks it is about.
        counted: the events are to be the same; not where md is stopped half way, which costs it
            checkpoints, nor with a named spare, which it makes the replacement without an update.
        bad: one sector of member 1 cannot be read.
    """

    level: int
    members: int
    text: str
    counted: bool = True
    bad: bool = False

    @property
    def steps(self) -> list[str]:
        return self.text.split(", ")


SEQUENCES = {
    "replaced": Sequence(5, 4, "write, add 4, replace 1, rebuild, write, remove 1"),
    "replaced-raid4": Sequence(4, 3, "add 3, write, replace 2, rebuild, write"),
    "latent-error": Sequence(5, 4, "write, add 4, replace 1, rebuild, write", bad=True),
    "no-spare-yet": Sequence(
        6, 5, "write, replace 1 3, add 5, rebuild, add 6, rebuild, write, check"
    ),
    "named": Sequence(5, 4, "add 4, add 5, write, replace 1 by 4, rebuild, write", counted=False),
    "two-at-once": Sequence(6, 5, "add 5, add 6, replace 3 1, write, rebuild"),
    "degraded": Sequence(
        6, 5, "write, fail 3, remove 3, add 5, add 6, replace 1, write, rebuild, check"
    ),
    "one-spare-for-two-wants": Sequence(
        6, 5, "fail 3, remove 3, add 5, replace 1, rebuild, add 6, rebuild"
    ),
    "old-fails-half-way": Sequence(
        5, 4, "write, add 4, replace 1, half, write, fail 1, rebuild, write", counted=False
    ),
    "new-fails-half-way": Sequence(
        5,
        4,
        "write, add 4, replace 1, half, fail 4, write, rebuild, remove 4, add 5, rebuild",
        counted=False,
    ),
    "another-fails-half-way": Sequence(
        6, 5, "write, add 5, replace 1, half, fail 3, write, rebuild", counted=False
    ),
    "two-rebuilt-one-fails": Sequence(
        6,
        6,
        "write, fail 1, remove 1, fail 3, remove 3, add 6, add 7, half, fail 6, write, rebuild",
        counted=False,
    ),
    "second-spare-later": Sequence(
        6,
        6,
        "fail 1, remove 1, fail 3, remove 3, add 6, half, write, add 7, rebuild, check",
        counted=False,
    ),
}


class Theirs:
    """The steps in mdadm's words."""

    def __init__(self, sequence: Sequence, content: Path) -> None:
        self.sequence = sequence
        self.content = content

    def script(self) -> str:
        sequence = self.sequence
        plain = " ".join(disk(i) for i in range(DISKS))
        lines = [f"count={DISKS}; plain=({plain}); disks=({plain}); wipe"]
        if sequence.bad:
            lines.append(
                "dmsetup create bad --table "
                f'"0 $(blockdev --getsz {disk(1)}) dust {disk(1)} 0 512"; disks[1]=/dev/dm-0'
            )
        members = " ".join(map(str, range(sequence.members)))
        lines.append(
            f"mdadm --create /dev/md0 --run --assume-clean --bitmap=none --level={sequence.level}"
            f" --raid-devices={sequence.members} --metadata=1.2 --chunk={CHUNK_SECTORS // 2}"
            f" $(names {members}); {NEVER_IDLE}"
        )
        lines += [self.command(*step.split()) for step in sequence.steps]
        lines.append("mdadm --stop /dev/md0")
        if sequence.bad:
            lines.append("dmsetup remove bad")
        return "\n".join(lines)

    def command(self, word: str, *numbers: str) -> str:
        disks = f"$(names {' '.join(numbers)})".replace(" by ", ") --with $(names ")
        spoil = ""
        if self.sequence.bad and word == "replace":
            spoil = (
                f"dmsetup message bad 0 addbadblock {2048 + BAD_SECTOR};"
                "dmsetup message bad 0 enable;"
            )
        return {
            "write": f"dd status=none if={self.content} of=/dev/md0 bs=300K count=3 oflag=direct"
            f" seek=1; {MARK_CLEAN}",
            "fail": f"mdadm /dev/md0 --fail {disks}; settle",
            "remove": f"mdadm /dev/md0 --remove {disks}; settle",
            "add": f"hold; mdadm /dev/md0 --add {disks}; settle",
            "replace": f"{spoil} hold; mdadm /dev/md0 --replace {disks}; settle",
            "half": "half",
            "check": CHECK,
            "rebuild": "let_go",
        }[word]


class FaultyDisk:
    """A disk of which one sector cannot be read until it is written."""

    def __init__(self, disk) -> None:
        self.disk = disk
        self.bad = {2048 + BAD_SECTOR}

    def __getattr__(self, name):
        return getattr(self.disk, name)

    def submit(self, request) -> None:
        if request.buffer is not None:
            touched = range(request.sector, request.sector + len(request.buffer) // 512)
            if request.operation != READ:
                self.bad.difference_update(touched)
            elif self.bad.intersection(touched):
                request.status = 5
                request.end_io(request)
                return
        self.disk.submit(request)


class Ours:
    """The steps in ours."""

    def __init__(self, sequence: Sequence, content: bytes, directory: Path) -> None:
        self.sequence = sequence
        self.content = content
        self.images = make_images(directory, DISKS, IMAGE_BYTES)
        spec = ArraySpec(
            level=sequence.level,
            raid_disks=sequence.members,
            layout=0 if sequence.level == 4 else 2,
            chunk_sectors=CHUNK_SECTORS,
            in_sync=True,
        )
        self.array = Array.create(directory / "array", spec, self.images[: sequence.members])

    def run(self) -> None:
        with self.array:
            for step in self.sequence.steps:
                word, *numbers = step.split()
                if "by" in numbers:
                    old, _, new = numbers
                    names = [self.images[int(number)].name for number in (old, new)]
                    self.array.replace(names[:1], names[1:])
                    continue
                getattr(self, word)(*(self.images[int(number)] for number in numbers))

    def write(self) -> None:
        self.array.write(300 << 10, self.content[: 900 << 10])
        self.array.mddev.idle()

    def fail(self, image: Path) -> None:
        self.array.fail(image.name)

    def remove(self, image: Path) -> None:
        self.array.remove(image.name)

    def add(self, image: Path) -> None:
        self.array.add(image)

    def replace(self, *images: Path) -> None:
        if self.sequence.bad:
            for rdev in self.array.mddev.rdevs:
                if rdev.name == images[0].name:
                    rdev.disk = FaultyDisk(rdev.disk)
        self.array.replace([image.name for image in images])

    def half(self) -> None:
        activate_spares(self.array.mddev)
        self.array.machine.sim.run()
        thread = SyncThread(self.array.mddev, "recover")
        thread.start()
        self.array.machine.sim.run_until(lambda: thread.sectors_done >= 512, "half")
        thread.interrupt()
        self.array.machine.sim.run()

    def rebuild(self) -> None:
        self.array.rebuild()

    def check(self) -> None:
        assert self.array.check().mismatch_sectors == 0


def differences(sequence: Sequence, theirs: Path, ours: list[Path]) -> list[str]:
    """What differs between the images of both sides at the end of ``sequence``."""
    used = {int(word) for word in sequence.text.replace(",", "").split() if word.isdecimal()}
    but = [] if sequence.counted else ["events"]
    if sequence.bad:  # how often it was read again is a matter of time
        but.append("cnt_corrected_read")
    found = []
    for number in sorted(used | set(range(sequence.members))):
        their_image, our_image = theirs / f"disk{number}.img", ours[number]
        if data_area(their_image) != data_area(our_image):
            found.append(f"data of {our_image.name}")
        try:
            assert_same_superblock(their_image, our_image, ignored=but)
        except AssertionError as error:
            found.append(str(error))
    return found


def test_members_end_as_under_the_kernel(real_md, tmp_path):
    content = tmp_path / "content"
    content.write_bytes(random.Random(1).randbytes(MIB))
    images = make_images(tmp_path / "images", DISKS, IMAGE_BYTES)
    scripts = [
        f"section {name}\n{Theirs(sequence, content).script()}\ntake_away {tmp_path}/{name}"
        for name, sequence in SEQUENCES.items()
    ]
    real_md.run(images, "\n".join([LIBRARY, *scripts]), timeout_s=300)
    found = {}
    for name, sequence in SEQUENCES.items():
        ours = Ours(sequence, content.read_bytes(), tmp_path / f"our-{name}")
        ours.run()
        found[name] = differences(sequence, tmp_path / name, ours.images)
    assert not {name: what for name, what in found.items() if what}
