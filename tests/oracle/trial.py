"""One sequence of steps, carried out by real md on disks that fail, and here on disks that do.

Real md's disks are device-mapper ones, whose tables give them holes (dm-error) and sectors that
cannot be read until they are written (dm-dust). Ours are images behind a `FaultyDisk`.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from draw import CHECK, MARK_CLEAN, NEVER_IDLE
from members import assert_same_superblock, data_area, make_images, superblock

from raidsim.array import Array, ArraySpec
from raidsim.disk import FLUSH, READ
from raidsim.md.badblocks import log_entries
from raidsim.md.mddev import ArrayStateError
from raidsim.md.placement import default_data_offset

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from raidsim.disk import Disk, DiskRequest

EIO = 5
IMAGE_BYTES = 4 << 20
CHUNK_SECTORS = 128
UNIT = 4096

_PRELUDE = """
modules=/usr/lib/uml/modules/$(uname -r)/kernel/drivers/md
insmod $modules/dm-mod.ko
insmod $modules/dm-dust.ko
sectors=$(cat /sys/block/ubda/size)
letters=abcdefghijklmnop
ubd() { echo /dev/ubd${letters:$1:1}; }
load() { dmsetup reload m$1; dmsetup suspend --noudevsync m$1; dmsetup resume --noudevsync m$1; }
whole() { echo "0 $sectors linear $(ubd $1) 0" | load $1; }
hole() { printf '%s\\n' "0 $2 linear $(ubd $1) 0" "$2 $3 error" \\
  "$(($2 + $3)) $((sectors - $2 - $3)) linear $(ubd $1) $(($2 + $3))" | load $1; }
dust() { echo "0 $sectors dust $(ubd $1) 0 4096" | load $1; n=$1; shift
  for block; do dmsetup message m$n 0 addbadblock $((block / 8)); done
  dmsetup message m$n 0 enable; }
settle() { until [ "$(cat /sys/block/md0/md/sync_action)" = idle ]; do sleep 0.05; done
  sleep 0.5; }
