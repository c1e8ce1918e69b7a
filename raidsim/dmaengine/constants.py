"""The numbers of include/linux/dmaengine.h, as plain integers: they are used on hot paths.

``DMA_ACK`` belongs to the documents: it is what a channel filter returns for "this one".
"""

# enum dma_transaction_type
(
    DMA_MEMCPY,
    DMA_XOR,
    DMA_PQ,
    DMA_XOR_VAL,
    DMA_PQ_VAL,
    DMA_MEMSET,
    DMA_INTERRUPT,
    DMA_PRIVATE,
    DMA_ASYNC_TX,
    DMA_SLAVE,
) = range(10)
DMA_TX_TYPE_END = 10

# The names that profiles, counters and messages use for them.
CAPABILITY_NAMES = (
    "memcpy",
    "xor",
    "pq",
    "xor_val",
    "pq_val",
    "memset",
    "interrupt",
    "private",
    "async_tx",
    "slave",
)

# enum dma_ctrl_flags
DMA_PREP_INTERRUPT = 1 << 0
DMA_CTRL_ACK = 1 << 1
DMA_PREP_PQ_DISABLE_P = 1 << 2
DMA_PREP_PQ_DISABLE_Q = 1 << 3
DMA_PREP_CONTINUE = 1 << 4
DMA_PREP_FENCE = 1 << 5

# enum dma_status
DMA_COMPLETE, DMA_IN_PROGRESS, DMA_PAUSED, DMA_ERROR = range(4)

# enum sum_check_flags
SUM_CHECK_P_RESULT = 1
SUM_CHECK_Q_RESULT = 2

# enum dma_data_direction, of slave transfers
DMA_TO_DEVICE, DMA_FROM_DEVICE = 1, 2

DMA_MIN_COOKIE = 1
DMA_MAX_COOKIE = (1 << 31) - 1
EBUSY = 16

DMA_ACK = True
