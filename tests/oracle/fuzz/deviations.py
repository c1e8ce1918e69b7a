"""Where raidsim does otherwise than mdadm on purpose, each with its reason (docs/fidelity.md).

The fuzzer's operations are mdadm's; these make raidsim's out of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.array import Array
from raidsim.errors import RaidsimError
from raidsim.md.assembly import AssemblyError
from raidsim.md.superblock import MD_DISK_ROLE_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def assemble(directory: Path, images: Sequence[Path], *, force: bool) -> Array:
    """What `mdadm --assemble --run` makes of these images.

    mdadm leaves a stale member out and says so in passing; raidsim refuses, so that nobody goes on
    without a disk by mistake, and names the image that is to be left out.
    """
    images = list(images)
    while True:
        try:
            return Array.assemble(directory, images, force=force)
        except AssemblyError as error:
            stale = [image for image in images if str(error).startswith(f"{image}: is stale")]
            if not stale:
                raise
            images.remove(stale[0])


def replace(array: Array, disk: str, spare: str | None) -> None:
    """What `mdadm --replace` does, `--with` a spare or without.

    mdadm has marked the member before it finds that the spare is none, and leaves it marked, for
    any spare there is; raidsim changes nothing when it refuses.
    """
    if spare is None:
        array.replace([disk])
        return
    try:
        array.replace([disk], [spare])
    except RaidsimError:
        array.replace([disk])
        settle(array)
        raise


def forget_sweeps(fields: dict[str, object], events_of_array: int) -> None:
    """Leave out the last sweep's part of the bitmap on a spare, or a member that fell behind.

    Bits are cleared by a sweep every few seconds. Here no time passes between two calls, so none
    comes before the array is stopped; a member that fails meanwhile keeps the bits, and one that
    is added gets what the others hold so far.
    """
    if not fields:
        return
    number, roles = fields["dev_number"], fields["dev_roles"]
    spare = number >= len(roles) or roles[number] >= MD_DISK_ROLE_MAX
    if spare or fields["events"] + 1 < events_of_array:
        for name in ("bitmap bits", "bitmap events", "bitmap events_cleared"):
            fields.pop(name, None)


def settle(array: Array) -> None:
    """What md begins by itself once something has happened: between two calls raidsim rests."""
    if not array.mddev.broken and not array.mddev.readonly:
        array.rebuild()
