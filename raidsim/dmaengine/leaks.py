"""Acknowledgements that were forgotten (async-tx-api.txt 3.3), found when a machine stops."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from raidsim.dmaengine.errors import DmaengineError
from raidsim.sim.sanitizer import show_site

if TYPE_CHECKING:
    from raidsim.machine import Machine


class LeakedDescriptorError(DmaengineError):
    """Descriptors that have completed were never acknowledged, so no driver can recycle them."""


class LeakedDescriptor(NamedTuple):
    """A descriptor that has completed and that nobody has acknowledged.

    Attributes:
        channel: The channel it is lost to.
        operation: What it was.
        submitted_at: ``file:line in function``; known to a sanitized machine, else empty.
    """

    channel: str
    operation: str
    submitted_at: str

    def __str__(self) -> str:
        where = f", submitted at {self.submitted_at}" if self.submitted_at else ""
        return f"{self.operation} on {self.channel}{where}"


def leaked_descriptors(machine: Machine) -> list[LeakedDescriptor]:
    """Return every descriptor of ``machine`` that has completed without acknowledgement."""
    return [
        LeakedDescriptor(
            chan.name,
            tx.operation,
            "" if tx.record is None else show_site(tx.record.site),
        )
        for device in machine.dmaengine.devices
        for chan in device.channels
        for tx in chan.unacknowledged()
    ]


def check_leaks(machine: Machine) -> None:
    """Check that no acknowledgement was forgotten.

    Raises:
        LeakedDescriptorError: Some were: it names channel, operation and, on a sanitized machine,
            where each was submitted.
    """
    leaked = leaked_descriptors(machine)
    if leaked:
        names = "; ".join(map(str, leaked))
        raise LeakedDescriptorError(
            f"never acknowledged: {names}; set ASYNC_TX_ACK, depend on it or call async_tx_ack()"
            f" (async-tx-api.txt 3.3)"
        )
