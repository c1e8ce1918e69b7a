"""The stripe's accesses to its members, and their completion.

References: ops_run_io, raid5_end_read_request and raid5_end_write_request in Linux
drivers/md/raid5.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.disk import READ, WRITE
from raidsim.md.events import ReadErrorCorrected
from raidsim.md.raid5.stripe_head import (
    STRIPE_DEGRADED,
    STRIPE_HANDLE,
    STRIPE_IO_STARTED,
    STRIPE_SPLIT,
)

if TYPE_CHECKING:
    from raidsim.disk import DiskRequest
    from raidsim.md.raid5.conf import R5Conf
    from raidsim.md.raid5.stripe_head import StripeHead
    from raidsim.md.rdev import Rdev


def ops_run_io(conf: R5Conf, sh: StripeHead) -> None:
    """Issue the reads and writes that this pass asked for, highest member first."""
    writes = sh.wantwrite
    pending = writes | sh.wantread
    sh.wantwrite = sh.wantread = 0
    skipped = _not_worth_trying(conf, sh) & writes if writes & conf.bad_blocks_mask else 0
    cpu = conf.machine.cpu
    if cpu is not None:
        cpu.submit_requests(pending.bit_count())
    unreachable = pending & ~conf.present_mask | skipped
    if unreachable:
        pending &= ~unreachable
        if unreachable & writes:
            sh.state |= STRIPE_DEGRADED
        sh.locked &= ~unreachable
        sh.state |= STRIPE_HANDLE
    if pending:
        sh.state |= STRIPE_IO_STARTED
    sh.count += pending.bit_count()
    requests = sh.slab.requests
    disks = conf.disks
    sector = sh.sector
    fua = sh.wantfua
    while pending:
        member = pending.bit_length() - 1
        bit = 1 << member
        pending ^= bit
        rdev = disks[member]
        assert rdev is not None
        request = requests[member]
        request.operation = WRITE if writes & bit else READ
        request.fua = bool(fua & bit)
        request.sector = sector + rdev.data_offset
        request.target = rdev
        rdev.disk.submit(request)


def _not_worth_trying(conf: R5Conf, sh: StripeHead) -> int:
    """The members that have a bad block here and refused a write before."""
    mask = 0
    for member, rdev in conf.bad_members(sh.sector, sh.sectors).items():
        if rdev.write_error_seen:
            mask |= 1 << member
    return mask


def end_request(conf: R5Conf, request: DiskRequest) -> None:
    """Note how an access ended and give its reference back."""
    sh: StripeHead = request.owner
    member = request.member
    bit = 1 << member
    sh.locked &= ~bit
    sh.state |= STRIPE_HANDLE
    if request.status and conf.disks[member] is not request.target:
        _former_member_failed(sh, request)
    elif request.operation == WRITE:
        if request.status:
            _write_failed(conf, sh, member)
        else:
            sh.wantfua &= ~bit
            if conf.bad_blocks_mask & bit:
                _write_over_bad_block(conf, sh, member)
    elif request.status:
        _read_failed(conf, sh, member)
    else:
        sh.uptodate |= bit
        rdev = conf.disks[member]
        if rdev is not None:
            rdev.read_errors = 0
        if (sh.read_error | sh.rewrite | sh.read_no_merge) & bit:
            _read_at_last(conf, sh, member)
    conf.cache.release_stripe(sh)


def _read_at_last(conf: R5Conf, sh: StripeHead, member: int) -> None:
    """A block could be read that could not before."""
    bit = 1 << member
    rdev = conf.disks[member]
    if rdev is not None and sh.read_error & bit:
        sector = sh.sector + rdev.data_offset
        conf.mddev.log.info(
            "read error corrected (%d sectors at %d on %s)", sh.sectors, sector, rdev.name
        )
        rdev.corrected_errors += sh.sectors
        conf.hook.tell(ReadErrorCorrected(rdev.name, sh.sector, sh.sectors))
    sh.forget_read_error(bit)


def _former_member_failed(sh: StripeHead, request: DiskRequest) -> None:
    """Blame nobody: the member had failed, and its slot was given on while this was under way.

    In md a slot is not given on before all that is under way to its member has ended.
    """
    bit = 1 << request.member
    if request.operation == WRITE:
        sh.wantfua &= ~bit
        sh.state |= STRIPE_DEGRADED
    else:
        sh.uptodate &= ~bit


def _write_failed(conf: R5Conf, sh: StripeHead, member: int) -> None:
    """Let the stripe take down a bad block, once it is known which of its units it is."""
    bit = 1 << member
    sh.write_error |= bit
    if sh.units > 1:
        sh.state |= STRIPE_SPLIT
        return
    sh.wantfua &= ~bit
    sh.state |= STRIPE_DEGRADED
    rdev = conf.disks[member]
    if rdev is not None:
        rdev.write_error_seen = rdev.want_replacement = True


def _write_over_bad_block(conf: R5Conf, sh: StripeHead, member: int) -> None:
    bit = 1 << member
    rdev = conf.disks[member]
    if rdev is not None and rdev.has_bad_blocks(sh.sector, sh.sectors):
        sh.made_good |= bit
        if sh.read_error & bit:
            sh.rewrite |= bit  # it is as good as rewritten, and will be read back


def _read_failed(conf: R5Conf, sh: StripeHead, member: int) -> None:
    """Retry, then let the stripe compute and rewrite the block, unless that is hopeless.

    The retry alone (``R5_ReadNoMerge``) is skipped for P of RAID6.
    """
    bit = 1 << member
    sh.uptodate &= ~bit
    rdev = conf.disks[member]
    if rdev is None:
        return
    if sh.units > 1:
        sh.state |= STRIPE_SPLIT  # which of the units it is will show when each is read alone
        return
    rdev.read_errors += 1
    retry, set_bad = _judge(conf, sh, bit, rdev)
    set_bad = set_bad and rdev.in_sync
    if set_bad and not sh.read_no_merge & bit:
        retry = True
    if not retry:
        sh.read_error &= ~bit
        sh.rewrite &= ~bit
        if not (set_bad and conf.mddev.set_bad_blocks(rdev, sh.sector, sh.sectors)):
            conf.mddev.error(rdev)
    elif (conf.raid6 and bit == sh.plan.p_bit) or sh.read_no_merge & bit:
        sh.read_error |= bit
        sh.read_no_merge &= ~bit
    else:
        sh.read_no_merge |= bit


def _judge(conf: R5Conf, sh: StripeHead, bit: int, rdev: Rdev) -> tuple[bool, bool]:
    """Whether to read or rewrite the block again; if not, whether it is bad, or the member is."""
    sector = sh.sector + rdev.data_offset
    if conf.degraded >= conf.max_degraded:
        conf.mddev.log.warning("read error not correctable (sector %d on %s)", sector, rdev.name)
        return False, True
    if sh.rewrite & bit:
        conf.mddev.log.warning("read error NOT corrected!! (sector %d on %s)", sector, rdev.name)
        return False, True
    if rdev.read_errors > conf.cache.capacity_units:
        conf.mddev.log.warning("Too many read errors, failing device %s", rdev.name)
        return False, False
    return True, False
