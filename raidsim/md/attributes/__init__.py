"""The files of /sys/block/md0/md by name, with md's values, units, ranges and errors.

Each module of this package is a group of attributes; a group is listed here once.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from raidsim.errors import UsageError
from raidsim.md.attributes import bitmap, members, raid5, shape, state, syncing
from raidsim.md.attributes.absent import ABSENT, MEMBER_ABSENT, READ_ONLY
from raidsim.md.attributes.attribute import (
    Attribute,
    AttributeRefusedError,
    InvalidValueError,
)

if TYPE_CHECKING:
    from raidsim.md.mddev import Mddev

__all__ = ["AttributeRefusedError", "InvalidValueError", "names", "show", "store"]

_GROUPS = (shape, state, syncing, raid5, bitmap)
_ARRAY: dict[str, Attribute] = {
    attribute.name: attribute for group in _GROUPS for attribute in group.ATTRIBUTES
}
_MEMBER = {attribute.name: attribute for attribute in members.ATTRIBUTES}


def names(mddev: Mddev) -> list[str]:
    """The attributes that ``mddev`` has, in alphabetical order."""
    of_members = [
        f"{directory}/{name}" for directory in members.member_directories(mddev) for name in _MEMBER
    ]
    return sorted([*_ARRAY, *of_members, *members.slot_links(mddev)])


def show(mddev: Mddev, name: str) -> str:
    """The value of an attribute as the kernel prints it, without the newline at its end.

    Raises:
        UsageError: md has no such attribute.
        AttributeRefusedError: md has it, but it means nothing here.
    """
    return _find(mddev, name).show(mddev)


def store(mddev: Mddev, name: str, value: str) -> None:
    """Write an attribute, as ``echo value > name`` does.

    Raises:
        UsageError: md has no such attribute, or it does not take that value.
        AttributeRefusedError: it cannot be written now, or not at all.
    """
    attribute = _find(mddev, name)
    if attribute.store is None:
        reason = READ_ONLY.get(attribute.name)
        raise AttributeRefusedError(f"{name}: can only be read{f'; {reason}' if reason else ''}")
    try:
        attribute.store(mddev, value)
    except ValueError:
        raise InvalidValueError(f"{name}: takes {attribute.takes}; not {value!r}") from None
    except AttributeRefusedError as error:
        raise AttributeRefusedError(f"{name}: {error}") from None


def _find(mddev: Mddev, name: str) -> Attribute:
    if name in _ARRAY:
        return _ARRAY[name]
    links = members.slot_links(mddev)
    if name in links:
        return Attribute(name=name, show=lambda _: links[name])
    directory, _, leaf = name.partition("/")
    rdev = members.member_directories(mddev).get(links.get(directory, directory))
    if rdev is not None and leaf in _MEMBER:
        return _MEMBER[leaf].of(rdev)
    reason = ABSENT.get(name) if rdev is None else MEMBER_ABSENT.get(leaf)
    if reason is not None:
        raise AttributeRefusedError(f"{name}: means nothing here: {reason}")
    near = get_close_matches(name, names(mddev), n=1)
    hint = f"; did you mean {near[0]}?" if near else "; `raidsim get ARRAY` lists them"
    raise UsageError(f"{name}: md has no such attribute{hint}")
