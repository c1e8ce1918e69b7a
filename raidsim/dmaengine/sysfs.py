"""What the kernel shows of channels: sysfs attributes, and debugfs' summary of who holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.dmaengine.constants import CAPABILITY_NAMES, DMA_PRIVATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raidsim.dmaengine.channel import DmaChan
    from raidsim.machine import Machine


def channel_attributes(machine: Machine) -> dict[str, dict[str, int]]:
    """Return the files of ``/sys/class/dma/<channel>`` of every channel, by its name.

    ``in_use`` is the number of references. ``memcpy_count`` and ``bytes_transferred`` are counted
    by clients of the net_dma kind alone: under async_tx they stay 0, as in the kernel.
    """
    return {
        chan.name: {
            "in_use": chan.client_count,
            "memcpy_count": chan.memcpy_count,
            "bytes_transferred": chan.bytes_transferred,
        }
        for chan in _channels(machine)
    }


def channel_holders(machine: Machine) -> dict[str, str]:
    """Return who holds each channel that is in use, as ``/sys/kernel/debug/dmaengine/summary``.

    An exclusive holder that has a name is called by it; public channels are shared.
    """
    holders = {}
    for chan in _channels(machine):
        if chan.client_count:
            private = DMA_PRIVATE in chan.device.cap_mask
            shared = f"{chan.client_count} public client{'s' * (chan.client_count != 1)}"
            holders[chan.name] = (chan.client_name or "in-use") if private else shared
    return holders


def channel_table(machine: Machine) -> dict[str, str]:
    """Return the public channel that the current CPU uses for each capability that has one."""
    table = machine.dmaengine.channel_table
    return {
        name: chan.name
        for name, chan in zip(CAPABILITY_NAMES, table, strict=True)
        if chan is not None
    }


def _channels(machine: Machine) -> Iterator[DmaChan]:
    for device in machine.dmaengine.devices:
        yield from device.channels
