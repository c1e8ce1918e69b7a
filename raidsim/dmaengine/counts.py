"""How many operations of each kind were done, and over how many bytes."""

# async-tx-api.txt 3.2, the interrupt descriptor that ends or carries over a chain, and transfers
# between a peripheral and memory.
OPERATIONS = (
    "memcpy",
    "memset",
    "xor",
    "xor_val",
    "pq",
    "pq_val",
    "datap",
    "2data",
    "interrupt",
    "slave",
)


class OperationCounts:
    """Plain counters, cheap enough to be always on.

    Attributes:
        operations: Number of operations, by name.
        length_bytes: Sum of their lengths (of one block each, not of all sources), by name.
    """

    __slots__ = ("length_bytes", "operations")

    def __init__(self) -> None:
        self.operations = dict.fromkeys(OPERATIONS, 0)
        self.length_bytes = dict.fromkeys(OPERATIONS, 0)

    def add(self, operation: str, length: int) -> None:
        """Count one operation over ``length`` bytes."""
        self.operations[operation] += 1
        self.length_bytes[operation] += length


class AsyncTxStats:
    """Where a machine's async_<operation> calls were carried out.

    An operation that is made of others (datap, 2data on an engine) counts, and so do its parts.

    Attributes:
        software: Those done in the synchronous path.
        offloaded: Those queued on an engine.
    """

    __slots__ = ("offloaded", "software")

    def __init__(self) -> None:
        self.software = OperationCounts()
        self.offloaded = OperationCounts()
