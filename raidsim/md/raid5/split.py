"""Splitting a tall stripe head whose units are no longer alike.

A read error or a mismatch concerns some unit of the head. What the head was about to do is then
begun again by one head for each unit, over the same buffers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.raid5.stripe_head import (
    CHECK_IDLE,
    RECONSTRUCT_IDLE,
    STRIPE_HANDLE,
    STRIPE_PREREAD_ACTIVE,
    STRIPE_SPLIT,
    UNIT_BYTES,
)

if TYPE_CHECKING:
    from raidsim.md.raid5.conf import R5Conf
    from raidsim.md.raid5.stripe_head import Segment, StripeHead


def split_stripe(conf: R5Conf, sh: StripeHead) -> None:
    """Hand the state, the data and the waiting bios of ``sh`` over to heads of one unit each.

    Nothing of ``sh`` is in flight. The caller's reference to it ends here with the head.
    """
    assert sh.check_state == CHECK_IDLE
    assert sh.reconstruct_state == RECONSTRUCT_IDLE
    assert not sh.written
    children = conf.cache.split(sh, sh.plan)
    if sh.state & STRIPE_PREREAD_ACTIVE:
        conf.cache.preread_active_stripes += len(children) - 1
    for child in children:
        child.state = sh.state & ~STRIPE_SPLIT | STRIPE_HANDLE
        child.uptodate = sh.uptodate
    _deal_out(sh.toread, children)
    _deal_out(sh.towrite, children, written=True)
    for child in children:
        conf.cache.release_stripe(child)


def _deal_out(
    waiting: dict[int, list[Segment]], children: list[StripeHead], *, written: bool = False
) -> None:
    """Cut the segments at the unit boundaries."""
    for member, segments in waiting.items():
        for bio, page_offset, bio_offset, length in segments:
            bio.remaining -= 1
            done = 0
            while done < length:
                index, offset = divmod(page_offset + done, UNIT_BYTES)
                part = min(length - done, UNIT_BYTES - offset)
                segment = (bio, offset, bio_offset + done, part)
                if written:
                    children[index].add_write(member, segment)
                else:
                    children[index].add_read(member, segment)
                done += part
