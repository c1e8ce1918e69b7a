"""What becomes of a stripe with bad blocks, or with more lost than its parity can replace.

References: handle_stripe, handle_failed_stripe and handle_failed_sync in Linux
drivers/md/raid5.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.raid5.stripe_head import (
    STRIPE_FULL_WRITE,
    STRIPE_HANDLE,
    STRIPE_SYNCING,
    members,
)

if TYPE_CHECKING:
    from raidsim.md.raid5.conf import R5Conf
    from raidsim.md.raid5.state import StripeHeadState
    from raidsim.md.raid5.stripe_head import Segment, StripeHead


def handle_bad_blocks(conf: R5Conf, sh: StripeHead) -> None:
    """Take down where writes failed, and where they did not after all.

    What waits for those writes goes on once the superblocks are written.
    """
    _record(conf, sh, sh.write_error)
    for member in members(sh.made_good):
        rdev = conf.disks[member]
        if rdev is not None:
            conf.mddev.clear_bad_blocks(rdev, sh.sector, sh.sectors)
    sh.write_error = sh.made_good = 0
    sh.state |= STRIPE_HANDLE


def handle_failed_stripe(conf: R5Conf, sh: StripeHead, s: StripeHeadState) -> None:
    """End every write in an error, and every read of a block that is gone.

    A read of a member that still works is served as ever.
    """
    _record(conf, sh, sh.read_error & conf.in_sync_mask)
    bitmap = conf.mddev.bitmap
    writes = sh.towrite_mask.bit_count() + sh.written_mask.bit_count()
    if bitmap is not None and writes:
        bitmap.endwrite(sh.sector, sh.sectors, writes, success=False)
    for waiting in (sh.towrite, sh.written):
        for segments in waiting.values():
            _fail(segments)
        waiting.clear()
    sh.towrite_mask = sh.written_mask = sh.overwrite = 0
    lost = sh.toread_mask & s.failed_mask & ~sh.wantfill
    for member in members(lost):
        _fail(sh.toread.pop(member))
    sh.toread_mask &= ~lost
    # Parity may still be locked in the middle of a write that is over now.
    sh.locked = 0
    if sh.state & STRIPE_FULL_WRITE:
        sh.state &= ~STRIPE_FULL_WRITE
        conf.cache.pending_full_writes -= 1
    conf.cache.wake_waiters(sh)


def handle_failed_sync(conf: R5Conf, sh: StripeHead, s: StripeHeadState) -> None:
    """End the sync of a stripe that cannot be brought in sync.

    What a recovery cannot reconstruct is a bad block of the members that are rebuilt. The recovery
    goes on, unless there is no room to take that down.
    """
    sh.state &= ~STRIPE_SYNCING
    s.syncing = s.replacing = False
    mddev = conf.mddev
    ok = True
    if mddev.sync_recover:
        for rdev in mddev.rdevs:
            if rdev.recovering and not mddev.set_bad_blocks(rdev, sh.sector, sh.sectors):
                ok = False
                mddev.recovery_disabled = True
    mddev.done_sync(sh.sectors, ok=ok)
    conf.cache.wake_waiters(sh)


def _record(conf: R5Conf, sh: StripeHead, mask: int) -> None:
    """Make the stripe's blocks on these members bad; fail a member that has no room for that."""
    mddev = conf.mddev
    for member in members(mask):
        rdev = conf.disks[member]
        if rdev is not None and not mddev.set_bad_blocks(rdev, sh.sector, sh.sectors):
            mddev.error(rdev)


def _fail(segments: list[Segment]) -> None:
    for bio, _, _, _ in segments:
        bio.fail_part()
