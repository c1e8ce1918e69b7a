"""Hot replacement: a member's successor is filled while the member still works.

Where the replacement has got far enough it is what is read; elsewhere it is filled from the old
member, or from parity where that cannot be read. Writes go to both. References: analyse_stripe,
handle_stripe, ops_run_io and raid5_end_write_request in Linux drivers/md/raid5.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.disk import READ, WRITE, DiskRequest
from raidsim.md.raid5.stripe_head import (
    STRIPE_HANDLE,
    STRIPE_IO_STARTED,
    STRIPE_REPLACED,
)

if TYPE_CHECKING:
    from raidsim.md.raid5.conf import R5Conf
    from raidsim.md.raid5.state import StripeHeadState
    from raidsim.md.raid5.stripe_head import StripeHead
    from raidsim.md.rdev import Rdev


def replacements_at(conf: R5Conf, sh: StripeHead) -> tuple[int, int]:
    """The slots whose replacement already holds ``sh``, and those whose has yet to get it."""
    read_repl = need_replace = 0
    for bit in conf.replacing:
        if conf.read_replacement(bit.bit_length() - 1, sh.sector, sh.sectors) is not None:
            read_repl |= bit
        else:
            need_replace |= bit
    return read_repl, need_replace


def write_to_replacements(sh: StripeHead, s: StripeHeadState) -> None:
    """Write what replacements lack, once it is at hand.

    A check may have used P up; then P is read again before its replacement gets it.
    """
    if s.need_replace & ~sh.uptodate:
        return
    s.want_replace = s.need_replace
    sh.locked |= s.want_replace
    sh.state |= STRIPE_REPLACED


def run_replacement_io(conf: R5Conf, sh: StripeHead, s: StripeHeadState) -> None:
    """Issue the accesses to replacements: all that is written, and reads in place of the member.

    The stripe's own requests remain for the members.
    """
    reads = s.read_repl & sh.wantread
    writes = sh.wantwrite | s.want_replace
    for bit in conf.replacing:
        if bit & reads:
            sh.wantread ^= bit
            _submit(conf, sh, bit, READ)
        elif bit & writes:
            _submit(conf, sh, bit, WRITE)


def _submit(conf: R5Conf, sh: StripeHead, bit: int, operation: int) -> None:
    member = bit.bit_length() - 1
    rdev = conf.replacements[member]
    assert rdev is not None
    sh.state |= STRIPE_IO_STARTED
    sh.count += 1
    rdev.disk.submit(
        DiskRequest(
            operation,
            sh.sector + rdev.data_offset,
            sh.slab.pages[member],
            _end_request,
            (conf, sh, rdev),
            member,
            fua=bool(operation == WRITE and sh.wantfua & bit),
        )
    )


def _end_request(request: DiskRequest) -> None:
    """Note how an access to a replacement ended; any error is its last."""
    conf, sh, rdev = request.owner
    bit = 1 << request.member
    sh.locked &= ~bit
    sh.state |= STRIPE_HANDLE
    if request.status:
        _fail(conf, sh, rdev)
    elif request.operation == READ:
        sh.uptodate |= bit
        # What the member could not give back is cured with it.
        sh.forget_read_error(bit)
    elif rdev.bad_blocks and rdev.has_bad_blocks(sh.sector, sh.sectors):
        conf.mddev.clear_bad_blocks(rdev, sh.sector, sh.sectors)
    conf.cache.release_stripe(sh)


def _fail(conf: R5Conf, sh: StripeHead, rdev: Rdev) -> None:
    if not rdev.faulty:
        conf.mddev.log.warning("%s: error on replacement (sector %d)", rdev.name, sh.sector)
        conf.mddev.error(rdev)
