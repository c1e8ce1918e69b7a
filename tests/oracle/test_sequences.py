"""The same sequence of operations on real md and here leaves the same superblocks and data."""

from __future__ import annotations

import random

import pytest
from draw import CHECK, MARK_CLEAN, NEVER_IDLE, disk
from members import assert_same_superblock, data_area, make_images

from raidsim.array import Array, ArraySpec

MIB = 1 << 20
IMAGE_BYTES = 6 * MIB
CHUNK_KIB = 64
WAIT_IDLE = """
until [ "$(cat /sys/block/md0/md/sync_action)" = idle ]; do sleep 0.05; done
sleep 0.5
"""
REPAIR = f"echo repair > /sys/block/md0/md/sync_action; {WAIT_IDLE}"


class Steps:
    """What is done, in mdadm's words and in ours. Member 1 fails; one more image waits."""

    def __init__(self, level: int, members: int, minor_version: int, content) -> None:
        self.level = level
        self.members = members
        self.minor_version = minor_version
        self.content = content

    def script(self, step: str) -> str:
        disks = " ".join(disk(i) for i in range(self.members))
        return {
            "create": f"mdadm --create /dev/md0 --run --bitmap=none --level={self.level}"
            f" --raid-devices={self.members} --metadata=1.{self.minor_version}"
            f" --chunk={CHUNK_KIB} {disks}; {WAIT_IDLE} {NEVER_IDLE}",
            "write": f"dd status=none if={self.content} of=/dev/md0 bs=300K count=1 oflag=direct"
            f" seek=1; {MARK_CLEAN}",
            "check": f"{CHECK} sleep 0.5",
            "repair": REPAIR,
            "fail": f"mdadm --fail /dev/md0 {disk(1)}; sleep 0.5",
            "remove": f"mdadm --remove /dev/md0 {disk(1)}; sleep 0.5",
            "add": "echo frozen > /sys/block/md0/md/sync_action;"
            f" mdadm --add /dev/md0 {disk(self.members)}; sleep 0.5",
            "rebuild": f"echo idle > /sys/block/md0/md/sync_action; sleep 0.2; {WAIT_IDLE}",
        }[step]

    def carry_out(self, step: str, array: Array, images) -> None:
        if step == "write":
            array.write(300 << 10, self.content.read_bytes()[: 300 << 10])
            array.mddev.idle()
        elif step == "check":
            assert array.check().mismatch_sectors == 0
        elif step == "repair":
            array.repair()
        elif step == "fail":
            array.fail(images[1].name)
        elif step == "remove":
            array.remove(images[1].name)
        elif step == "add":
            array.add(images[self.members])
        elif step == "rebuild":
            array.rebuild()


@pytest.mark.parametrize(
    "steps",
    [
        ["create"],
        ["create", "write"],
        ["create", "write", "check"],
        ["create", "write", "check", "repair", "check", "write"],
        ["create", "write", "fail", "check"],
        ["create", "fail", "write", "remove", "add"],
        ["create", "write", "fail", "write", "remove", "add", "rebuild", "check"],
    ],
    ids="-".join,
)
@pytest.mark.parametrize(
    ("level", "members", "minor_version"), [(4, 3, 0), (5, 4, 2), (6, 5, 1), (6, 4, 2)]
)
def test_superblocks_and_data_are_the_kernels(
    steps, level, members, minor_version, real_md, tmp_path
):
    content = tmp_path / "content"
    content.write_bytes(random.Random(1).randbytes(MIB))
    doing = Steps(level, members, minor_version, content)
    theirs = make_images(tmp_path / "theirs", members + 1, IMAGE_BYTES)
    ours = make_images(tmp_path / "ours", members + 1, IMAGE_BYTES)
    real_md.run(theirs, "\n".join(doing.script(step) for step in steps))
    spec = ArraySpec(
        level=level,
        raid_disks=members,
        layout=0 if level == 4 else 2,
        chunk_sectors=CHUNK_KIB * 2,
        minor_version=minor_version,
    )
    with Array.create(tmp_path / "array", spec, ours[:members]) as array:
        array.rebuild()
        for step in steps[1:]:
            doing.carry_out(step, array, ours)
    used = members + ("add" in steps)
    for their_image, our_image in zip(theirs[:used], ours, strict=False):
        assert data_area(their_image) == data_area(our_image), our_image.name
        assert_same_superblock(their_image, our_image)
