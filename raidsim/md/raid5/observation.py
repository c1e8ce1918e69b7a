"""Telling of stripe heads; nothing here is called while nobody listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.raid5.conf import DISABLE_RMW
from raidsim.md.raid5.events import (
    StripeAsked,
    StripeOperations,
    StripeReleased,
    StripeTaken,
    WriteCosts,
)
from raidsim.md.raid5.state import (
    STRIPE_OP_BIODRAIN,
    STRIPE_OP_BIOFILL,
    STRIPE_OP_CHECK,
    STRIPE_OP_COMPUTE_BLK,
    STRIPE_OP_PREXOR,
    STRIPE_OP_RECONSTRUCT,
)
from raidsim.md.raid5.stripe_head import (
    CHECK_RUN,
    CHECK_RUN_Q,
    STRIPE_HANDLE,
    STRIPE_SYNC_REQUESTED,
    members,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raidsim.md.raid5.conf import R5Conf
    from raidsim.md.raid5.state import StripeHeadState
    from raidsim.md.raid5.stripe_head import StripeHead


def number_of(conf: R5Conf, sh: StripeHead) -> int:
    """Return the stripe's number; one that has none yet is told of, and gets one."""
    if sh.number < conf.hook.first_number:
        sh.number = conf.hook.next_number()
        row = sh.sector // conf.chunk_sectors
        conf.hook.emit(StripeTaken(sh.number, sh.slab.start, sh.sector, sh.units, row))
    return sh.number


def tell_asked(
    conf: R5Conf,
    sh: StripeHead,
    origin: int,
    purpose: str,
    parts: Sequence[tuple[int, int, int, int]] = (),
) -> None:
    """Tell that a stripe is given something to do, by what has the number ``origin``."""
    places = tuple((member, first, length) for member, first, _, length in parts)
    conf.hook.emit(StripeAsked(number_of(conf, sh), origin, purpose, places))


def tell_split(conf: R5Conf, sh: StripeHead, children: Sequence[StripeHead]) -> None:
    """Tell that a stripe goes on as several."""
    parent = number_of(conf, sh)
    _release(conf, sh)
    for child in children:
        tell_asked(conf, child, parent, "split")


def tell_if_idle(conf: R5Conf, sh: StripeHead) -> None:
    """Tell if a stripe has nothing more to do, before its last reference is given back."""
    if sh.count == 1 and not sh.state & (STRIPE_HANDLE | STRIPE_SYNC_REQUESTED):
        _release(conf, sh)


def _release(conf: R5Conf, sh: StripeHead) -> None:
    conf.hook.emit(StripeReleased(sh.number))
    sh.number = 0


def tell_costs(
    conf: R5Conf, sh: StripeHead, costs: tuple[int, int], needs: tuple[int, int]
) -> None:
    """Tell what read-modify-write and reconstruct-write cost, and the members that they lack."""
    refused = ""
    if conf.rmw_level == DISABLE_RMW:
        refused = "rmw_level"
    elif sh.sector >= conf.mddev.recovery_cp:
        refused = "resync"
    rmw_reads, rcw_reads = (tuple(sorted(members(mask))) for mask in needs)
    conf.hook.emit(WriteCosts(number_of(conf, sh), *costs, rmw_reads, rcw_reads, refused))


def tell_operations(conf: R5Conf, sh: StripeHead, s: StripeHeadState) -> None:
    """Tell which chains ``raid_run_ops`` is about to issue."""
    request = s.ops_request
    parity = sh.plan.parity_mask
    digit = "6" if conf.raid6 else "5"
    compute = "compute5" if not conf.raid6 else f"compute6_{1 + (sh.target2 >= 0)}"
    check = {CHECK_RUN: "check_p", CHECK_RUN_Q: "check_q"}.get(sh.check_state, "check_pq")
    checked = {"check_p": sh.plan.p_bit, "check_q": sh.plan.q_bit}.get(check, parity)
    operations = tuple(
        (name, tuple(sorted(members(mask))))
        for operation, name, mask in (
            (STRIPE_OP_BIOFILL, "biofill", sh.wantfill),
            (STRIPE_OP_COMPUTE_BLK, compute, sh.wantcompute),
            (STRIPE_OP_PREXOR, f"prexor{digit}", parity),
            (STRIPE_OP_BIODRAIN, "biodrain", sh.wantdrain),
            (STRIPE_OP_RECONSTRUCT, f"reconstruct{digit}", parity),
            (STRIPE_OP_CHECK, check, checked),
        )
        if request & operation
    )
    conf.hook.emit(StripeOperations(number_of(conf, sh), operations))
