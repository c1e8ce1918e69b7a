"""Why md does what it does, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.dmaengine import DMA_MEMCPY, DMA_PQ, DMA_XOR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raidsim.dmaengine import DmaDevice
    from raidsim.explain.explanation import Costs
    from raidsim.machine import Machine

# What an operation asks of a channel; recoveries of RAID6 are made of pq.
_CAPABILITIES = {
    "memcpy": DMA_MEMCPY,
    "xor": DMA_XOR,
    "pq": DMA_PQ,
    "datap": DMA_PQ,
    "2data": DMA_PQ,
}


def why_software(machine: Machine, operation: str, length: int, chains: Iterable[str]) -> str:
    """Say why no engine carries an operation out (the conditions of async_tx), "" if none is there.

    Args:
        machine: has the channels.
        operation: what was to be done.
        length: bytes of one block.
        chains: the ops_run_* of which it is part.
    """
    if not machine.dmaengine.devices:
        return ""
    chan = machine.dmaengine.channel_table[_CAPABILITIES[operation]]
    if chan is None:
        return f"no channel does {operation}"
    if operation == "pq" and "prexor6" in chains:
        return "engines cannot xor into P and Q as they are (ASYNC_TX_PQ_XOR_DST)"
    device = chan.device
    align = _align(device, operation)
    if length & (align - 1):
        return f"{chan.name} wants multiples of {align} bytes"
    if length > device.max_length:
        return f"{chan.name} takes at most {device.max_length} bytes"
    if length < device.min_length:
        return f"{chan.name} takes no less than {device.min_length} bytes"
    return f"{chan.name} had no descriptor left, or its blocks have to lie otherwise"


def _align(device: DmaDevice, operation: str) -> int:
    if operation == "memcpy":
        return device.copy_align
    return device.xor_align if operation == "xor" else device.pq_align


def why_this_way(costs: Costs, rmw_level: int) -> str:
    """Say why a write was carried out as it was (handle_stripe_dirtying)."""
    if costs.chosen == "rcw" and not costs.rcw_reads:
        return "all data of the stripe are at hand, so nothing has to be read"
    if costs.rmw_refused == "rmw_level":
        return "rmw_level is 0, so md never builds on the old parity"
    if costs.rmw_refused == "resync":
        return "a resync has not been here yet, so the old parity may be wrong"
    if costs.rmw == costs.rcw:
        preferred = "read-modify-write" if rmw_level == 2 else "reconstruct-write"
        return f"both cost the same, and with rmw_level {rmw_level} md prefers {preferred}"
    cheaper = "rmw" if costs.rmw < costs.rcw else "rcw"
    if cheaper == costs.chosen:
        return "it is the cheaper way"
    return "what failed was computed first, and then it was the cheaper way"
