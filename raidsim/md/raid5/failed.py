"""What becomes of a stripe that has lost more members than its parity can replace.

References: handle_failed_stripe and handle_failed_sync in Linux drivers/md/raid5.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.raid5.stripe_head import STRIPE_FULL_WRITE, STRIPE_SYNCING, members

if TYPE_CHECKING:
    from raidsim.md.raid5.conf import R5Conf
    from raidsim.md.raid5.state import StripeHeadState
    from raidsim.md.raid5.stripe_head import Segment, StripeHead


def handle_failed_stripe(conf: R5Conf, sh: StripeHead, s: StripeHeadState) -> None:
    """End every write in an error, and every read of a block that is gone.

    A read of a member that still works is served as ever.
    """
    for member in members(sh.read_error):
        rdev = conf.disks[member]
        if rdev is not None:
            conf.mddev.error(rdev)  # there is no bad block list to remember the block in
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
    """End the sync of a stripe that cannot be brought in sync."""
    sh.state &= ~STRIPE_SYNCING
    s.syncing = s.replacing = False
    conf.mddev.done_sync(sh.sectors, ok=not conf.mddev.sync_recover)
    conf.cache.wake_waiters(sh)


def _fail(segments: list[Segment]) -> None:
    for bio, _, _, _ in segments:
        bio.fail_part()
