"""Member images, looked at without their array."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from typing import TYPE_CHECKING

from raidsim.disk import ImageDisk
from raidsim.md.superblock import SuperblockV1, find_superblock

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# What differs between any two arrays; all else is to be the same.
_OF_ONE_ARRAY = {
    "set_uuid",
    "set_name",
    "ctime",
    "utime",
    "device_uuid",
    "sb_csum",
    "bitmap_super",
}


def make_images(directory: Path, count: int, size: int) -> list[Path]:
    """Sparse images of zeros."""
    directory.mkdir(exist_ok=True)
    images = [directory / f"disk{i}.img" for i in range(count)]
    for image in images:
        image.touch()
        os.truncate(image, size)
    return images


def superblock(image: Path) -> SuperblockV1:
    member = ImageDisk(image, readonly=True)
    try:
        return find_superblock(member.read, member.sectors)
    finally:
        member.close()


def data_area(image: Path) -> bytes:
    sb = superblock(image)
    with image.open("rb") as file:
        file.seek(sb.data_offset * 512)
        return file.read(sb.size * 512)


def assert_same_superblock(theirs: Path, ours: Path, ignored: Iterable[str] = ()) -> None:
    their_fields = dataclasses.asdict(superblock(theirs))
    our_fields = dataclasses.asdict(superblock(ours))
    for name in sorted(their_fields.keys() - _OF_ONE_ARRAY.union(ignored)):
        assert their_fields[name] == our_fields[name], f"{name} of {ours.name}"


def examined_by_mdadm(image: Path) -> list[str]:
    run = subprocess.run(
        ["/sbin/mdadm", "--examine", image], capture_output=True, text=True, check=True
    )
    assert not run.stderr
    return run.stdout.splitlines()
