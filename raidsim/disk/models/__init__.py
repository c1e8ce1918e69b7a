"""Models of service time: disks that take as long as a drive would, on a timed machine."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raidsim.disk.models.fixed import FixedModel
from raidsim.disk.models.hdd import HddModel
from raidsim.disk.models.model import DiskModel
from raidsim.disk.models.profile import (
    DiskProfile,
    FixedProfile,
    HddProfile,
    Published,
    SsdProfile,
)
from raidsim.disk.models.ssd import SsdModel
from raidsim.profiles import read_profile, shipped_profiles
from raidsim.tables import TableError, from_table, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raidsim.disk.request import Disk
    from raidsim.machine import Machine

__all__ = [
    "DiskModel",
    "DiskProfile",
    "FixedModel",
    "FixedProfile",
    "HddModel",
    "HddProfile",
    "Published",
    "SsdModel",
    "SsdProfile",
    "disk_profile",
    "disk_profile_names",
    "load_disk_profile",
    "model_disk",
]

_KIND = "disk profile"
_SHIPPED = Path(__file__).parent / "profiles"
_PROFILES: dict[str, type[DiskProfile]] = {
    profile.kind: profile for profile in (FixedProfile, HddProfile, SsdProfile)
}
_MODELS: dict[type[DiskProfile], Any] = {
    FixedProfile: FixedModel,
    HddProfile: HddModel,
    SsdProfile: SsdModel,
}


def disk_profile_names() -> list[str]:
    """Return the names of the drives that come with raidsim."""
    return shipped_profiles(_SHIPPED)


def load_disk_profile(name: str) -> DiskProfile:
    """Return the drive called ``name``, or of the TOML file of that path.

    Raises:
        UsageError: There is none, or its file makes no sense; all that is wrong is said at once.
    """
    return _read(name) if name.endswith(".toml") else _shipped(name)


@cache
def _shipped(name: str) -> DiskProfile:
    return _read(name)


def _read(name: str) -> DiskProfile:
    return disk_profile(read_profile(_KIND, _SHIPPED, name), name)


def disk_profile(table: Mapping[str, Any], name: str = "") -> DiskProfile:
    """Return the drive that a table describes: its ``kind`` and the fields of that.

    Raises:
        TableError: It makes no sense; all that is wrong is said at once.
    """
    title = f"{_KIND} {name!r}" if name else _KIND
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in _PROFILES:
        raise TableError(title, [f"kind = {kind!r}: {suggest(kind, _PROFILES)}"])
    rest = {key: value for key, value in table.items() if key != "kind"}
    return from_table(_PROFILES[kind], rest, title)


def model_disk(machine: Machine, disk: Disk, profile: str | DiskProfile) -> DiskModel:
    """Let ``disk`` take the time of a drive.

    Args:
        machine: Has the clock; on an untimed one everything takes no time.
        disk: The disk below, which has the bytes.
        profile: The drive, or the name or path of its profile.

    Raises:
        UsageError: There is no such profile, or it makes no sense.
    """
    if isinstance(profile, str):
        profile = load_disk_profile(profile)
    model: DiskModel = _MODELS[type(profile)](machine, disk, profile)
    return model
