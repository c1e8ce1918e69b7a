"""The chains of ``raid_run_ops``: their order, sources, flags and ends, as raid5.c has them."""

from itertools import pairwise

import numpy as np
import pytest
from md_rig import Rig

from raidsim import Machine
from raidsim.async_tx import (
    ASYNC_TX_ACK,
    ASYNC_TX_FENCE,
    ASYNC_TX_PQ_XOR_DST,
    ASYNC_TX_XOR_DROP_DST,
    ASYNC_TX_XOR_ZERO_DST,
)
from raidsim.md.layout import Geometry, parse_layout
from raidsim.md.raid5 import ops
from raidsim.md.raid5.conf import DISABLE_RMW
from raidsim.md.raid5.row_plan import RowPlan

ACK, FENCE = ASYNC_TX_ACK, ASYNC_TX_FENCE
DROP, ZERO, PQ_XOR = ASYNC_TX_XOR_DROP_DST, ASYNC_TX_XOR_ZERO_DST, ASYNC_TX_PQ_XOR_DST
SUBMIT_AT = {
    "async_memcpy": 5,
    "async_xor": 5,
    "async_xor_val": 6,
    "async_gen_syndrome": 4,
    "async_syndrome_val": 6,
    "async_raid6_datap_recov": 4,
    "async_raid6_2data_recov": 5,
    "async_trigger_callback": 0,
}


class Watch:
    """Notes every operation the stripes ask for: name, flags, callback, and members involved."""

    def __init__(self, rig, monkeypatch):
        self.rig = rig
        self.calls = []
        for name, position in SUBMIT_AT.items():
            if hasattr(ops, name):
                monkeypatch.setattr(ops, name, self._wrap(name, getattr(ops, name), position))

    def _wrap(self, name, function, position):
        def watched(*arguments):
            submit = arguments[position]
            callback = submit.cb_fn.__name__.removeprefix("ops_complete_") if submit.cb_fn else ""
            self.calls.append((name.removeprefix("async_"), submit.flags, callback, arguments))
            return function(*arguments)

        return watched

    def member(self, page):
        """The member in whose buffer a page lies; None for a bio's."""
        if page is None:
            return None
        for member, arena in enumerate(self.rig.mddev.personality.conf.cache.pool.arenas):
            if np.shares_memory(page, arena):
                return member
        return None

    @property
    def chain(self):
        return [call[:3] for call in self.calls]

    def of(self, name):
        return next(call[3] for call in self.calls if call[0] == name)


@pytest.fixture
def watch(monkeypatch):
    def start(rig):
        rig.settle()
        return Watch(rig, monkeypatch)

    return start


def test_read_modify_write_of_raid5(watch):
    rig = Rig(5, 8)
    watcher = watch(rig)
    rig.write(0, 8)
    assert watcher.chain == [
        ("xor", FENCE | DROP, ""),
        ("memcpy", FENCE, ""),
        ("xor", ACK | DROP, "reconstruct"),
    ]
    row = rig.geometry.row(0)
    dest, sources, *_ = watcher.of("xor")
    members = [watcher.member(page) for page in sources]
    assert watcher.member(dest) == row.pd_idx
    assert members == [row.pd_idx, row.data_disks[0]]  # P drops out, so it comes first


def test_reconstruct_write_of_raid5(watch):
    rig = Rig(5, 5)
    watcher = watch(rig)
    rig.write(0, 512)
    assert watcher.chain[-1] == ("xor", ACK | ZERO, "reconstruct")
    assert set(watcher.chain[:-1]) == {("memcpy", FENCE, "")}
    assert len(watcher.chain) == 5
    _, sources, *_ = watcher.of("xor")
    members = [watcher.member(page) for page in sources]
    assert members == sorted(rig.geometry.row(0).data_disks, reverse=True)


