"""Offload engines: a ring-engine model and the profiles that make it one chip or another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.dmaengine.drivers.faults import (
    FAULT_KINDS,
    EngineFault,
    inject_fault,
    remove_fault,
)
from raidsim.dmaengine.drivers.profile import DeviceProfile, EngineProfile, Quirks
from raidsim.dmaengine.drivers.profile_file import (
    absolute_profile_name,
    load_profile,
    profile_names,
)
from raidsim.dmaengine.drivers.ring import RingDevice
from raidsim.dmaengine.drivers.threads import ThreadsDevice
from raidsim.dmaengine.registry import dma_async_device_register

if TYPE_CHECKING:
    from raidsim.machine import Machine

__all__ = [
    "FAULT_KINDS",
    "DeviceProfile",
    "EngineFault",
    "EngineProfile",
    "Quirks",
    "RingDevice",
    "ThreadsDevice",
    "absolute_profile_name",
    "inject_fault",
    "load_profile",
    "profile_names",
    "register_engine",
    "remove_fault",
]

_DRIVERS = {"ring": RingDevice, "threads": ThreadsDevice}


def register_engine(machine: Machine, engine: str | EngineProfile) -> list[RingDevice]:
    """Give ``machine`` an engine: every device of a profile, or of the profile of that name.

    Raises:
        UsageError: There is no such profile, or it makes no sense.
    """
    profile = load_profile(engine) if isinstance(engine, str) else engine
    driver = _DRIVERS[profile.driver]
    devices = [driver(machine, device) for device in profile.devices]
    for device in devices:
        dma_async_device_register(device)
    return devices
