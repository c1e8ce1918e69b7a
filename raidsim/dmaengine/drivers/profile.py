"""Engine profiles: what one chip's devices can do, as TOML."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from typing import Any

from raidsim.dmaengine.constants import CAPABILITY_NAMES
from raidsim.dmaengine.errors import EngineProfileError


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProfile:
    """One DMA device of an engine.

    Attributes:
        capabilities: Names of its ``DMA_*`` capabilities.
        channels: How many channels it has.
        max_xor: Most sources of one xor.
        max_pq: Most sources of one pq, continuation sources included.
        native_pq_continue: Whether a continued pq costs no sources.
        copy_align: What offsets and lengths of a memcpy are multiples of, in bytes; so are
            ``xor_align``, ``pq_align`` and ``fill_align`` of the other operations.
        min_length: Fewest bytes of one operation.
        max_length: Most bytes of one operation.
        ring_slots: Hardware descriptor slots of one channel.
        slots_per_sources: Pairs of a number of sources and the slots that a descriptor of up to
            so many takes; one slot where no pair applies.
        threshold_slots: Slots submitted at which pending work is issued; 0 for never.
        descriptor_latency_ns: Time to fetch and complete one descriptor, when timed.
        bytes_per_second: Rate at which source bytes are worked through, when timed.
    """

    capabilities: tuple[str, ...]
    channels: int = 1
    max_xor: int = 0
    max_pq: int = 0
    native_pq_continue: bool = False
    copy_align: int = 1
    xor_align: int = 1
    pq_align: int = 1
    fill_align: int = 1
    min_length: int = 1
    max_length: int = 1 << 30
    ring_slots: int = 128
    slots_per_sources: tuple[tuple[int, int], ...] = ()
    threshold_slots: int = 1
    descriptor_latency_ns: int = 1_000
    bytes_per_second: int = 1_000_000_000

    @property
    def cap_mask(self) -> set[int]:
        """The capabilities as numbers, a new set at each call."""
        return {CAPABILITY_NAMES.index(name) for name in self.capabilities}

    def slots(self, source_count: int) -> int:
        """Return how many slots a descriptor of ``source_count`` sources takes."""
        return next(
            (slots for sources, slots in self.slots_per_sources if source_count <= sources), 1
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineProfile:
    """An offload engine: some DMA devices that come together.

    Attributes:
        name: What users call it.
        description: One line about it.
        devices: Its devices, in the order of registration.
    """

    name: str
    description: str
    devices: tuple[DeviceProfile, ...] = field(default=())


def profile_names() -> list[str]:
    """Return the names of the profiles that come with raidsim."""
    files = resources.files("raidsim.dmaengine.drivers").joinpath("profiles").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


@cache
def load_profile(name: str) -> EngineProfile:
    """Return the profile called ``name``.

    Raises:
        EngineProfileError: There is none of that name.
    """
    if name not in profile_names():
        raise EngineProfileError(
            f"no engine profile {name!r}; choose from {', '.join(profile_names())}"
        )
    file = resources.files("raidsim.dmaengine.drivers").joinpath("profiles", f"{name}.toml")
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    devices = [
        profile
        for device in table["devices"]
        for profile in [_device_profile(name, device)] * device.get("count", 1)
    ]
    return EngineProfile(name=name, description=table["description"], devices=tuple(devices))


def _device_profile(name: str, table: dict[str, Any]) -> DeviceProfile:
    known = {entry.name for entry in fields(DeviceProfile)} | {"count"}
    unknown = sorted(set(table) - known)
    unknown += sorted(set(table["capabilities"]) - set(CAPABILITY_NAMES))
    if unknown:
        raise EngineProfileError(f"engine profile {name!r}: unknown {', '.join(unknown)}")
    values = {key: value for key, value in table.items() if key != "count"}
    values["capabilities"] = tuple(values["capabilities"])
    values["slots_per_sources"] = tuple(
        (sources, slots) for sources, slots in values.get("slots_per_sources", ())
    )
    return DeviceProfile(**values)