def test_read_modify_write_of_raid6(watch):
    rig = Rig(6, 8)
    watcher = watch(rig)
    rig.write(0, 8)
    assert watcher.chain == [
        ("gen_syndrome", FENCE | PQ_XOR, ""),
        ("memcpy", FENCE, ""),
        ("gen_syndrome", ACK | PQ_XOR, "reconstruct"),
    ]
    blocks = watcher.of("gen_syndrome")[0]
    row = rig.geometry.row(0)
    slot = row.slot_of[row.data_disks[0]]
    expected = [None] * 8
    expected[slot] = row.data_disks[0]
    expected[6:] = [row.pd_idx, row.qd_idx]
    assert [watcher.member(block) for block in blocks] == expected


def test_reconstruct_write_of_raid6(watch):
    rig = Rig(6, 5)
    watcher = watch(rig)
    rig.write(0, 384)
    assert watcher.chain == [("memcpy", FENCE, "")] * 3 + [("gen_syndrome", ACK, "reconstruct")]
    row = rig.geometry.row(0)
    blocks = watcher.of("gen_syndrome")[0]
    assert [watcher.member(block) for block in blocks] == [
        *row.syndrome_slots,
        row.pd_idx,
        row.qd_idx,
    ]


def test_with_two_members_parity_is_a_copy(watch):
    rig = Rig(5, 2)
    watcher = watch(rig)
    rig.write(0, 8)
    assert watcher.chain == [("memcpy", FENCE, ""), ("memcpy", ACK, "reconstruct")]


def test_check_of_p(watch):
    rig = Rig(5, 5, rows=1, chunk_kib=4)
    watcher = watch(rig)
    rig.sync("check")
    assert watcher.chain == [("xor_val", 0, ""), ("trigger_callback", ACK, "check")]
    row = rig.geometry.row(0)
    members = [watcher.member(page) for page in watcher.of("xor_val")[1]]
    assert members == [row.pd_idx, *sorted(row.data_disks, reverse=True)]


def test_check_of_p_and_q(watch):
    rig = Rig(6, 5, rows=1, chunk_kib=4)
    watcher = watch(rig)
    rig.sync("check")
    assert watcher.chain == [("syndrome_val", ACK, "check")]
    assert watcher.of("syndrome_val")[0][-2] is not None


def test_check_with_q_gone_is_of_p(watch):
    rig = Rig(6, 5, rows=1, chunk_kib=4)
    rig.fail(rig.geometry.row(0).qd_idx)
    watcher = watch(rig)
    rig.sync("check")
    assert watcher.chain == [
        ("gen_syndrome", FENCE, "compute"),
        ("xor_val", 0, ""),
        ("trigger_callback", ACK, "check"),
        ("xor", FENCE | ZERO, "compute"),  # P once more: the check may have used it up
    ]


@pytest.mark.parametrize("lost", ["data", "p"])
def test_check_with_data_or_p_gone_is_of_q(watch, lost):
    rig = Rig(6, 5, rows=1, chunk_kib=4)
    row = rig.geometry.row(0)
    rig.fail(row.pd_idx if lost == "p" else row.data_disks[0])
    watcher = watch(rig)
    rig.sync("check")
    assert watcher.chain == [
        ("xor", FENCE | ZERO, "compute"),
        ("syndrome_val", ACK, "check"),
    ]
    assert watcher.of("syndrome_val")[0][-2] is None


def test_a_read_of_what_is_lost_is_one_xor_and_the_copies_out(watch):
    rig = Rig(5, 5)
    rig.fail(rig.geometry.row(0).data_disks[0])
    watcher = watch(rig)
    assert rig.reads_right(0, 8)
    assert watcher.chain == [
        ("xor", FENCE | ZERO, "compute"),
        ("memcpy", 0, ""),
        ("trigger_callback", ACK, "biofill"),
    ]


