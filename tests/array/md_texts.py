"""What real mdadm 4.2 and Linux 6.1 print (texts/), and the snapshots that it tells of."""

from __future__ import annotations

import re
import time
from pathlib import Path

from raidsim.array.snapshot import ArraySnapshot, MemberSnapshot, SyncSnapshot

TEXTS = Path(__file__).with_name("texts")
ALL_TEXTS = sorted(path.stem for path in TEXTS.glob("*.txt"))


def golden(name: str) -> tuple[list[str], list[str]]:
    """What the kernel and mdadm printed, without what only a real device has."""
    outputs = shown(name)
    detail = re.sub(
        r"^( +\d+) +\d+ +\d+ ",
        r"\1       -        - ",
        outputs["mdadm --detail /dev/md0"],
        flags=re.MULTILINE,
    )
    return outputs["cat /proc/mdstat"].splitlines(), detail.splitlines()


def shown(name: str) -> dict[str, str]:
    """The output of each command of a text."""
    text = (TEXTS / f"{name}.txt").read_text()
    _, *parts = re.split(r"^\$ (.*)\n", text, flags=re.MULTILINE)
    return {
        command: re.sub(r"(\n|\[status 0\]\n)\Z", "", output)
        for command, output in zip(parts[::2], parts[1::2], strict=True)
    }


def parse_snapshot(mdstat: list[str], detail: list[str]) -> ArraySnapshot:
    """The snapshot that a text describes."""
    value = dict(re.findall(r"^ *([^:\n]+?) : (.*)$", "\n".join(detail), re.MULTILINE))
    names = re.findall(r"(\S+)\[(\d+)\](\S*)", mdstat[1])
    rows = {
        int(number): (slot, state, path)
        for number, slot, state, path in re.findall(
            r"^ +(\d+) +- +- +(\S+) +(\S.*?)   (\S+)$", "\n".join(detail), re.MULTILINE
        )
    }
    members = []
    for name, number, flag in names:
        slot, state, path = rows[int(number)]
        assert path == f"/dev/{name}"
        members.append(
            MemberSnapshot(
                path=path,
                number=int(number),
                raid_disk=None if slot == "-" else int(slot),
                in_sync=state == "active sync",
                faulty=state == "faulty",
                replacement=flag == "(R)",
                recovery_offset_sectors=1 if "rebuilding" in state else None,
                data_sectors=40960,
            )
        )
    shape = re.search(r"level (\d), (\d+)k chunk, algorithm (\d+) \[(\d+)/", mdstat[2])
    level, chunk, layout, raid_disks = map(int, shape.groups())
    return ArraySnapshot(
        path="/dev/md0",
        set_name=value["Name"].removesuffix("  (local to host (none))"),
        uuid=value["UUID"],
        metadata=value["Version"],
        level=level,
        layout=layout,
        raid_disks=raid_disks,
        chunk_sectors=chunk * 2,
        max_degraded=2 if level == 6 else 1,
        array_sectors=int(value["Array Size"].split()[0]) * 2,
        dev_sectors=int(value["Used Dev Size"].split()[0]) * 2,
        creation_time=int(time.mktime(time.strptime(value["Creation Time"]))),
        update_time=int(time.mktime(time.strptime(value["Update Time"]))),
        events=int(value["Events"]),
        clean=value["State"].startswith("clean"),
        readonly="(read-only)" in mdstat[1],
        started=True,
        sync=_parse_sync(mdstat[3]),
        resync_pending="PENDING" in mdstat[3],
        members=tuple(members),
    )


def _parse_sync(line: str) -> SyncSnapshot | None:
    running = re.search(
        r"(\w+) = *[0-9.]+% \((\d+)/(\d+)\) finish=[0-9.]+min speed=(\d+)K/sec", line
    )
    return running and SyncSnapshot(
        action=running[1],
        done_sectors=int(running[2]) * 2,
        total_sectors=int(running[3]) * 2,
        kib_per_second=int(running[4]),
    )
