"""Resyncs and recoveries that one side was interrupted in, and the other finishes: 30 seeds."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from draw import LAYOUTS
from members import make_images, superblock

from raidsim.array import Array, ArraySpec
from raidsim.md.layout import layout_name
from raidsim.md.spares import activate_spares
from raidsim.md.superblock import MAX_SECTOR
from raidsim.md.sync import SyncThread

if TYPE_CHECKING:
    from pathlib import Path

KIB = 1 << 10
DATA_BYTES = 4 << 20
IMAGE_BYTES = DATA_BYTES + (2 << 20) + (128 << 10)
SEEDS = range(30)

# Dies in the middle of a write to the given half of a member.
DYING_RAIDSIM = """
import os, signal, sys
from raidsim.cli import run

pwritev, half = os.pwritev, int(sys.argv[1])

def dying_pwritev(fd, buffers, offset, flags=0):
    if offset >= half and len(buffers[0]) >= 4096:
        pwritev(fd, [buffers[0][:2048]], offset, flags)
        os.kill(os.getpid(), signal.SIGKILL)
    return pwritev(fd, buffers, offset, flags)

os.pwritev = dying_pwritev
sys.exit(run(sys.argv[2:]))
"""

_FUNCTIONS = """
wait_for_sector() {
    for try in {1..600}; do
        done=$(cut -d' ' -f1 /sys/block/$1/md/sync_completed)
        if [ "$done" != none ] && [ "$done" -ge $2 ]; then return 0; fi
        sleep 0.05
    done
    return 1
}
wait_idle() {
    sleep 0.3
    until [ "$(cat /sys/block/$1/md/sync_action)" = idle ]; do sleep 0.1; done
    sleep 0.3
}
"""
_LOOP = "insmod /usr/lib/uml/modules/$(uname -r)/kernel/drivers/block/loop.ko"
# So slow, in KiB/s, that there is time to interrupt a sync of 4 MiB.
_SLOW = """
echo 1 > /proc/sys/dev/raid/speed_limit_min
echo 300 > /proc/sys/dev/raid/speed_limit_max
"""


@dataclass
class Handover:
    """One array: what is interrupted, how, and by whom.

    Attributes:
        from_real: real md is interrupted, and raidsim finishes; else the other way round.
        recovery: a recovery is interrupted; else a resync.
        how: "stop"; "pause", a stop while it waits at sync_max; "cut", the power fails; for
            raidsim "abandon", it lets go of everything, and "kill", a SIGKILL of its process.
    """

    seed: int
    spec: ArraySpec = field(init=False)
    from_real: bool = field(init=False)
    recovery: bool = field(init=False)
    how: str = field(init=False)
    failures: list[int] = field(init=False)

    def __post_init__(self) -> None:
        rng = random.Random(self.seed)
        self.from_real = self.seed % 2 == 0
        how = ["stop", "pause", "cut"] if self.from_real else ["stop", "abandon", "kill"]
        self.how = how[self.seed // 2 % 3]
        self.recovery = rng.random() < 0.6
        level = rng.choice([4, 5, 6, 6]) if self.recovery else 6
        disks = rng.randint(4 if level == 6 else 3, 7)
        self.failures = rng.sample(range(disks), rng.randint(1, level - 4) if level == 6 else 1)
        self.spec = ArraySpec(
            level=level,
            raid_disks=disks,
            layout=rng.choice(LAYOUTS[level]),
            chunk_sectors=rng.choice([4, 16, 64, 256]) * 2,
            minor_version=rng.choice([0, 1, 2]),
            size_sectors=DATA_BYTES >> 9,
            in_sync=self.recovery,
        )
        self.array_bytes = DATA_BYTES * (disks - (2 if level == 6 else 1))
        # What a resync finds is random as well: see make_images.
        self.first = random.Random(f"{self.seed}/first").randbytes(self.array_bytes)
        # Written over it while a member is missing, and while the recovery waits half way.
        self.second = random.Random(f"{self.seed}/second").randbytes(100 * KIB)
        self.places = [rng.randrange(self.array_bytes >> 10) << 10 for _ in range(4)]
        self.places = [min(place, self.array_bytes - len(self.second)) for place in self.places]

    @property
    def content(self) -> bytes:
        """What the array holds in the end."""
        content = bytearray(self.first)
        for place in self.places:
            content[place : place + len(self.second)] = self.second
        return bytes(content)

    def make_images(self, directory: Path) -> list[Path]:
        count = self.spec.raid_disks + (len(self.failures) if self.recovery else 0)
        images = make_images(directory, count, IMAGE_BYTES)
        if not self.recovery:  # parity is wrong everywhere
            for image in images:
                image.write_bytes(random.Random(image.name).randbytes(IMAGE_BYTES))
        return images

    def survivors(self, images: list[Path]) -> list[Path]:
        return [
            image for i, image in enumerate(images) if not (self.recovery and i in self.failures)
        ]


def create_command(handover: Handover, array: str, devices: list[str]) -> str:
    spec = handover.spec
    layout = "" if spec.level == 4 else f"--layout={layout_name(spec.level, spec.layout)}"
    return (
        f"mdadm --create {array} --run {'--assume-clean' if spec.in_sync else ''} --bitmap=none"
        f" --level={spec.level} --raid-devices={spec.raid_disks} {layout}"
        f" --metadata=1.{spec.minor_version} --chunk={spec.chunk_sectors // 2}"
        f" --size={DATA_BYTES >> 10} {' '.join(devices[: spec.raid_disks])}"
    )


class Guest:
    """Arrays side by side in one machine, each with its images on loop devices."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.lines = [_LOOP]
        self.loops = 0

    def devices(self, images: list[Path]) -> list[str]:
        """The guest's names of these images."""
        names = []
        for image in images:
            names.append(f"/dev/loop{self.loops}")
            self.lines.append(f"losetup {names[-1]} {image}")
            self.loops += 1
        return names

    def job(self, name: str, script: str) -> None:
        path = self.directory / f"{name}.sh"
        path.write_text(f"set -eEx -o pipefail\n{_FUNCTIONS}\n{script}")
        self.lines.append(f"bash {path} > {self.directory}/{name}.out 2>&1 &")

    def script(self, end: str = "wait") -> str:
        return "\n".join([*self.lines, end])

    def output(self, name: str) -> str:
        return (self.directory / f"{name}.out").read_text(errors="replace")


