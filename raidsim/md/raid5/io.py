"""The stripe's accesses to its members, and their completion.

References: ops_run_io, raid5_end_read_request and raid5_end_write_request in Linux
drivers/md/raid5.c.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from raidsim.disk import READ, WRITE
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

_log = logging.getLogger(__name__)


def ops_run_io(conf: R5Conf, sh: StripeHead) -> None:
    """Issue the reads and writes that this pass asked for, highest member first."""
    writes = sh.wantwrite
    pending = writes | sh.wantread
    sh.wantwrite = sh.wantread = 0
    requests = sh.slab.requests
    disks = conf.disks
    while pending:
        member = pending.bit_length() - 1
        bit = 1 << member
        pending ^= bit
        rdev = disks[member]
        if rdev is None:
            if writes & bit:
                sh.state |= STRIPE_DEGRADED
            sh.locked &= ~bit
            sh.state |= STRIPE_HANDLE
            continue
        request = requests[member]
        request.operation = WRITE if writes & bit else READ
        request.fua = bool(sh.wantfua & bit)
        request.sector = sh.sector + rdev.data_offset
        sh.state |= STRIPE_IO_STARTED
        sh.count += 1
        rdev.disk.submit(request)


def end_request(conf: R5Conf, request: DiskRequest) -> None:
    """Note how an access ended and give its reference back."""
    sh: StripeHead = request.owner
    member = request.member
    bit = 1 << member
    sh.locked &= ~bit
    sh.state |= STRIPE_HANDLE
    if request.operation == WRITE:
        sh.wantfua &= ~bit
        if request.status:
            _write_failed(conf, member)
    elif request.status:
        _read_failed(conf, sh, member)
    else:
        sh.uptodate |= bit
        rdev = conf.disks[member]
        if rdev is not None:
            rdev.read_errors = 0
            if sh.read_error & bit:
                _log.info("%s: read error corrected (%d sectors at %d)",
                          rdev.name, sh.sectors, sh.sector)  # fmt: skip
                rdev.corrected_errors += sh.sectors
        sh.read_error &= ~bit
        sh.rewrite &= ~bit
        sh.read_no_merge &= ~bit
    conf.cache.release_stripe(sh)


def _write_failed(conf: R5Conf, member: int) -> None:
    rdev = conf.disks[member]
    if rdev is not None:
        conf.mddev.error(rdev)  # there is no bad block list to remember the block in


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
    retry, last_resort = _judge(conf, sh, bit, rdev)
    if last_resort and rdev.in_sync and not sh.read_no_merge & bit:
        retry = True
    if not retry:
        sh.read_error &= ~bit
        sh.rewrite &= ~bit
        conf.mddev.error(rdev)
    elif (conf.raid6 and bit == sh.plan.p_bit) or sh.read_no_merge & bit:
        sh.read_error |= bit
        sh.read_no_merge &= ~bit
    else:
        sh.read_no_merge |= bit


def _judge(conf: R5Conf, sh: StripeHead, bit: int, rdev: Rdev) -> tuple[bool, bool]:
    """Whether to go on with the member; if not, whether one more attempt is due all the same."""
    if conf.degraded >= conf.max_degraded:
        _log.warning("%s: read error not correctable (sector %d)", rdev.name, sh.sector)
        return False, True
    if sh.rewrite & bit:
        _log.warning("%s: read error NOT corrected!! (sector %d)", rdev.name, sh.sector)
        return False, True
    if rdev.read_errors > conf.cache.capacity_units:
        _log.warning("%s: too many read errors, failing device", rdev.name)
        return False, False
    return True, False
