"""Who may use which channel (drivers/dma/dmaengine.c).

Memory-to-memory users share the public channels through the channel table, which holds for each
capability and CPU the channel to use; ``dma_request_channel`` takes one out for a single owner.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from raidsim.dmaengine.channel import DmaChan
from raidsim.dmaengine.constants import (
    CAPABILITY_NAMES,
    DMA_ASYNC_TX,
    DMA_INTERRUPT,
    DMA_MEMCPY,
    DMA_MEMSET,
    DMA_PQ,
    DMA_PQ_VAL,
    DMA_PRIVATE,
    DMA_SLAVE,
    DMA_TX_TYPE_END,
    DMA_XOR,
    DMA_XOR_VAL,
)
from raidsim.dmaengine.errors import DmaBusyError, DmaengineError, DmaRegistrationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from raidsim.dmaengine.channel import DmaDevice
    from raidsim.machine import Machine

_PREP_HOOKS = {
    DMA_MEMCPY: "prep_dma_memcpy",
    DMA_XOR: "prep_dma_xor",
    DMA_PQ: "prep_dma_pq",
    DMA_XOR_VAL: "prep_dma_xor_val",
    DMA_PQ_VAL: "prep_dma_pq_val",
    DMA_MEMSET: "prep_dma_memset",
    DMA_INTERRUPT: "prep_dma_interrupt",
    DMA_SLAVE: "prep_slave_sg",
}
_MANDATORY_HOOKS = (
    "alloc_chan_resources",
    "free_chan_resources",
    "issue_pending",
)
_HOOKS = (*_PREP_HOOKS.values(), *_MANDATORY_HOOKS)
# What a chain may need: a device with all of it never makes async_tx change channels.
_ASYNC_TX_CAPABILITIES = frozenset(_PREP_HOOKS) - {DMA_SLAVE}
# The capabilities that the channel table has cells for, in the order they are filled.
_TABLE_CAPABILITIES = (
    DMA_MEMCPY,
    DMA_XOR,
    DMA_PQ,
    DMA_XOR_VAL,
    DMA_PQ_VAL,
    DMA_MEMSET,
    DMA_ASYNC_TX,
)


class DmaRegistry:
    """A machine's devices and the state of their allocation.

    Attributes:
        devices: The registered devices, in the order of registration, which is that of search.
        ref_count: How many clients hold dmaengine.
        cpu_tables: The channel table by CPU: for each capability the public channel to use, or
            None.
        channel_table: That of the current CPU.
    """

    __slots__ = ("channel_table", "cpu_tables", "devices", "ref_count")

    def __init__(self, cpus: int) -> None:
        self.devices: list[DmaDevice] = []
        self.ref_count = 0
        self.cpu_tables: list[list[DmaChan | None]] = [
            [None] * DMA_TX_TYPE_END for _ in range(cpus)
        ]
        self.channel_table = self.cpu_tables[0]


def dma_async_device_register(device: DmaDevice) -> None:
    """Make ``device`` known to its machine's dmaengine.

    It gets the lowest free number and its channels their names. Clients that hold dmaengine
    get a reference on each of its channels at once, unless it is ``DMA_PRIVATE``.

    Raises:
        DmaRegistrationError: A capability lacks its hook, or one that every device needs is
            missing, or the source limits would make a split endless.
    """
    _check_registration(device)
    registry = device.machine.dmaengine
    if device.cap_mask >= _ASYNC_TX_CAPABILITIES:
        device.cap_mask.add(DMA_ASYNC_TX)
    taken = {known.dev_id for known in registry.devices}
    device.dev_id = next(number for number in range(len(taken) + 1) if number not in taken)
    sanitizer = device.machine.sanitizer
    for number, chan in enumerate(device.channels):
        chan.name = f"dma{device.dev_id}chan{number}"
        if sanitizer is not None:
            sanitizer.watch(chan)
    if registry.ref_count and DMA_PRIVATE not in device.cap_mask:
        for chan in device.channels:
            _dma_chan_get(registry, chan)
    registry.devices.append(device)
    _rebalance(registry)


def dma_async_device_unregister(device: DmaDevice) -> None:
    """Take ``device`` out again.

    Raises:
        DmaBusyError: One of its channels is in use (dmaengine-rework-2009.txt, goal 1).
    """
    registry = device.machine.dmaengine
    for chan in device.channels:
        if chan.client_count:
            raise DmaBusyError(
                f"{chan.name} is in use by {chan.client_count} client(s): "
                f"release it before its device is unregistered"
            )
    registry.devices.remove(device)
    _rebalance(registry)


def dmaengine_get(machine: Machine) -> None:
    """Become a memory-to-memory client: hold every public channel."""
    registry = machine.dmaengine
    registry.ref_count += 1
    for device in registry.devices:
        if DMA_PRIVATE not in device.cap_mask:
            for chan in device.channels:
                _dma_chan_get(registry, chan)
    if registry.ref_count == 1:
        _rebalance(registry)


def dmaengine_put(machine: Machine) -> None:
    """Be a client no longer; the last one leaves an empty channel table.

    Raises:
        DmaengineError: There is no client.
    """
    registry = machine.dmaengine
    if registry.ref_count == 0:
        raise DmaengineError("dmaengine_put without a dmaengine_get: nobody holds dmaengine")
    registry.ref_count -= 1
    for device in registry.devices:
        if DMA_PRIVATE not in device.cap_mask:
            for chan in device.channels:
                _dma_chan_put(chan)
    if registry.ref_count == 0:
        _rebalance(registry)


def dma_find_channel(machine: Machine, tx_type: int) -> DmaChan | None:
    """Return the public channel the current CPU uses for ``tx_type``, if there is one."""
    return machine.dmaengine.channel_table[tx_type]


def dma_issue_pending_all(machine: Machine) -> None:
    """Let the hardware have what was submitted to any public channel in use."""
    for device in machine.dmaengine.devices:
        if DMA_PRIVATE not in device.cap_mask:
            for chan in device.channels:
                if chan.client_count:
                    chan.issue_pending()


def dma_request_channel(
    machine: Machine,
    mask: Collection[int],
    filter_fn: Callable[[DmaChan, Any], bool] | None = None,
    filter_param: Any = None,
) -> DmaChan | None:
    """Allocate a channel exclusively (async-tx-api.txt 4.2).

    Devices that have all of ``mask`` are searched in the order of registration. Without a filter
    the first free channel is taken; otherwise ``filter_fn(chan, filter_param)`` is called once
    for each free channel until it returns ``DMA_ACK``. All channels of a device are public or
    all are private: taking one makes its device ``DMA_PRIVATE``, for good. While a client holds
    dmaengine, no channel of a public device is free.

    Returns:
        The channel, which is the caller's until ``dma_release_channel``, or None.
    """
    registry = machine.dmaengine
    for device in registry.devices:
        if not device.cap_mask.issuperset(mask):
            continue
        free = [chan for chan in device.channels if chan.client_count == 0]
        for chan in free:
            if filter_fn is None or filter_fn(chan, filter_param):
                device.cap_mask.add(DMA_PRIVATE)
                _dma_chan_get(registry, chan)
                return chan
    return None


def dma_release_channel(chan: DmaChan) -> None:
    """Give back a channel had from ``dma_request_channel``.

    Its device stays ``DMA_PRIVATE`` (async-tx-api.txt 4.2, first caveat).

    Raises:
        DmaengineError: The channel is not held exclusively.
    """
    if chan.client_count != 1 or DMA_PRIVATE not in chan.device.cap_mask:
        raise DmaengineError(
            f"{chan.name} was not allocated by dma_request_channel, so it can not be released"
        )
    chan.client_name = ""
    _dma_chan_put(chan)


def _check_registration(device: DmaDevice) -> None:
    if not device.channels:
        raise DmaRegistrationError(f"{type(device).__name__} has no channels")
    driver = type(device.channels[0])
    name = driver.__name__
    missing = {hook for hook in _HOOKS if getattr(driver, hook) is getattr(DmaChan, hook)}
    for hook in _MANDATORY_HOOKS:
        if hook in missing:
            raise DmaRegistrationError(f"{name} must override {hook}")
    for capability, hook in _PREP_HOOKS.items():
        if capability in device.cap_mask and hook in missing:
            raise DmaRegistrationError(
                f"{name} has the capability {CAPABILITY_NAMES[capability]} but not its hook {hook}"
            )
    if DMA_XOR in device.cap_mask and device.max_xor < 2:
        raise DmaRegistrationError(f"{name} has max_xor {device.max_xor}; xor needs at least 2")
    least = 1 if device.native_pq_continue else 4
    if DMA_PQ in device.cap_mask and device.max_pq < least:
        raise DmaRegistrationError(
            f"{name} has max_pq {device.max_pq}; continued pq needs at least {least}"
        )


def _dma_chan_get(registry: DmaRegistry, chan: DmaChan) -> None:
    """Take a reference; the first one has the driver allocate, and holds for all clients."""
    if chan.client_count:
        chan.client_count += 1
        return
    chan.alloc_chan_resources()
    chan.client_count = 1 if DMA_PRIVATE in chan.device.cap_mask else registry.ref_count


def _dma_chan_put(chan: DmaChan) -> None:
    if chan.client_count:
        chan.client_count -= 1
        if chan.client_count == 0:
            chan.free_chan_resources()


def _rebalance(registry: DmaRegistry) -> None:
    """Fill the channel table anew, capability by capability and CPU by CPU.

    A single CPU uses the eligible channel that fills the fewest cells. Of several the n-th cell
    gets the n-th eligible channel, as in Linux 2.6.35: cells are numbered through, also those of
    capabilities that no channel has. Beyond the last channel it is the least used one again.
    """
    for table in registry.cpu_tables:
        table[:] = [None] * DMA_TX_TYPE_END
    public = [device for device in registry.devices if DMA_PRIVATE not in device.cap_mask]
    for device in public:
        for chan in device.channels:
            chan.table_count = 0
    one_cpu = len(registry.cpu_tables) == 1
    cells = itertools.product(_TABLE_CAPABILITIES, registry.cpu_tables)
    for number, (capability, table) in enumerate(cells):
        eligible = [
            chan
            for device in public
            if capability in device.cap_mask
            for chan in device.channels
            if chan.client_count
        ]
        if eligible:
            if one_cpu or number >= len(eligible):
                chosen = min(eligible, key=lambda chan: chan.table_count)
            else:
                chosen = eligible[number]
            chosen.table_count += 1
            table[capability] = chosen