"""


class FaultyDisk:
    """A disk some of whose sectors fail.

    Attributes:
        dead: sectors that can be neither read nor written.
        dusty: sectors that cannot be read until they are written.
    """

    def __init__(self, disk: Disk, dead: set[int], dusty: set[int]) -> None:
        self.disk = disk
        self.name = disk.name
        self.sectors = disk.sectors
        self.dead = dead
        self.dusty = dusty

    def submit(self, request: DiskRequest) -> None:
        if request.operation != FLUSH:
            assert request.buffer is not None
            touched = set(range(request.sector, request.sector + len(request.buffer) // 512))
            if touched & self.dead or (request.operation == READ and touched & self.dusty):
                request.status = EIO
                request.end_io(request)
                return
            if request.operation != READ:
                self.dusty -= touched
        self.disk.submit(request)

    def close(self) -> None:
        self.disk.close()


class Trial:
    """A sequence of steps; nothing is done before `run`.

    Sectors are those of a member's data. Writes take their bytes from the content file, at the
    place where they go.
    """

    def __init__(
        self,
        directory: Path,
        content: Path,
        *,
        level: int,
        members: int,
        minor_version: int = 2,
        spares: int = 0,
    ) -> None:
        self.directory = directory
        self.content = content
        self.members = members
        self.theirs = make_images(directory / "theirs", members + spares, IMAGE_BYTES)
        self.ours = make_images(directory / "ours", members + spares, IMAGE_BYTES)
        self.data_offset = default_data_offset(minor_version, IMAGE_BYTES >> 9, CHUNK_SECTORS)
        self.dead: list[set[int]] = [set() for _ in self.ours]
        self.dusty: list[set[int]] = [set() for _ in self.ours]
        self.snaps: list[str] = []
        self.reads: list[str] = []
        self.array: Array
        self._steps: list[tuple[str, Callable[[], object]]] = []
        spec = ArraySpec(
            level=level,
            raid_disks=members,
            layout=0 if level == 4 else 2,
            chunk_sectors=CHUNK_SECTORS,
            minor_version=minor_version,
            in_sync=True,
        )
        tables = "; ".join(
            f'dmsetup create m{i} --noudevsync --table "0 $sectors linear $(ubd {i}) 0"'
            for i in range(len(self.ours))
        )
        self._in_use = list(range(members))
        self.step(
            f"{tables}; dmsetup mknodes; mdadm --create /dev/md0 --run --assume-clean"
            f" --bitmap=none --level={level} --raid-devices={members}"
            f" --metadata=1.{minor_version} --chunk=64 {self._disks()}; {NEVER_IDLE}",
            lambda: self._take(Array.create(directory / "array", spec, self.ours[:members])),
        )

    def step(self, shell: str, action: Callable[[], object]) -> None:
        """What is done, in both languages."""
        self._steps.append((shell, action))

    def run(self, real_md) -> None:
        """Do it all, there and here."""
        real_md.run(self.theirs, _PRELUDE + "\n".join(shell for shell, _ in self._steps))
        for _, action in self._steps:
            action()
        self.array.close()

    # -- steps ----------------------------------------------------------------------------------

    def write(self, offset: int, length: int, *, fails: bool = False) -> None:
        """Write, and mark the array clean after it.

        It is done a chunk at a time: where md writes whole rows in a batch, it forgets write errors
        (break_stripe_batch_list, Linux drivers/md/raid5.c).
        """
        block = min(length, CHUNK_SECTORS * 512)

        def action() -> None:
            data = self.content.read_bytes()
            try:
                for start in range(offset, offset + length, block):
                    self.array.write(start, data[start : start + block])
            except ArrayStateError:
                assert fails
            else:
                assert not fails
            self.array.mddev.idle()
            self.array.machine.sim.run()

        dd = (
            f"dd status=none if={self.content} of=/dev/md0 bs={block} count={length // block}"
            f" iflag=skip_bytes,fullblock skip={offset} oflag=direct,seek_bytes seek={offset}"
            " conv=notrunc"
        )
        self.step(f"{'! ' if fails else ''}{dd}; {MARK_CLEAN}", action)

    def hole(self, member: int, sector: int, sectors: int = 8) -> None:
        start = self.data_offset + sector
        self.step(
            f"hole {member} {start} {sectors}",
            lambda: self.dead[member].update(range(start, start + sectors)),
        )

    def dust(self, member: int, *sectors: int) -> None:
        starts = [self.data_offset + sector for sector in sectors]
        self.step(
            f"dust {member} {' '.join(map(str, starts))}",
            lambda: self.dusty[member].update(s + i for s in starts for i in range(8)),
        )

    def heal(self, member: int) -> None:
        def action() -> None:
            self.dead[member].clear()
            self.dusty[member].clear()

        self.step(f"whole {member}", action)

    def check(self) -> None:
        def action() -> None:
            assert self.array.check().mismatch_sectors == 0

        self.step(f"{CHECK} sleep 0.5", action)

    def fail(self, member: int) -> None:
        self.step(
            f"mdadm --fail /dev/md0 /dev/mapper/m{member}; sleep 0.5",
            lambda: self.array.fail(self.ours[member].name),
        )

    def remove(self, member: int) -> None:
        self._in_use.remove(member)
        self.step(
            f"mdadm --remove /dev/md0 /dev/mapper/m{member}; sleep 0.5",
            lambda: self.array.remove(self.ours[member].name),
        )

    def add(self, *members: int) -> None:
        """Add members and rebuild them."""
        self._in_use += members

        def action() -> None:
            for member in members:
                self.array.add(self.ours[member])
            self.array.rebuild()

        adding = "; sleep 0.5; ".join(f"mdadm --add /dev/md0 /dev/mapper/m{m}" for m in members)
        self.step(
            f"echo frozen > /sys/block/md0/md/sync_action; {adding}; sleep 0.5;"
            " echo idle > /sys/block/md0/md/sync_action; sleep 0.2; settle",
            action,
        )

    def reassemble(self) -> None:
        def action() -> None:
            self.array.close()
            self._take(Array.open(self.directory / "array"))

        self.step(
            f"mdadm --stop /dev/md0; mdadm --assemble /dev/md0 {self._disks()};"
            f" settle; {NEVER_IDLE}",
            action,
        )

    def mark_bad(self, member: int, sectors: list[int]) -> None:
        """Enter blocks of 8 sectors in a member's list by hand."""
        starts = [self.data_offset + sector for sector in sectors]

        def action() -> None:
            rdev = self._rdev(member)
            assert all(rdev.bad_blocks.set(start, 8) for start in starts)
            self.array.mddev.personality.conf.refresh_members()

        self.step(
            f"for s in {' '.join(map(str, starts))}; do"
            f" echo $s 8 > /sys/block/md0/md/dev-dm-{member}/bad_blocks; done",
            action,
        )

    def read_all(self) -> None:
        """Read the array unit by unit; what can't be read counts as zeros."""
        name = f"read{len(self.reads)}"
        self.reads.append(name)
        self.step(
            f"dd status=none if=/dev/md0 of={self.directory}/theirs.{name} bs=4K iflag=direct"
            " conv=noerror,sync || true; settle",
            lambda: (self.directory / f"ours.{name}").write_bytes(
                b"".join(map(self._read_unit, range(0, self.array.size, UNIT)))
            ),
        )

    def snap(self, name: str) -> None:
        """Keep all members of the array as they are now."""
        self.snaps.append(name)
        numbers = list(self._in_use)

        def action() -> None:
            for i in numbers:
                shutil.copy(self.ours[i], self.snapshot("ours", name, i))

        self.step(
            "\n".join(
                f"dd status=none if=$(ubd {i}) of={self.snapshot('theirs', name, i)} bs=1M"
                " iflag=direct"
                for i in numbers
            ),
            action,
        )

    # -- what came of it ------------------------------------------------------------------------

    def snapshot(self, side: str, name: str, number: int) -> Path:
        return self.directory / f"{side}.{name}.{number}"

    def compare(self, *, ignored: tuple[str, ...] = ()) -> None:
        """All snapshots and reads are the same on both sides.

        Args:
            ignored: fields of the superblock that may differ.
        """
        for name in self.snaps:
            for theirs in self.directory.glob(f"theirs.{name}.*"):
                ours = theirs.with_name(theirs.name.replace("theirs", "ours"))
                assert_same_superblock(theirs, ours, ignored)
                assert bad_block_log(theirs) == bad_block_log(ours), ours.name
                assert data_area(theirs) == data_area(ours), ours.name
        for name in self.reads:
            theirs, ours = (self.directory / f"{side}.{name}" for side in ("theirs", "ours"))
            assert theirs.read_bytes() == ours.read_bytes(), name

    def bad_blocks(self, name: str, member: int) -> list[tuple[int, int]]:
        """What a member's log on real md's side lists, in sectors of its data."""
        sb = superblock(self.snapshot("theirs", name, member))
        return [(sector - self.data_offset, length) for sector, length in log_entries(sb.bblog)]

    def _disks(self) -> str:
        return " ".join(f"/dev/mapper/m{i}" for i in self._in_use)

    # -- our side -------------------------------------------------------------------------------

    def _take(self, array: Array) -> None:
        self.array = array
        for rdev, image in array.images.items():
            number = self.ours.index(image.path)
            rdev.disk = FaultyDisk(rdev.disk, self.dead[number], self.dusty[number])

    def _rdev(self, member: int):
        return next(
            rdev for rdev, image in self.array.images.items() if image.path == self.ours[member]
        )

    def _read_unit(self, offset: int) -> bytes:
        try:
            return self.array.read(offset, UNIT)
        except ArrayStateError:
            return bytes(UNIT)


def bad_block_log(image: Path) -> bytes:
    sb = superblock(image)
    with image.open("rb") as file:
        file.seek((sb.super_offset + sb.bblog_offset) * 512)
        return file.read(sb.bblog_size * 512)
