"""Offload engines: a ring-engine model and the profiles that make it one chip or another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.dmaengine.drivers.profile import (
    DeviceProfile,
    EngineProfile,
    load_profile,
    profile_names,
)
from raidsim.dmaengine.drivers.ring import RingDevice
from raidsim.dmaengine.registry import dma_async_device_register

if TYPE_CHECKING:
    from raidsim.machine import Machine

__all__ = [
    "DeviceProfile",
    "EngineProfile",
    "RingDevice",
    "load_profile",
    "profile_names",
    "register_engine",
]


def register_engine(machine: Machine, engine: str | EngineProfile) -> list[RingDevice]:
    """Give ``machine`` an engine: every device of a profile, or of the profile of that name.

    Raises:
        EngineProfileError: There is no such profile.
    """
    profile = load_profile(engine) if isinstance(engine, str) else engine
    devices = [RingDevice(machine, device) for device in profile.devices]
    for device in devices:
        dma_async_device_register(device)
    return devices