def interrupt_under_real_md(guest: Guest, handover: Handover, images: list[Path]) -> None:
    name = f"md{handover.seed}"
    array, devices = f"/dev/{name}", guest.devices(images)
    home = guest.directory / name
    if handover.recovery:
        (home / "first").write_bytes(handover.first)
    (home / "second").write_bytes(handover.second)
    md = f"/sys/block/{name}/md"
    half = DATA_BYTES >> 10
    write = (
        f"dd status=none if={home}/second of={array} bs={len(handover.second)} count=1"
        " oflag=direct,seek_bytes conv=notrunc,nocreat,fsync seek="
    )
    script = [create_command(handover, array, devices)]
    if handover.recovery:
        failed = " ".join(devices[slot] for slot in handover.failures)
        added = " ".join(devices[handover.spec.raid_disks :])
        script += [
            f"dd status=none if={home}/first of={array} bs=1M oflag=direct conv=notrunc,fsync",
            f"mdadm --fail {array} {failed}; sleep 0.5",
            f"{write}{handover.places[0]}; {write}{handover.places[1]}",
            f"mdadm --remove {array} {failed}",
            f"echo frozen > {md}/sync_action; mdadm --add {array} {added}",
        ]
    else:
        script += [
            f"echo frozen > {md}/sync_action",
            f"dd status=none if={array} of={home}/first bs=1M iflag=direct conv=fsync",
            f"{write}{handover.places[0]}; {write}{handover.places[1]}",
        ]
    # Those that come first wait for the others before their power fails.
    stop_at = {"pause": half, "cut": half * 3 // 2}.get(handover.how)
    if stop_at is not None:
        # md refuses while it still lets go of the sync that was frozen.
        limit = stop_at - stop_at % handover.spec.chunk_sectors
        script += [f"until echo {limit} > {md}/sync_max; do sleep 0.05; done"]
    script += [
        f"echo idle > {md}/sync_action",
        f"wait_for_sector {name} {half // 2 if handover.how == 'stop' else half}",
        f"{write}{handover.places[2]}; {write}{handover.places[3]}",
    ]
    # Power that fails must find a degraded array clean: nobody could tell what is right.
    script += [f"until grep -q clean {md}/array_state; do sleep 0.05; done"] * handover.recovery
    if handover.how == "cut":
        script += [f"touch {home}/half-way"]
    else:
        script += [f"mdadm --stop {array}"]
    guest.job(name, "\n".join(script))


def assert_in_the_middle(handover: Handover, members: list[Path]) -> None:
    superblocks = [superblock(member) for member in members]
    if handover.recovery:
        reached = max(sb.recovery_offset for sb in superblocks)
    else:
        reached = max(sb.resync_offset for sb in superblocks)
    # A resync starts over if a write was under way when the power failed.
    begun = reached > 0 or (handover.how == "cut" and not handover.recovery)
    assert begun, f"seed {handover.seed} had not begun"
    assert reached < DATA_BYTES >> 9, f"seed {handover.seed} was at the end"


def assert_finished(handover: Handover, members: list[Path]) -> None:
    """Superblocks that agree on a clean array whose slots are all in sync."""
    superblocks = [superblock(member) for member in members]
    assert {sb.resync_offset for sb in superblocks} == {MAX_SECTOR}
    assert {sb.feature_map for sb in superblocks} == {0}
    assert len({sb.events for sb in superblocks}) == 1
    assert sorted(sb.role for sb in superblocks) == list(range(handover.spec.raid_disks))
    assert len({tuple(sb.dev_roles) for sb in superblocks}) == 1


def finish_here(handover: Handover, members: list[Path], directory: Path) -> None:
    assert_in_the_middle(handover, members)
    if not handover.recovery:
        handover.first = (members[0].parent / "first").read_bytes()
    with Array.assemble(directory, members) as array:
        assert array.read(0, array.size) == handover.content
        actions = [report.action for report in array.rebuild()]
        assert actions == ["recover" if handover.recovery else "resync"]
        assert array.check().mismatch_sectors == 0
        assert array.read(0, array.size) == handover.content
    assert_finished(handover, members)


@pytest.fixture
def slow_guest(tmp_path):
    guest = Guest(tmp_path)
    guest.lines.append(_SLOW)
    return guest


def begin(guest: Guest, handovers: list[Handover]) -> dict[int, list[Path]]:
    images = {}
    for handover in handovers:
        images[handover.seed] = handover.make_images(guest.directory / f"md{handover.seed}")
        interrupt_under_real_md(guest, handover, images[handover.seed])
    return images


def of(how: set[str]) -> list[Handover]:
    return [
        handover for handover in map(Handover, SEEDS) if handover.how in how and handover.from_real
    ]


def test_what_real_md_was_stopped_in_is_finished_here(real_md, slow_guest, tmp_path):
    handovers = of({"stop", "pause"})
    images = begin(slow_guest, handovers)
    real_md.run([], slow_guest.script(), mem="1G")
    for handover in handovers:
        members = handover.survivors(images[handover.seed])
        try:
            finish_here(handover, members, tmp_path / f"array{handover.seed}")
        except BaseException as error:
            error.add_note(f"{handover}\n{slow_guest.output(f'md{handover.seed}')}")
            raise


def test_what_real_md_lost_its_power_in_is_finished_here(real_md, slow_guest, tmp_path):
    handovers = of({"cut"})
    images = begin(slow_guest, handovers)
    marks = " ".join(f"{tmp_path}/md{handover.seed}/half-way" for handover in handovers)
    end = f"until ls {marks} >/dev/null 2>&1; do sleep 0.1; done; echo all half-way; sleep 60"
    with real_md([], slow_guest.script(end), mem="1G") as machine:
        machine.wait_for("all half-way")
        machine.kill()
    for handover in handovers:
        members = handover.survivors(images[handover.seed])
        try:
            finish_here(handover, members, tmp_path / f"array{handover.seed}")
        except BaseException as error:
            error.add_note(f"{handover}\n{slow_guest.output(f'md{handover.seed}')}")
            raise


def interrupt_here(handover: Handover, images: list[Path], directory: Path) -> None:
    """Carry out a handover's first part under raidsim."""
    disks = handover.spec.raid_disks
    array = Array.create(directory, handover.spec, images[:disks])
    if handover.recovery:
        array.write(0, handover.first)
        for slot in handover.failures:
            array.fail(images[slot].name)
    else:
        handover.first = array.read(0, array.size)
    for place in handover.places[:2]:
        array.write(place, handover.second)
    if handover.recovery:
        for slot in handover.failures:
            array.remove(images[slot].name)
        for image in images[disks:]:
            array.add(image)
    half = DATA_BYTES >> 10
    if handover.how == "kill":
        for place in handover.places[2:]:
            array.write(place, handover.second)
        array.close()
        kill_rebuild(directory, superblock(images[0]).data_offset + half)
        return
    activate_spares(array.mddev)
    thread = SyncThread(array.mddev, "recover" if handover.recovery else "resync")
    thread.start()
    array.machine.sim.run_until(lambda: thread.position >= half)
    for place in handover.places[2:]:
        array.write(place, handover.second)
    if handover.how == "stop":
        thread.interrupt()
        array.machine.sim.run()
        array.close()
    else:
        array.mddev.idle()
        array.abandon()


def kill_rebuild(directory: Path, sector: int) -> None:
    """SIGKILL to a `raidsim rebuild` as it writes beyond a sector."""
    command = [sys.executable, "-c", DYING_RAIDSIM, str(sector << 9), "rebuild", str(directory)]
    dead = subprocess.run(command, capture_output=True, check=False)
    assert dead.returncode == -signal.SIGKILL, dead.stderr


def finish_under_real_md(guest: Guest, handover: Handover, members: list[Path]) -> None:
    assert_in_the_middle(handover, members)
    name = f"md{handover.seed}"
    devices = guest.devices(members)
    guest.job(
        name,
        f"""
        mdadm --assemble --run /dev/{name} {" ".join(devices)}
        wait_idle {name}
        echo check > /sys/block/{name}/md/sync_action
        wait_idle {name}
        set +x
        echo "mismatches $(cat /sys/block/{name}/md/mismatch_cnt)"
        echo "sum $(dd status=none if=/dev/{name} bs=1M iflag=direct | sha256sum)"
        mdadm --stop /dev/{name}
        """,
    )


def test_what_was_interrupted_here_is_finished_by_real_md(real_md, tmp_path):
    handovers = [handover for handover in map(Handover, SEEDS) if not handover.from_real]
    guest = Guest(tmp_path)
    members = {}
    for handover in handovers:
        images = handover.make_images(tmp_path / f"md{handover.seed}")
        interrupt_here(handover, images, tmp_path / f"array{handover.seed}")
        members[handover.seed] = handover.survivors(images)
        finish_under_real_md(guest, handover, members[handover.seed])
    real_md.run([], guest.script(), mem="1G")
    for handover in handovers:
        output = guest.output(f"md{handover.seed}")
        told = f"{handover}\n{output}"
        assert "mismatches 0\n" in output, told
        assert f"sum {hashlib.sha256(handover.content).hexdigest()}" in output, told
        assert_finished(handover, members[handover.seed])