@pytest.mark.parametrize(
    ("lost", "chain"),
    [
        ("dd", [("raid6_2data_recov", FENCE, "compute")]),
        ("dp", [("raid6_datap_recov", FENCE, "compute")]),
        ("dq", [("xor", FENCE | ZERO, ""), ("gen_syndrome", FENCE, "compute")]),
        ("pq", [("gen_syndrome", FENCE, "compute")]),
    ],
)
def test_two_members_are_computed_as_their_kind_asks(watch, lost, chain):
    rig = Rig(6, 6, rows=1, chunk_kib=4, spares=2)
    row = rig.geometry.row(0)
    data = iter(row.data_disks[1:])
    for kind in lost:
        rig.fail({"p": row.pd_idx, "q": row.qd_idx}.get(kind) if kind != "d" else next(data))
    watcher = watch(rig)
    rig.rebuild()
    assert [call for call in watcher.chain if call[0] != "memcpy"] == chain
    if lost == "dq":
        assert all(
            block is not None for block in watcher.of("gen_syndrome")[0]
        )  # P is regenerated as well
    if lost == "dd":
        lower, higher = watcher.of("raid6_2data_recov")[2:4]
        assert lower < higher
        assert {lower, higher} == {row.slot_of[row.data_disks[1]], row.slot_of[row.data_disks[2]]}


def test_a_repair_computes_only_the_parity_that_is_wrong(watch):
    rig = Rig(6, 5, rows=1, chunk_kib=4)
    row = rig.geometry.row(0)
    rig.unit(row.qd_idx, 0)[:] ^= 1
    watcher = watch(rig)
    rig.sync("repair")
    assert watcher.chain == [("syndrome_val", ACK, "check"), ("gen_syndrome", FENCE, "compute")]
    assert watcher.of("gen_syndrome")[0][-2] is None
    assert rig.touched("write") == {row.qd_idx: 1}


def test_copies_of_one_bio_are_chained_each_on_the_one_before(monkeypatch):
    rig = Rig(5, 4, machine=Machine(engines=["iop13xx"], timed=True))
    rig.settle()
    seen = []
    memcpy = ops.async_memcpy

    def watched(*arguments):
        depend = arguments[5].depend_tx
        tx = memcpy(*arguments)
        seen.append((depend, tx))
        return tx

    monkeypatch.setattr(ops, "async_memcpy", watched)
    rig.write(0, 384)
    assert len(seen) == 3
    assert seen[0][0] is None
    assert all(later[0] is earlier[1] for earlier, later in pairwise(seen))


def test_all_work_is_offloaded_where_an_engine_can_do_it():
    rig = Rig(5, 5, machine=Machine(engines=["iop13xx"], timed=True))
    kinds = set()
    rig.machine.sim.hook.subscribe(lambda _, event: kinds.add(type(event).__name__))
    rig.mddev.personality.conf.rmw_level = DISABLE_RMW
    rig.write(0, 512)
    rig.sync("check")
    assert "Submitted" in kinds
    assert not rig.wrong_parity()


@pytest.mark.parametrize("kernel", ["numpy", "isal"])
def test_what_one_stripe_computes_is_not_worked_out_again_for_those_alike(kernel, monkeypatch):
    rig = Rig(6, 6, machine=Machine(kernel=kernel))
    rig.settle()
    called = []
    arithmetic = rig.machine.raid6
    for name in ("_prepare", "_look_at"):
        original = getattr(arithmetic, name)
        monkeypatch.setattr(
            arithmetic,
            name,
            lambda *args, name=name, original=original: (called.append(name), original(*args))[1],
        )
    rig.write(0, 8)
    assert set(called) == {"_look_at", "_prepare"}
    called.clear()
    rig.write(0, 8, seed=8)
    assert not called
    rig.write(8, 8)
    assert set(called) == {"_look_at"}


def test_blocks_of_any_set_of_members_are_found_without_keeping_them_all():
    plan = RowPlan(Geometry(6, parse_layout(6, "default"), 16, 128).row(0))
    pages = [*range(16), None]
    for mask in range(3000):
        *data, p, q = plan.syndrome_blocks(pages, mask)
        wanted = [slot if mask >> slot & 1 else None for slot in plan.row.syndrome_slots]
        assert (data, p, q) == (wanted, plan.pd_idx, plan.qd_idx)
    assert len(plan._pickers) <= 1024
