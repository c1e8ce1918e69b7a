"""Where profiles come from: TOML files, those that ship with raidsim and anybody's own.

A profile is named ``iop13xx``, or ``path/to/mine.toml`` for one's own. ``+`` and a capability
behind the name asks for one that the profile withholds: ``xgene+pq``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

from raidsim.dmaengine.drivers.profile import EngineProfile
from raidsim.errors import UsageError
from raidsim.profiles import read_profile, shipped_profiles
from raidsim.tables import TableError, from_table

_KIND = "engine profile"
_SHIPPED = Path(__file__).parent / "profiles"


def profile_names() -> list[str]:
    """Return the names of the profiles that come with raidsim."""
    return shipped_profiles(_SHIPPED)


def load_profile(name: str) -> EngineProfile:
    """Return the profile called ``name``, or of the TOML file of that path.

    Raises:
        UsageError: There is none of that name, its file makes no sense, or it does not withhold
            what is asked for with ``+``. All that is wrong with a file is said at once.
    """
    base, asked = _split(name)
    profile = _read(base) if base.endswith(".toml") else _shipped(base)
    if not asked:
        return profile
    for capability in asked:
        if not any(capability in device.withheld for device in profile.devices):
            raise UsageError(f"{_KIND} {base!r} withholds no {capability!r}")
    devices = tuple(
        replace(device, withheld=tuple(set(device.withheld) - set(asked)))
        for device in profile.devices
    )
    return replace(profile, name=name, devices=devices)


def absolute_profile_name(name: str) -> str:
    """Return ``name`` so that it means the same in any working directory."""
    base, _ = _split(name)
    return str(Path(base).absolute()) + name[len(base) :] if base.endswith(".toml") else name


def _split(name: str) -> tuple[str, list[str]]:
    match = re.fullmatch(r"(.+?)((?:\+[a-z0-9_]+)*)", name, re.DOTALL)
    return (match[1], match[2].split("+")[1:]) if match else (name, [])


@cache
def _shipped(name: str) -> EngineProfile:
    return _read(name)


def _read(name: str) -> EngineProfile:
    table = read_profile(_KIND, _SHIPPED, name)
    title = f"{_KIND} {name!r}"
    if "name" in table:
        raise TableError(title, ["unknown name: a profile is called by its file's"])
    profile = from_table(EngineProfile, {"name": name, **table}, title)
    devices = [replace(device, count=1) for device in profile.devices for _ in range(device.count)]
    return replace(profile, devices=tuple(devices))
