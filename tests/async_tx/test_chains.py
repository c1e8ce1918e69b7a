"""Chains of operations: the same bytes on every engine as in software, and the same run twice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raidsim import Machine
from raidsim.async_tx import (
    ASYNC_TX_ACK,
    ASYNC_TX_FENCE,
    ASYNC_TX_XOR_DROP_DST,
    ASYNC_TX_XOR_ZERO_DST,
    AsyncSubmitCtl,
    SumCheck,
    async_gen_syndrome,
    async_memcpy,
    async_memset,
    async_raid6_2data_recov,
    async_raid6_datap_recov,
    async_syndrome_val,
    async_trigger_callback,
    async_tx_ack,
    async_tx_issue_pending_all,
    async_xor,
    async_xor_val,
    init_async_submit,
)

BLOCKS = 24
SIZE = 256


def step(choose, blocks, submit, results):
    """Submit one operation on blocks of its choosing."""
    count = choose.randrange(2, 13)
    chosen = choose.sample(blocks, count)
    kind = choose.choice(("memcpy", "memset", "xor", "drop", "xor_val", "pq", "pq_val", "recover"))
    if kind == "memcpy":
        return async_memcpy(chosen[0], chosen[1], 0, 64, SIZE - 64, submit)
    if kind == "memset":
        return async_memset(chosen[0], choose.randrange(256), 64, 128, submit)
    if kind == "xor":
        submit.flags |= ASYNC_TX_XOR_ZERO_DST
        return async_xor(chosen[0], [*chosen[1:], chosen[1]], 0, count, SIZE, submit)
    if kind == "drop":
        submit.flags |= ASYNC_TX_XOR_DROP_DST
        return async_xor(chosen[0], chosen, 0, count, SIZE, submit)
    if kind == "xor_val":
        results.append(SumCheck())
        return async_xor_val(chosen[0], chosen, 0, count, SIZE, results[-1], submit)
    data = choose.sample(blocks, choose.randrange(4, 21))
    if kind == "pq":
        return async_gen_syndrome(data, 0, len(data), SIZE, submit)
    if kind == "pq_val":
        results.append(SumCheck())
        spare = np.empty(SIZE, np.uint8)
        return async_syndrome_val(data, 0, len(data), SIZE, results[-1], spare, submit)
    if choose.random() < 0.5:
        return async_raid6_datap_recov(len(data), SIZE, 1, data, submit)
    return async_raid6_2data_recov(len(data), SIZE, 0, 1, data, submit)


def run_chains(engines, seed, *, timed=False, sanitize=False, explore=False):
    """Run random chains, each when the one before is complete.

    Returns:
        The blocks' bytes, the results of the validations, and the log of events.
    """
    machine = Machine(seed, timed=timed, engines=engines, sanitize=sanitize, explore=explore)
    log = []
    machine.sim.hook.subscribe(lambda time_ns, event: log.append((time_ns, event)))
    choose = machine.sim.random("chains")
    blocks = list(
        np.frombuffer(choose.randbytes(BLOCKS * SIZE), np.uint8).reshape(BLOCKS, SIZE).copy()
    )
    submit = AsyncSubmitCtl(machine)
    results, done = [], []
    for number in range(4):
        tx = None
        for _ in range(choose.randrange(1, 8)):
            init_async_submit(submit, ASYNC_TX_FENCE, tx, None, None, None)
            tx = step(choose, blocks, submit, results)
            if choose.random() < 0.2:
                async_tx_issue_pending_all(machine)
                machine.sim.spin()
        init_async_submit(submit, ASYNC_TX_ACK, tx, done.append, number, None)
        async_trigger_callback(submit)
        async_tx_issue_pending_all(machine)
        machine.sim.run_until(lambda expected=number: done[-1:] == [expected], "the chain's end")
    machine.sim.run()
    machine.stop()
    return np.array(blocks).tobytes(), [result.flags for result in results], log


@pytest.mark.parametrize("timed", [False, True])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_random_chains_end_in_the_same_bytes_on_every_engine(every_engine, timed, seed):
    expected = run_chains([], seed)[:2]
    for engines in every_engine.values():
        assert run_chains(engines, seed, timed=timed)[:2] == expected


@pytest.mark.parametrize("timed", [False, True])
def test_the_same_seed_gives_the_same_event_log(every_engine, timed):
    for name, engines in every_engine.items():
        if name == "threads":  # Real threads are done when they are done.
            continue
        first, second = (run_chains(engines, 5, timed=timed)[2] for _ in range(2))
        assert first == second
        assert first


BLOCKS_24 = {
    "2data": lambda blocks, submit: async_raid6_2data_recov(24, SIZE, 0, 1, blocks, submit),
    "datap": lambda blocks, submit: async_raid6_datap_recov(24, SIZE, 0, blocks, submit),
    "pq": lambda blocks, submit: async_gen_syndrome(blocks, 0, 24, SIZE, submit),
    "xor": lambda blocks, submit: async_xor(blocks[0], blocks[1:], 0, 20, SIZE, submit),
}


@pytest.mark.parametrize("operation", list(BLOCKS_24))
def test_no_acknowledgement_is_leaked_by_a_recovery_or_a_split(every_engine, operation):
    for engines in every_engine.values():
        machine = Machine(engines=engines)
        submit = AsyncSubmitCtl(machine)
        tx = BLOCKS_24[operation](list(np.zeros((24, SIZE), np.uint8)), submit)
        if tx is not None:
            async_tx_ack(tx)
        async_tx_issue_pending_all(machine)
        machine.sim.run()
        for device in machine.dmaengine.devices:
            for chan in device.channels:
                chan._recycle_acknowledged()
                assert chan.free_slots == chan._profile.ring_slots


def document_example(engines):
    """The xor -> copy -> xor of async-tx-api.txt 3.7, as it is meant."""
    machine = Machine(engines=engines)
    choose = machine.sim.random("example")
    xor_srcs, copy_src, copy_dest = (
        [np.frombuffer(choose.randbytes(4096), np.uint8).copy() for _ in range(5)],
        *(np.zeros(4096, np.uint8) for _ in range(2)),
    )
    xor_dest = xor_srcs[0]
    copy_src = xor_dest
    completion = []
    submit = AsyncSubmitCtl(machine)
    addr_conv = [None] * 5

    init_async_submit(submit, ASYNC_TX_XOR_DROP_DST, None, None, None, addr_conv)
    tx = async_xor(xor_dest, xor_srcs, 0, 5, 4096, submit)

    submit.depend_tx = tx
    tx = async_memcpy(copy_dest, copy_src, 0, 0, 4096, submit)

    init_async_submit(
        submit, ASYNC_TX_XOR_DROP_DST | ASYNC_TX_ACK, tx, completion.append, "cmp", addr_conv
    )
    tx = async_xor(xor_dest, xor_srcs, 0, 5, 4096, submit)

    async_tx_issue_pending_all(machine)
    machine.sim.run_until(lambda: completion, "the document's completion")
    return xor_dest.tobytes() + copy_dest.tobytes()


def test_the_documents_example_gives_the_same_bytes_on_every_engine(every_engine):
    expected = document_example([])
    for engines in every_engine.values():
        assert document_example(engines) == expected
