"""What /proc/mdstat and mdadm say of an array, from both sides, without what differs by chance."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from draw import disk

from raidsim.array.detail_export import detail_brief_line, detail_export_lines
from raidsim.array.report import detail_lines, mdstat_lines
from raidsim.array.snapshot import take_snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from raidsim.array import Array

# `show NAME` prints all that there is to say into the section NAME.
SHOW = """
show() {
    section "$1"
    cat /proc/mdstat
    mdadm --detail /dev/md0
    mdadm --detail --export /dev/md0
    mdadm --detail --brief /dev/md0
    section between
}
"""

_MASKS = (
    (re.compile(r" finish=\S+ speed=\S+"), ""),
    (re.compile(r"\[[=>.]{21}\]( +\w+ =) +[0-9.]+% \(\d+/"), r"BAR\1 PERCENT (DONE/"),
    (re.compile(r"\d+% complete"), "PERCENT complete"),
    (re.compile(r"\w{8}(:\w{8}){3}"), "UUID"),
    (re.compile(r"(Creation|Update) Time : .*"), r"\1 Time : TIME"),
    (re.compile(r"(name=|Name : |MD_NAME=)[^ ]*:(\w+)(  \(local to host .*\))?"), r"\1HOST:\2"),
    (re.compile(r"^( +[-\d]+) +[-\d]+ +[-\d]+ ", re.MULTILINE), r"\1 MAJOR MINOR "),
)
_EVENTS = re.compile(r"Events : \d+")


def report(array: Array, images: Sequence[Path]) -> str:
    """What `show` prints, with the names that the guest has for the array and its ``images``."""
    snapshot = take_snapshot(array)
    lines = [*mdstat_lines([snapshot]), *detail_lines(snapshot), *detail_export_lines(snapshot)]
    text = "\n".join([*lines, detail_brief_line(snapshot)])
    for number, image in enumerate(images):
        name = disk(number).removeprefix("/dev/")
        key = re.sub(r"\W", "_", image.name)
        text = text.replace(str(image), f"/dev/{name}").replace(image.name, name)
        text = text.replace(f"_dev_{key}_", f"_dev_{name}_")
    text = text.replace(snapshot.path, "/dev/md0")
    return re.sub(rf"^{array.directory.path.name} : ", "md0 : ", text, flags=re.MULTILINE)


def masked(text: str, *, events: bool = True) -> list[str]:
    """The lines of a report without times, places, names of hosts and UUIDs.

    Args:
        text: what `show` or `report` gave.
        events: keep the count of events.
    """
    for pattern, replacement in _MASKS:
        text = pattern.sub(replacement, text)
    if not events:
        text = _EVENTS.sub("Events : COUNT", text)
    lines = text.rstrip().splitlines()
    # mdadm lists the devices as it finds them in a directory.
    devices = [line for line in lines if line.startswith("MD_DEVICE_")]
    return [line for line in lines if line not in devices] + sorted(devices)
