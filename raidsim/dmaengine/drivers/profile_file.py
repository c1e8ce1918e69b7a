"""Where profiles come from: TOML files, those that ship with raidsim and anybody's own.

A profile is named ``iop13xx``, or ``path/to/mine.toml`` for one's own. ``+`` and a capability
behind the name asks for one that the profile withholds: ``xgene+pq``.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import MISSING, Field, fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raidsim.dmaengine.constants import CAPABILITY_NAMES
from raidsim.dmaengine.counts import OPERATIONS
from raidsim.dmaengine.drivers.profile import (
    COMPLETIONS,
    DRIVERS,
    DeviceProfile,
    EngineProfile,
    Quirks,
)
from raidsim.dmaengine.errors import EngineProfileError

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHIPPED = Path(__file__).with_name("profiles")
_POWERS_OF_TWO = ("copy_align", "xor_align", "pq_align", "fill_align")
_MAY_BE_ZERO = ("max_xor", "max_pq", "ring_slots_max", "threshold_slots", "descriptor_latency_ns")


def profile_names() -> list[str]:
    """Return the names of the profiles that come with raidsim."""
    return sorted(file.stem for file in _SHIPPED.glob("*.toml"))


def load_profile(name: str) -> EngineProfile:
    """Return the profile called ``name``, or of the TOML file of that path.

    Raises:
        EngineProfileError: There is none of that name, its file makes no sense, or it does not
            withhold what is asked for with ``+``.
    """
    base, asked = _split(name)
    profile = _own(base) if base.endswith(".toml") else _shipped(base)
    if not asked:
        return profile
    for capability in asked:
        if not any(capability in device.withheld for device in profile.devices):
            raise EngineProfileError(f"engine profile {base!r} withholds no {capability!r}")
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
    if name not in profile_names():
        raise EngineProfileError(
            f"no engine profile {name!r}; choose from {', '.join(profile_names())},"
            f" or name a .toml file of your own"
        )
    return _engine_profile(name, tomllib.loads((_SHIPPED / f"{name}.toml").read_text("utf-8")))


def _own(path: str) -> EngineProfile:
    try:
        with Path(path).open("rb") as file:
            return _engine_profile(path, tomllib.load(file))
    except OSError as error:
        raise EngineProfileError(f"engine profile {path!r}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EngineProfileError(f"engine profile {path!r} is not TOML: {error}") from error


def _engine_profile(name: str, table: dict[str, Any]) -> EngineProfile:
    _refuse_unknown(name, table, {"description", "devices", "driver"})
    devices = table.get("devices")
    if not isinstance(devices, list) or not all(isinstance(device, dict) for device in devices):
        raise EngineProfileError(f"engine profile {name!r}: no [[devices]]")
    if not isinstance(table.get("description"), str):
        raise EngineProfileError(f"engine profile {name!r}: no description")
    driver = table.get("driver", "ring")
    if driver not in DRIVERS:
        raise EngineProfileError(
            f"engine profile {name!r}: driver {driver!r}; choose from {', '.join(DRIVERS)}"
        )
    profiles = []
    for device in devices:
        values = dict(device)
        count = values.pop("count", 1)
        if type(count) is not int or count < 1:
            raise EngineProfileError(f"engine profile {name!r}: count {count!r} of devices")
        profiles += [_device_profile(name, values)] * count
    return EngineProfile(
        name=name, description=table["description"], devices=tuple(profiles), driver=driver
    )


def _device_profile(name: str, table: dict[str, Any]) -> DeviceProfile:
    known = {entry.name: entry for entry in fields(DeviceProfile)}
    _refuse_unknown(name, table, known)
    values = {key: _value(name, known[key], value) for key, value in table.items()}
    if not values.get("capabilities"):
        raise EngineProfileError(f"engine profile {name!r}: a device without capabilities")
    _refuse_unknown(name, values["capabilities"], CAPABILITY_NAMES)
    _refuse_unknown(name, values.get("withheld", ()), values["capabilities"])
    _refuse_unknown(name, values.get("operation_bytes_per_second", {}), OPERATIONS)
    profile = DeviceProfile(**values)
    for key in _POWERS_OF_TWO:
        if getattr(profile, key).bit_count() != 1:
            raise EngineProfileError(f"engine profile {name!r}: {key} has to be a power of 2")
    if profile.completion not in COMPLETIONS:
        raise EngineProfileError(
            f"engine profile {name!r}: completion {profile.completion!r};"
            f" choose from {', '.join(COMPLETIONS)}"
        )
    return profile


def _refuse_unknown(name: str, words: Iterable[str], known: Iterable[str]) -> None:
    unknown = sorted(set(words) - set(known))
    if unknown:
        raise EngineProfileError(f"engine profile {name!r}: unknown {', '.join(unknown)}")


def _value(name: str, entry: Field[Any], value: Any) -> Any:
    """Return what the TOML ``value`` of a field is in Python, if it is of the field's kind."""
    default = entry.default if entry.default is not MISSING else None
    if entry.name == "quirks" and isinstance(value, dict):
        known = {quirk.name: quirk for quirk in fields(Quirks)}
        _refuse_unknown(name, value, known)
        return Quirks(**{key: _value(name, known[key], part) for key, part in value.items()})
    if entry.name in {"capabilities", "withheld"}:
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            return tuple(value)
    elif entry.name in {"xor_slots", "pq_slots"}:
        if isinstance(value, list) and all(_is_pair(pair) for pair in value):
            return tuple((sources, slots) for sources, slots in value)
    elif entry.name == "operation_bytes_per_second":
        if isinstance(value, dict) and all(map(_is_positive, value.values())):
            return value
    elif type(value) is type(default) and (
        type(value) is not int or value >= (0 if default == 0 or entry.name in _MAY_BE_ZERO else 1)
    ):
        return value
    raise EngineProfileError(f"engine profile {name!r}: {entry.name} = {value!r} makes no sense")


def _is_positive(value: object) -> bool:
    return type(value) is int and value > 0


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_positive, value))
