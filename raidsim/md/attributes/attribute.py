"""One attribute of an array or of a member, as a file of sysfs is one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raidsim.errors import RaidsimError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.md.mddev import Mddev
    from raidsim.md.rdev import Rdev

U32_MAX = (1 << 32) - 1
U64_MAX = (1 << 64) - 1


class AttributeRefusedError(RaidsimError):
    """The attribute cannot be written now, or not at all."""


class InvalidValueError(UsageError):
    """The value is not one that the attribute takes (EINVAL, ERANGE, E2BIG)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """An attribute below md/.

    Attributes:
        name: md's name for it.
        show: its value, as the kernel prints it.
        store: takes what is written to it; raises ``ValueError`` for what it does not take. None
            when it can only be read.
        takes: what may be written, in words.
    """

    name: str
    show: Callable[[Mddev], str]
    store: Callable[[Mddev, str], object] | None = None
    takes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberAttribute:
    """An attribute below md/dev-X/; as ``Attribute``, but of a member."""

    name: str
    show: Callable[[Mddev, Rdev], str]
    store: Callable[[Mddev, Rdev, str], object] | None = None
    takes: str = ""

    def of(self, rdev: Rdev) -> Attribute:
        """That of one member."""
        store = self.store
        return Attribute(
            name=self.name,
            show=lambda mddev: self.show(mddev, rdev),
            store=None if store is None else lambda mddev, text: store(mddev, rdev, text),
            takes=self.takes,
        )


def parse_unsigned(text: str, maximum: int = U64_MAX) -> int:
    """The number that ``text`` is in base 10 (kstrtoull, Linux lib/kstrtox.c).

    Raises:
        ValueError: it is none, or too large.
    """
    if not re.fullmatch(r"\+?[0-9]+", text, re.ASCII) or int(text) > maximum:
        raise ValueError(text)
    return int(text)
