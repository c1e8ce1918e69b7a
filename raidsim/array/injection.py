"""Faults of a running array's disks and channels, switched on and off from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from raidsim.array.manage import find_rdev
from raidsim.disk.faults import FaultyDisk, disk_fault
from raidsim.dmaengine.drivers.descriptor_ring import DescriptorRing
from raidsim.dmaengine.drivers.faults import EngineFault, inject_fault, remove_fault
from raidsim.errors import UsageError
from raidsim.tables import from_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from raidsim.array.array import Array
    from raidsim.array.layers import Layers, MemberLayers
    from raidsim.disk.faults import DiskFault
    from raidsim.md.rdev import Rdev


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSnapshot:
    """A fault that was injected.

    Attributes:
        number: what it is called by, from 1 on.
        target: the member's or channel's name.
        kind: what it does.
        rule: the other keys of its table, as text.
        enabled: whether it is switched on.
        seen: how many accesses it could have struck.
        fired: how often it struck.
    """

    number: int
    target: str
    kind: str
    rule: str
    enabled: bool
    seen: int
    fired: int


class _Injected(Protocol):
    """A fault in its place."""

    @property
    def fault(self) -> DiskFault | EngineFault:
        """The fault."""

    @property
    def target(self) -> str:
        """The name of its disk or channel."""

    def put(self) -> None:
        """Let it strike."""

    def take(self) -> None:
        """Let it strike no more, and let go of what it holds back."""


class _OnDisk:
    """A fault of a member's disk."""

    def __init__(self, array: Array, layers: MemberLayers, table: Mapping[str, Any]) -> None:
        self._layers = layers
        self._faulty = FaultyDisk(array.machine, layers.disk, disk_fault(table))
        self.fault = self._faulty.fault
        self.target = layers.disk.name

    def put(self) -> None:
        self._faulty.switch(on=True)
        self._layers.put_fault(self._faulty)

    def take(self) -> None:
        self._layers.take_fault(self._faulty)
        self._faulty.switch(on=False)


class _OnChannel:
    """A fault of a channel."""

    def __init__(self, channel: DescriptorRing, table: Mapping[str, Any]) -> None:
        self._channel = channel
        self.fault = from_table(EngineFault, table, "engine fault")
        self.target = channel.name

    def put(self) -> None:
        self.fault.enabled = True
        inject_fault(self._channel, self.fault)

    def take(self) -> None:
        self.fault.enabled = False
        remove_fault(self._channel, self.fault)


class Injection:
    """The faults injected into one array.

    Args:
        array: the array, which runs.
        layers: those of its members.
    """

    def __init__(self, array: Array, layers: Layers) -> None:
        self._array = array
        self._layers = layers
        self._injected: dict[int, tuple[_Injected, str]] = {}
        self._last_number = 0

    def inject(self, target: str, table: Mapping[str, Any]) -> int:
        """Let a fault strike a disk or a channel from now on.

        Args:
            target: a member, as ``Array.fail`` takes it, or a channel's name.
            table: the fault's ``kind`` and the keys of that.

        Returns:
            The fault's number.

        Raises:
            UsageError: there is no such target, or the table makes no sense.
        """
        channels = self._channels()
        injected: _Injected
        if target in channels:
            injected = _OnChannel(channels[target], table)
        else:
            injected = _OnDisk(self._array, self._layers[self._member(target, channels)], table)
        rule = " ".join(f"{key}={value}" for key, value in table.items() if key != "kind")
        self._last_number += 1
        self._injected[self._last_number] = injected, rule
        if injected.fault.enabled:
            injected.put()
        return self._last_number

    def switch(self, number: int, *, on: bool) -> None:
        """Switch a fault on, or off, which lets go of what it holds back.

        Raises:
            UsageError: there is none of that number.
        """
        if number not in self._injected:
            raise UsageError(f"there is no fault {number}; `raidsim inject` lists them")
        injected, _ = self._injected[number]
        if on and not injected.fault.enabled:
            injected.put()
        elif injected.fault.enabled and not on:
            injected.take()

    def remove(self, number: int) -> None:
        """Take a fault away; an image that it spoilt stays so.

        Raises:
            UsageError: there is none of that number.
        """
        self.switch(number, on=False)
        del self._injected[number]

    def snapshots(self) -> tuple[FaultSnapshot, ...]:
        """All faults, by their numbers."""
        return tuple(
            FaultSnapshot(
                number=number,
                target=injected.target,
                kind=injected.fault.kind,
                rule=rule,
                enabled=injected.fault.enabled,
                seen=injected.fault.seen,
                fired=injected.fault.fired,
            )
            for number, (injected, rule) in self._injected.items()
        )

    def _member(self, target: str, channels: Iterable[str]) -> Rdev:
        try:
            return find_rdev(self._array, target)
        except UsageError as error:
            names = ", ".join(channels)
            raise UsageError(f"{error}; channels: {names}" if names else str(error)) from None

    def _channels(self) -> dict[str, DescriptorRing]:
        return {
            channel.name: channel
            for device in self._array.machine.dmaengine.devices
            for channel in device.channels
            if isinstance(channel, DescriptorRing)
        }
