"""An array's life on real md and here: /proc/mdstat and mdadm's texts are the same all along."""

from __future__ import annotations

import os
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
from draw import MARK_CLEAN, NEVER_IDLE, disk
from members import make_images
from reports import SHOW, masked, report

from raidsim.array import Array, ArraySpec
from raidsim.md.layout import layout_name

MIB = 1 << 20
SYNC_MAX = 4096
FUNCTIONS = f"""
{SHOW}
begin() {{ echo $1 > /sys/block/md0/md/sync_action; }}
fail() {{ mdadm --fail /dev/md0 $1 || true; sleep 0.5; }}
idle() {{
    until grep -q idle /sys/block/md0/md/sync_action; do sleep 0.05; done
    sleep 0.5
}}
sync() {{
    echo {SYNC_MAX} > /sys/block/md0/md/sync_max
    begin $1
    until grep -q "^{SYNC_MAX} /" /sys/block/md0/md/sync_completed; do sleep 0.05; done
    show $2
    echo max > /sys/block/md0/md/sync_max
    idle
}}
"""


class Life:
    """What is done to one array, in mdadm's words and in ours, drawn from a seed."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.level = (4, 5, 6, 6)[seed % 4]
        layouts = {4: (0,), 5: range(6), 6: (*range(6), 8, 9, 10, *range(16, 21))}[self.level]
        self.layout = rng.choice(layouts)
        redundancy = 2 if self.level == 6 else 1
        self.spec = ArraySpec(
            level=self.level,
            raid_disks=rng.randint(5, 9),
            spare_disks=redundancy,
            layout=self.layout,
            chunk_sectors=rng.choice((8, 32, 128)),
            minor_version=seed % 3,
            name="0",
            in_sync=True,
        )
        members = [disk(slot) for slot in range(self.spec.raid_disks)]
        self.spares = [disk(self.spec.raid_disks + number) for number in range(redundancy)]
        self.disks = members + self.spares
        self.victims = rng.sample(members, redundancy)
        self.survivors = [name for name in self.disks if name not in self.victims]
        self.last_victims = rng.sample(self.survivors, redundancy + 1)

    def script(self) -> str:
        spec = self.spec
        layout = "" if self.level == 4 else f"--layout={layout_name(self.level, self.layout)}"
        newline = "\n"
        return f"""
        {FUNCTIONS}
        mdadm --create /dev/md0 --run --assume-clean --bitmap=none --level={self.level} {layout} \\
            --raid-devices={spec.raid_disks} --spare-devices={spec.spare_disks} \\
            --chunk={spec.chunk_sectors // 2} --metadata=1.{spec.minor_version} \\
            {" ".join(self.disks)}
        {NEVER_IDLE}
        show created
        dd status=none if=/dev/zero of=/dev/md0 bs=64K count=1 oflag=direct
        show dirty
        {MARK_CLEAN}
        show clean
        mdadm --remove /dev/md0 {" ".join(self.spares)}; sleep 0.5
        {newline.join(f"fail {v}; show faulty-{v}" for v in self.victims)}
        mdadm --remove /dev/md0 {self.victims[0]}; sleep 0.5
        show removed
        begin frozen
        {newline.join(f"mdadm --add /dev/md0 {spare}; sleep 0.5" for spare in self.spares)}
        show waiting
        sync idle recovering
        show recovered
        sync check checking
        sync repair repairing
        mdadm --stop /dev/md0
        mdadm --assemble --readonly /dev/md0 {" ".join(self.survivors)}
        show readonly
        mdadm --readwrite /dev/md0
        {newline.join(f"fail {v}; show failing-{v}" for v in self.last_victims)}
        """

    def carry_out(self, array: Array, show) -> None:
        """Do to ``array`` what the script does, up to stopping it."""
        show("created", array)
        array.write(0, bytes(64 << 10))
        show("dirty", array)
        array.mddev.idle()
        array.machine.sim.run()
        show("clean", array)
        for spare in self.spares:
            array.remove(Path(spare).name)
        for victim in self.victims:
            array.fail(Path(victim).name)
            show(f"faulty-{victim}", array)
        array.remove(Path(self.victims[0]).name)
        show("removed", array)
        for spare in self.spares:
            array.add(array.directory.path.parent / Path(spare).name)
        show("waiting", array)
        array.rebuild(lambda *_: show("recovering", array))
        show("recovered", array)
        array.check(lambda *_: show("checking", array))
        array.repair(lambda *_: show("repairing", array))

    def fail_too_many(self, array: Array, show) -> None:
        for victim in self.last_victims:
            array.fail(Path(victim).name)
            show(f"failing-{victim}", array)


@pytest.mark.parametrize("seed", range(4))
def test_every_state_reads_as_under_md(seed, real_md, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(nodename="(none)"))
    life = Life(seed)
    (tmp_path / "dev").mkdir()
    theirs = make_images(tmp_path / "theirs", len(life.disks), 6 * MIB)
    ours = [tmp_path / name[1:] for name in life.disks]
    for image in ours:
        image.touch()
        os.truncate(image, 6 * MIB)
    run = real_md.run(theirs, life.script())

    shown: dict[str, str] = {}

    def show(name: str, array: Array) -> None:
        shown.setdefault(name, report(array, ours))

    directory = tmp_path / "dev" / "md0"
    with Array.create(directory, life.spec, ours) as array:
        life.carry_out(array, show)
    members = [tmp_path / name[1:] for name in life.survivors]
    with Array.assemble(directory, members, readonly=True) as array:
        show("readonly", array)
    with Array.assemble(directory, members) as array:
        life.fail_too_many(array, show)

    events = True  # the kernel counts each sync_max that it meets
    for name, text in shown.items():
        events = events and name != "recovering"
        assert masked(text, events=events) == masked(run.sections[name], events=events), name
