"""Splitting a tall stripe head whose units are no longer alike.

A read or write error, a bad block or a mismatch concerns some unit of the head. What the head was
about to do is then begun again by one head for each unit, over the same buffers; what could not be
written as a whole is written again unit by unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.raid5.observation import tell_split
from raidsim.md.raid5.stripe_head import (
    CHECK_IDLE,
    RECONSTRUCT_IDLE,
    STRIPE_FULL_WRITE,
    STRIPE_HANDLE,
    STRIPE_PREREAD_ACTIVE,
    STRIPE_SPLIT,
    UNIT_BYTES,
    StripeHead,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.md.raid5.conf import R5Conf
    from raidsim.md.raid5.stripe_head import Segment


def split_stripe(conf: R5Conf, sh: StripeHead) -> None:
    """Hand the state, the data and the waiting bios of ``sh`` over to heads of one unit each.

    Nothing of ``sh`` is in flight. The caller's reference to it ends here with the head.
    """
    assert sh.check_state == CHECK_IDLE
    assert sh.reconstruct_state == RECONSTRUCT_IDLE
    uptodate = sh.uptodate
    if not uptodate & sh.plan.p_bit:
        # With Q at hand, P would be computed and not read: its bad unit would not be found.
        uptodate &= ~sh.plan.q_bit
    children = conf.cache.split(sh, sh.plan)
    if conf.hook.listeners:
        tell_split(conf, sh, children)
    if sh.state & STRIPE_PREREAD_ACTIVE:
        conf.cache.preread_active_stripes += len(children) - 1
    if sh.state & STRIPE_FULL_WRITE:
        conf.cache.pending_full_writes += len(children) - 1
    for child in children:
        child.state = sh.state & ~STRIPE_SPLIT | STRIPE_HANDLE
        child.uptodate = uptodate
        child.bm_seq = sh.bm_seq
        child.read_no_merge = sh.read_no_merge
        child.locked = child.wantwrite = sh.write_error
        child.wantfua = sh.wantfua
    bitmap = conf.mddev.bitmap
    writes = sh.towrite_mask.bit_count() + sh.written_mask.bit_count()
    if bitmap is not None and writes:
        bitmap.splitwrite(sh.sector, sh.sectors, writes, len(children))
    _deal_out(sh.toread, children, StripeHead.add_read)
    _deal_out(sh.towrite, children, StripeHead.add_write)
    _deal_out(sh.written, children, StripeHead.add_written)
    for child in children:
        conf.cache.release_stripe(child)


def _deal_out(
    waiting: dict[int, list[Segment]],
    children: list[StripeHead],
    add: Callable[[StripeHead, int, Segment], None],
) -> None:
    """Cut the segments at the unit boundaries."""
    for member, segments in waiting.items():
        for bio, page_offset, bio_offset, length in segments:
            bio.remaining -= 1
            done = 0
            while done < length:
                index, offset = divmod(page_offset + done, UNIT_BYTES)
                part = min(length - done, UNIT_BYTES - offset)
                add(children[index], member, (bio, offset, bio_offset + done, part))
                done += part
