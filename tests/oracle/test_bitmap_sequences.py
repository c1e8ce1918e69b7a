"""Write-intent bitmaps: the same sequence on real md and here leaves the same bits."""

from __future__ import annotations

import random

import pytest
from draw import MARK_CLEAN, NEVER_IDLE, disk
from members import assert_same_superblock, data_area, make_images, superblock

from raidsim.array import Array, ArraySpec
from raidsim.md.bitmap_superblock import BitmapSuperblock, read_bitmap
from raidsim.md.placement import BitmapWish

KIB = 1 << 10
IMAGE_BYTES = 6 << 20
CHUNK_KIB = 64
WAIT_IDLE = """
sleep 0.3
until [ "$(cat /sys/block/md0/md/sync_action)" = idle ]; do sleep 0.05; done
sleep 0.5
"""
STOP = "mdadm --stop /dev/md0; sync"


def bitmap_of(image):
    """The bitmap's superblock without what differs between any two arrays, and its bits."""
    member = image.read_bytes()
    sb = superblock(image)
    raw = read_bitmap(lambda sector, length: member[sector * 512 : sector * 512 + length], sb)
    head = BitmapSuperblock.from_bytes(raw)
    head.uuid = b""
    return head, raw[256 : -(-head.size_bytes // 512) * 512].hex()


class Sequence:
    """Steps on both sides; the array is stopped, and its members kept, after each of them."""

    def __init__(self, level, members, minor_version, bitmap_chunk_kib, directory):
        self.level = level
        self.members = members
        self.minor_version = minor_version
        self.bitmap_chunk_kib = bitmap_chunk_kib
        self.directory = directory
        self.theirs = make_images(directory / "theirs", members + 1, IMAGE_BYTES)
        self.ours = make_images(directory / "ours", members + 1, IMAGE_BYTES)
        self.content = directory / "content"
        self.content.write_bytes(random.Random(1).randbytes(4 << 20))
        self.present = list(range(members))

    def write(self, offset_kib, length_kib):
        command = (
            f"{NEVER_IDLE}\n dd status=none if={self.content} of=/dev/md0 bs=4K"
            f" skip={offset_kib // 4} seek={offset_kib // 4} count={length_kib // 4} oflag=direct"
            f" {MARK_CLEAN}"
        )
        data = self.content.read_bytes()[offset_kib * KIB : (offset_kib + length_kib) * KIB]

        def ours(array):
            array.write(offset_kib * KIB, data)
            array.mddev.idle()

        return command, ours

    def fail_and_remove(self, slot):
        self.present.remove(slot)
        name = self.ours[slot].name

        def ours(array):
            array.fail(name)
            array.remove(name)

        return (
            f"mdadm /dev/md0 --fail {disk(slot)}; sleep 0.3; mdadm /dev/md0 --remove {disk(slot)};"
            " sleep 0.3"
        ), ours

    def re_add(self, slot):
        self.present.append(slot)

        def ours(array):
            array.re_add(self.ours[slot])
            array.rebuild()

        return f"mdadm /dev/md0 --re-add {disk(slot)}; {WAIT_IDLE}", ours

    def add(self, slot):
        self.present.append(slot)

        def ours(array):
            array.add(self.ours[slot])
            array.rebuild()

        return f"mdadm /dev/md0 --add {disk(slot)}; {WAIT_IDLE}", ours

    def scrub(self, action):
        def ours(array):
            array.check() if action == "check" else array.repair()

        return f"echo {action} > /sys/block/md0/md/sync_action; {WAIT_IDLE}", ours

    def run(self, real_md, steps):
        disks = " ".join(disk(i) for i in range(self.members))
        kept = self.directory / "kept"
        kept.mkdir()
        create = (
            f"mdadm --create /dev/md0 --run --bitmap=internal --level={self.level}"
            f" --bitmap-chunk={self.bitmap_chunk_kib}K --raid-devices={self.members}"
            f" --metadata=1.{self.minor_version} --chunk={CHUNK_KIB} {disks}; {WAIT_IDLE} {STOP}"
        )
        script = [create]
        ours = []
        presents = [list(self.present)]
        for make, *arguments in steps:
            before = " ".join(disk(i) for i in self.present)
            command, mine = make(self, *arguments)
            script.append(
                f"for i in /dev/ubd?; do cat $i > {kept}/{len(ours)}-${{i##*/}}; done\n"
                f"mdadm --assemble --run /dev/md0 {before}\n{command}\n{STOP}"
            )
            ours.append(mine)
            presents.append(list(self.present))
        real_md.run(self.theirs, "\n".join(script))
        spec = ArraySpec(
            level=self.level,
            raid_disks=self.members,
            layout=0 if self.level == 4 else 2,
            chunk_sectors=CHUNK_KIB * 2,
            minor_version=self.minor_version,
            bitmap=BitmapWish(internal=True, chunksize=self.bitmap_chunk_kib * KIB),
        )
        path = self.directory / "array"
        with Array.create(path, spec, self.ours[: self.members]) as array:
            array.rebuild()
        for number, mine in enumerate([*ours, None]):
            for slot in presents[number]:
                theirs = self.theirs[slot]
                if mine is not None:
                    theirs = kept / f"{number}-{disk(slot)[5:]}"
                assert bitmap_of(theirs) == bitmap_of(self.ours[slot]), (number, slot)
                assert_same_superblock(theirs, self.ours[slot])
                assert data_area(theirs) == data_area(self.ours[slot]), (number, slot)
            if mine is not None:
                with Array.open(path) as array:
                    mine(array)


@pytest.mark.parametrize(
    ("level", "members", "minor_version", "bitmap_chunk_kib"),
    [(5, 4, 2, 64), (6, 5, 0, 16), (4, 3, 1, 4)],
)
def test_bitmaps_superblocks_and_data_are_the_kernels_after_each_step(
    level, members, minor_version, bitmap_chunk_kib, real_md, tmp_path
):
    doing = Sequence(level, members, minor_version, bitmap_chunk_kib, tmp_path)
    doing.run(
        real_md,
        [
            (Sequence.write, 300, 700),
            (Sequence.scrub, "check"),
            (Sequence.fail_and_remove, 1),
            (Sequence.write, 500, 64),
            (Sequence.write, 2048, 4),
            (Sequence.re_add, 1),
            (Sequence.write, 4, 4),
            (Sequence.scrub, "repair"),
            (Sequence.fail_and_remove, 0),
            (Sequence.write, 3000, 300),
            (Sequence.add, members),
            (Sequence.write, 1000, 100),
        ],
    )
