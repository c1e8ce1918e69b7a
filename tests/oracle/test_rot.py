"""Rot in arrays that real md wrote: who is wrong is found, counted as md counts, and healed."""

from __future__ import annotations

import dataclasses
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from members import data_area, make_images, superblock

from raidsim.array import Array
from raidsim.md.layout import Geometry, layout_name
from raidsim.md.raid5.mismatch import Mismatch, Wrong

if TYPE_CHECKING:
    from raidsim.md.superblock import SuperblockV1

CHUNK_KIB = 16
UNIT = 4096
UNITS_OF_CHUNK = CHUNK_KIB // 4
# All RAID6 layouts, each with a width of its own.
SHAPES = {
    layout: 4 + number % 9 for number, layout in enumerate([*range(6), 8, 9, 10, *range(16, 21)])
}
_LOOP = "insmod /usr/lib/uml/modules/$(uname -r)/kernel/drivers/block/loop.ko"
_FUNCTIONS = """
attach() {
    number=0
    for image in "$@"; do losetup /dev/loop$number $image; number=$((number + 1)); done
}
stop() {
    mdadm --stop /dev/md0 2>/dev/null
    for loop in $1; do losetup --detach $loop; done
}
scrub() {
    echo $1 > /sys/block/md0/md/sync_action
    while [ "$(cat /sys/block/md0/md/sync_action)" != idle ]; do sleep 0.02; done
    cat /sys/block/md0/md/mismatch_cnt
    sleep 0.5
}
"""


