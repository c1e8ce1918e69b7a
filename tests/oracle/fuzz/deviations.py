"""Where raidsim does otherwise than mdadm on purpose, each with its reason (docs/fidelity.md).

The fuzzer's operations are mdadm's; these make raidsim's out of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.array import Array
from raidsim.md.assembly import AssemblyError

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


def settle(array: Array) -> None:
    """What md begins by itself once something has happened: between two calls raidsim rests."""
    if not array.mddev.broken and not array.mddev.readonly:
        array.rebuild()
