"""A seeded draw of an array and of what is done to it, in a form that both sides can carry out."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from raidsim.array import ArraySpec
from raidsim.md.layout import layout_name

if TYPE_CHECKING:
    from pathlib import Path

LAYOUTS = {
    4: [0],
    5: list(range(6)),
    6: [*range(6), 8, 9, 10, *range(16, 21)],
}
_OVERHEAD_BYTES = (2 << 20) + (128 << 10)


@dataclass(frozen=True)
class Write:
    """`length` bytes at `offset`; what is written are the bytes of the content file there."""

    offset: int
    length: int

    def command(self, content: Path) -> str:
        return (
            f"dd status=none if={content} of=/dev/md0 bs={self.length} count=1"
            f" iflag=fullblock,skip_bytes skip={self.offset}"
            f" oflag=direct,seek_bytes seek={self.offset} conv=notrunc"
        )


@dataclass
class Draw:
    """One array and its life: writes, failures, writes with those members gone."""

    seed: int
    spec: ArraySpec = field(init=False)
    image_bytes: int = field(init=False)
    array_bytes: int = field(init=False)
    writes: list[Write] = field(init=False)
    failures: list[int] = field(init=False)
    degraded_writes: list[Write] = field(init=False)
    engines: list[str] = field(init=False)
    kernel: str = field(init=False)

    def __post_init__(self) -> None:
        rng = random.Random(self.seed)
        level = rng.choice([4, 5, 6, 6])
        raid_disks = rng.randint(4 if level == 6 else 3, 10)
        chunk = rng.choice([4, 8, 16, 32, 64, 128, 256, 512]) << 10
        rows = max(4, (512 << 10) // chunk) + rng.randint(0, 5)
        self.spec = ArraySpec(
            level=level,
            raid_disks=raid_disks,
            layout=rng.choice(LAYOUTS[level]),
            chunk_sectors=chunk // 512,
            minor_version=rng.choice([0, 1, 2]),
            size_sectors=rows * chunk // 512,
            in_sync=True,
        )
        self.image_bytes = rows * chunk + _OVERHEAD_BYTES
        data_disks = raid_disks - (2 if level == 6 else 1)
        self.array_bytes = rows * chunk * data_disks
        self.writes = [Write(0, min(self.array_bytes, 3 * chunk * data_disks))]
        self.writes += [self._write(rng) for _ in range(rng.randint(4, 12))]
        self.failures = rng.sample(range(raid_disks), rng.randint(1, 2 if level == 6 else 1))
        self.degraded_writes = [self._write(rng) for _ in range(rng.randint(3, 8))]
        self.engines = rng.choice([[], ["iop13xx"], ["iop32x"], ["mv_xor-kirkwood"]])
        self.kernel = rng.choice(["numpy", "isal"])

    def _write(self, rng: random.Random) -> Write:
        length = rng.choice([512, 4096, 512 * rng.randint(1, 64), 4096 * rng.randint(1, 64)])
        length = min(length, self.array_bytes)
        return Write(512 * rng.randint(0, (self.array_bytes - length) // 512), length)

    def content(self, salt: str) -> bytes:
        """Bytes for the whole array; writes take theirs from it."""
        return random.Random(f"{self.seed}/{salt}").randbytes(self.array_bytes)

    def expected(self, *parts: tuple[bytes, list[Write]]) -> bytes:
        """What the array holds after the writes of each part, an array of zeros at first."""
        model = bytearray(self.array_bytes)
        for content, writes in parts:
            for write in writes:
                end = write.offset + write.length
                model[write.offset : end] = content[write.offset : end]
        return bytes(model)

    def create_command(self) -> str:
        """The mdadm command that makes the array on all of the guest's disks."""
        spec = self.spec
        layout = "" if spec.level == 4 else f"--layout={layout_name(spec.level, spec.layout)}"
        assert spec.size_sectors is not None
        return (
            f"mdadm --create /dev/md0 --run --assume-clean --bitmap=none --level={spec.level}"
            f" --raid-devices={spec.raid_disks} --metadata=1.{spec.minor_version} {layout}"
            f" --chunk={spec.chunk_sectors // 2} --size={spec.size_sectors // 2}"
            f" {' '.join(disk(i) for i in range(spec.raid_disks))}"
        )


def disk(index: int) -> str:
    """The guest's name of its image number `index`."""
    return f"/dev/ubd{'abcdefghijklmnop'[index]}"


READ_SUM = "dd status=none if=/dev/md0 bs=64K iflag=direct | sha256sum"
# md marks an array clean when no write came for a while: not by chance between two of ours, which
# would count as events, but when we say so. (Writing "clean" to array_state writes no superblock.)
NEVER_IDLE = "echo 60 > /sys/block/md0/md/safe_mode_delay"
MARK_CLEAN = f"""
echo 0.1 > /sys/block/md0/md/safe_mode_delay
until grep -q clean /sys/block/md0/md/array_state; do sleep 0.05; done
sleep 0.3
{NEVER_IDLE}
"""
CHECK = """
echo check > /sys/block/md0/md/sync_action
while [ "$(cat /sys/block/md0/md/sync_action)" != idle ]; do sleep 0.05; done
cat /sys/block/md0/md/mismatch_cnt
"""
