"""A member as a simulation has it, built from one table: image, faults, model and power."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from raidsim.disk.faults import DiskFault, FaultyDisk, disk_fault
from raidsim.disk.models import DiskProfile, disk_profile, load_disk_profile, model_disk
from raidsim.disk.stable import StableStorage
from raidsim.errors import UsageError
from raidsim.tables import TableError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from raidsim.disk.faults import PowerSupply
    from raidsim.disk.request import Disk
    from raidsim.machine import Machine

_KEYS = ("faults", "model")


class DiskStack(NamedTuple):
    """A disk and what it is made of.

    Attributes:
        disk: What md is given.
        faults: Its faults, from the medium upwards, in the order of the table.
    """

    disk: Disk
    faults: tuple[FaultyDisk, ...]


def stack_disk(
    machine: Machine, image: Disk, table: Mapping[str, Any], supply: PowerSupply | None = None
) -> DiskStack:
    """Build a disk on an image.

    From the medium upwards: what a power cut could take back, where there is a supply; the faults,
    the first one lowest; the model, so that an access that fails takes its time all the same.

    Args:
        machine: The machine that it is part of.
        image: Has the bytes; carries everything out at once.
        table: ``model``: the name or path of a drive's profile, or a table of its own, or nothing
            for a disk that takes no time; ``faults``: a list of tables, see ``disk_fault``.
        supply: What the disk is plugged into.

    Raises:
        TableError: The table makes no sense; all that is wrong is said at once.
    """
    profile, faults = _parse(table)
    disk = image
    storage = None
    if supply is not None:
        cache_bytes = 0 if profile is None else profile.volatile_cache_bytes
        disk = storage = StableStorage(image, cache_bytes)
    faulty = []
    for fault in faults:
        disk = FaultyDisk(machine, disk, fault)
        faulty.append(disk)
    if profile is not None:
        disk = model_disk(machine, disk, profile)
    if supply is not None and storage is not None:
        disk = supply.plug(disk, storage)
    return DiskStack(disk, tuple(faulty))


def _parse(table: Mapping[str, Any]) -> tuple[DiskProfile | None, list[DiskFault]]:
    mistakes = [f"unknown {key}: {suggest(key, _KEYS)}" for key in table if key not in _KEYS]
    model = table.get("model")
    profile = None
    if model is not None:
        make = load_disk_profile if isinstance(model, str) else disk_profile
        profile = _collect(make, model, "model", mistakes)
    faults = table.get("faults", [])
    if not isinstance(faults, (list, tuple)):
        mistakes.append(f"faults = {faults!r}: expected a list")
        faults = []
    made = [
        _collect(disk_fault, fault, f"faults[{number}]", mistakes)
        for number, fault in enumerate(faults)
    ]
    if mistakes:
        raise TableError("disk", mistakes)
    return profile, made


def _collect(make: Callable[[Any], Any], value: Any, place: str, mistakes: list[str]) -> Any:
    """Make something of a plain value, or note what is wrong with it."""
    if not isinstance(value, str) and not hasattr(value, "items"):
        mistakes.append(f"{place} = {value!r}: expected a table")
        return None
    try:
        return make(value)
    except TableError as error:
        mistakes += [f"{place}: {mistake}" for mistake in error.mistakes]
    except UsageError as error:
        mistakes.append(f"{place}: {error}")
    return None
