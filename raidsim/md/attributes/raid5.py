"""Attributes of the raid4/5/6 personality (Linux drivers/md/raid5.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.attributes.attribute import Attribute, AttributeRefusedError, parse_unsigned
from raidsim.md.raid5.conf import PREFER_RMW
from raidsim.md.raid5.stripe_head import UNIT_BYTES

if TYPE_CHECKING:
    from raidsim.md.mddev import Mddev

_MIN_STRIPES, _MAX_STRIPES = 17, 32768


def _store_bypass_threshold(mddev: Mddev, text: str) -> None:
    conf = mddev.personality.conf
    threshold = parse_unsigned(text)
    if threshold > conf.stripe_cache_size:
        raise ValueError(text)
    conf.cache.bypass_threshold = threshold


def _store_rmw_level(mddev: Mddev, text: str) -> None:
    mddev.personality.conf.rmw_level = parse_unsigned(text, PREFER_RMW)


def _store_stripe_cache_size(mddev: Mddev, text: str) -> None:
    conf = mddev.personality.conf
    size = parse_unsigned(text, _MAX_STRIPES)
    if size < _MIN_STRIPES:
        raise ValueError(text)
    if conf.cache.active_stripes:
        raise AttributeRefusedError("cannot be changed while stripes are in use")
    conf.stripe_cache_size = size


ATTRIBUTES = (
    Attribute(
        name="preread_bypass_threshold",
        show=lambda mddev: str(mddev.personality.conf.cache.bypass_threshold),
        store=_store_bypass_threshold,
        takes="a number from 0 to stripe_cache_size",
    ),
    Attribute(
        name="rmw_level",
        show=lambda mddev: str(mddev.personality.conf.rmw_level),
        store=_store_rmw_level,
        takes="0, 1 or 2",
    ),
    Attribute(
        name="stripe_cache_active",
        show=lambda mddev: str(mddev.personality.conf.cache.active_stripes),
    ),
    Attribute(
        name="stripe_cache_size",
        show=lambda mddev: str(mddev.personality.conf.stripe_cache_size),
        store=_store_stripe_cache_size,
        takes=f"units of 4 KiB of each member, from {_MIN_STRIPES} to {_MAX_STRIPES}",
    ),
    Attribute(name="stripe_size", show=lambda _: str(UNIT_BYTES)),
)
