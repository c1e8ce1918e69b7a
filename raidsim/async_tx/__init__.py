"""The async_tx API (crypto/async_tx): chains of copies, xors and syndromes, offloaded or not.

Every ``async_<operation>`` returns the descriptor of what it queued on an offload engine, or None
when it carried the operation out in software and called back.
"""

from raidsim.async_tx.errors import (
    AsyncTxError,
    DependencyError,
    DescriptorExhaustedError,
    OperationError,
    QuiesceError,
    SubmissionContextError,
)
from raidsim.async_tx.memcpy import async_memcpy
from raidsim.async_tx.memset import async_memset
from raidsim.async_tx.pq import async_gen_syndrome, async_syndrome_val
from raidsim.async_tx.raid6_recov import async_raid6_2data_recov, async_raid6_datap_recov
from raidsim.async_tx.submit import (
    ASYNC_TX_ACK,
    ASYNC_TX_FENCE,
    ASYNC_TX_PQ_XOR_DST,
    ASYNC_TX_XOR_DROP_DST,
    ASYNC_TX_XOR_ZERO_DST,
    AsyncSubmitCtl,
    async_trigger_callback,
    async_tx_ack,
    async_tx_issue_pending_all,
    init_async_submit,
)
from raidsim.async_tx.xor import async_xor, async_xor_val
from raidsim.dmaengine import (
    SUM_CHECK_P_RESULT,
    SUM_CHECK_Q_RESULT,
    SumCheck,
)

# The document's names of the two.
async_pq = async_gen_syndrome
async_pq_val = async_syndrome_val

__all__ = [
    "ASYNC_TX_ACK",
    "ASYNC_TX_FENCE",
    "ASYNC_TX_PQ_XOR_DST",
    "ASYNC_TX_XOR_DROP_DST",
    "ASYNC_TX_XOR_ZERO_DST",
    "SUM_CHECK_P_RESULT",
    "SUM_CHECK_Q_RESULT",
    "AsyncSubmitCtl",
    "AsyncTxError",
    "DependencyError",
    "DescriptorExhaustedError",
    "OperationError",
    "QuiesceError",
    "SubmissionContextError",
    "SumCheck",
    "async_gen_syndrome",
    "async_memcpy",
    "async_memset",
    "async_pq",
    "async_pq_val",
    "async_raid6_2data_recov",
    "async_raid6_datap_recov",
    "async_syndrome_val",
    "async_trigger_callback",
    "async_tx_ack",
    "async_tx_issue_pending_all",
    "async_xor",
    "async_xor_val",
    "init_async_submit",
]