@dataclass
class Rot:
    """An array of one layout, and what goes wrong in it.

    Attributes:
        expected: what a check has to say, in the order of sectors.
        spoiled: (member, byte of its data, difference) of each error.
    """

    layout: int
    home: Path
    geometry: Geometry = field(init=False)
    images: list[Path] = field(init=False)
    expected: list[Mismatch] = field(init=False)
    spoiled: list[tuple[int, int, bytes]] = field(init=False)

    def __post_init__(self) -> None:
        disks = SHAPES[self.layout]
        self.rows = 2 * disks
        self.geometry = Geometry(6, self.layout, disks, CHUNK_KIB * 2)
        self.home.mkdir()
        image_bytes = (self.rows * CHUNK_KIB << 10) + (2 << 20) + (128 << 10)
        self.images = make_images(self.home / "members", disks, image_bytes)
        rng = random.Random(self.layout)
        size = (disks - 2) * self.rows * CHUNK_KIB << 10
        (self.home / "content").write_bytes(rng.randbytes(size))
        self._draw_errors(rng)

    def _draw_errors(self, rng: random.Random) -> None:
        """Two pages and a chunk of each member, and four pages in which two are wrong."""
        disks = self.geometry.raid_disks
        self.expected = []
        self.spoiled = []
        chunk_rows = rng.sample(range(self.rows), disks)
        pages = [
            row * UNITS_OF_CHUNK + unit
            for row in range(self.rows)
            if row not in chunk_rows
            for unit in range(UNITS_OF_CHUNK)
        ]
        rng.shuffle(pages)
        for member, row in enumerate(chunk_rows):
            for unit in range(UNITS_OF_CHUNK):
                self._one_wrong(rng, row * UNITS_OF_CHUNK + unit, member, UNIT)
            for evidence_bytes in (rng.randint(1, 20), rng.randint(1, UNIT)):
                self._one_wrong(rng, pages.pop(), member, evidence_bytes)
        for _ in range(4):
            self._two_wrong(rng, pages.pop())
        self.expected.sort(key=lambda mismatch: mismatch.sector)

    def _one_wrong(self, rng: random.Random, page: int, member: int, evidence_bytes: int) -> None:
        self._spoil(rng, page, member, evidence_bytes)
        row = self.geometry.row(page // UNITS_OF_CHUNK)
        wrong = {row.pd_idx: Wrong.P, row.qd_idx: Wrong.Q}.get(member, Wrong.DATA)
        name = self.images[member].name
        self.expected.append(Mismatch(page * 8, wrong, member, name, evidence_bytes))

    def _two_wrong(self, rng: random.Random, page: int) -> None:
        for member in rng.sample(range(self.geometry.raid_disks), 2):
            self._spoil(rng, page, member, UNIT)
        self.expected.append(Mismatch(page * 8, Wrong.SEVERAL, -1, "", UNIT))

    def _spoil(self, rng: random.Random, page: int, member: int, evidence_bytes: int) -> None:
        difference = bytes(rng.randint(1, 255) for _ in range(evidence_bytes))
        offset = rng.randint(0, UNIT - evidence_bytes)
        self.spoiled.append((member, page * UNIT + offset, difference))

    def spoil(self) -> None:
        for member, offset, difference in self.spoiled:
            image = self.images[member]
            with image.open("r+b") as file:
                file.seek(superblock(image).data_offset * 512 + offset)
                old = np.frombuffer(file.read(len(difference)), np.uint8)
                file.seek(-len(difference), 1)
                file.write(bytes(old ^ np.frombuffer(difference, np.uint8)))

    def copy(self, name: str) -> list[Path]:
        (self.home / name).mkdir()
        return [Path(shutil.copy(image, self.home / name)) for image in self.images]

    # -- what the guest does --------------------------------------------------------------------

    @property
    def devices(self) -> str:
        return " ".join(f"/dev/loop{number}" for number in range(self.geometry.raid_disks))

    def create(self) -> str:
        return f"""
        attach {" ".join(map(str, self.images))}
        mdadm --create /dev/md0 --run --assume-clean --bitmap=none --level=6 \\
            --raid-devices={self.geometry.raid_disks} --chunk={CHUNK_KIB} \\
            --layout={layout_name(6, self.layout)} --size={self.rows * CHUNK_KIB} {self.devices}
        dd status=none if={self.home}/content of=/dev/md0 bs=1M oflag=direct
        stop "{self.devices}"
        """

    def scrub(self, images: list[Path], *actions: str) -> str:
        return f"""
        attach {" ".join(map(str, images))}
        mdadm --assemble /dev/md0 {self.devices}
        section {images[0].parent}
        {"; ".join(f"scrub {action}" for action in actions)}
        section end
        stop "{self.devices}"
        """


def _fields(sb: SuperblockV1) -> dict[str, object]:
    fields = dataclasses.asdict(sb)
    return {name: fields[name] for name in fields.keys() - {"utime", "sb_csum"}}


def test_rot_of_any_member_is_found_counted_and_healed_in_every_layout(real_md, tmp_path):
    arrays = [Rot(layout, tmp_path / str(layout)) for layout in SHAPES]
    real_md.run([], "\n".join([_LOOP, _FUNCTIONS, *(rot.create() for rot in arrays)]))
    script = [_LOOP, _FUNCTIONS]
    healed_superblocks = {}
    for rot in arrays:
        whole = [data_area(image) for image in rot.images]
        rot.spoil()
        rotten = [data_area(image) for image in rot.images]
        theirs = rot.copy("theirs")
        with Array.assemble(rot.home / "array", rot.images) as array:
            found = array.check()
            assert found.mismatches.listed == rot.expected
            assert found.mismatch_sectors == 8 * len(rot.expected)
            healed = array.repair(locate=True)
            assert healed.mismatches.listed == rot.expected
        _only_ambiguous_pages_are_left(rot, whole, rotten)
        healed_superblocks[rot.layout] = [_fields(superblock(image)) for image in rot.images]
        script += [rot.scrub(theirs, "check", "repair"), rot.scrub(rot.images, "check")]

    run = real_md.run([], "\n".join(script), timeout_s=300)
    for rot in arrays:
        everything = str(8 * len(rot.expected))
        assert run.sections[f"{rot.home}/theirs"].split() == [everything, everything]
        assert run.sections[f"{rot.home}/members"].split() == [str(8 * 4)]
        # The kernel's repair, which only makes parity fit, leaves the same superblocks.
        theirs = [superblock(rot.home / "theirs" / image.name) for image in rot.images]
        assert [_fields(sb) for sb in theirs] == healed_superblocks[rot.layout], rot.layout


def _only_ambiguous_pages_are_left(rot: Rot, whole: list[bytes], rotten: list[bytes]) -> None:
    left = {m.sector // 8 for m in rot.expected if m.wrong == Wrong.SEVERAL}
    for image, right, wrong in zip(rot.images, whole, rotten, strict=True):
        healed = data_area(image)
        for page in range(len(right) // UNIT):
            window = slice(page * UNIT, (page + 1) * UNIT)
            assert healed[window] == (wrong if page in left else right)[window], (image.name, page)
