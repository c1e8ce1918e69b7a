"""What commands have in common on their command lines."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_SHIFTS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
# A file's offsets have 63 bits.
_END_BYTES = 1 << 63


class Size(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions of click only
    """A number of bytes, with K, M, G or T for powers of 1024.

    Args:
        multiple: what it has to be a multiple of, in bytes.
    """

    name = "size"

    def __init__(self, multiple: int = 1) -> None:
        self.multiple = multiple

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of bytes that ``value`` means."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([0-9]+)([KMGT]?)", str(value), re.ASCII | re.IGNORECASE)
        if match is None:
            self.fail(
                f"{value!r} is not a size; write a number, with K, M, G or T behind it if need be",
                param,
                ctx,
            )
        size = int(match[1]) << _SHIFTS[match[2].upper()]
        if size % self.multiple:
            self.fail(f"{value!r} is not a multiple of {self.multiple} bytes", param, ctx)
        if size >= _END_BYTES:
            self.fail(f"{value!r} is too large; sizes end at {_END_BYTES >> 40}T", param, ctx)
        return size


class Seconds(click.FloatRange):
    """A length of time within a range, which has an upper end."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds; what is no number is within no range."""
        seconds = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is no length of time", param, ctx)
        return seconds


SECTOR_BYTES = 512

array_argument = click.argument("array", metavar="ARRAY")
disk_argument = click.argument("disk", metavar="DISK")

engines_option = click.option(
    "--engine", "engines", metavar="PROFILE", multiple=True, help="An offload engine; repeatable."
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

Form = Literal["json", "export", "brief"]


def form_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add ``form``: what else than mdadm's text for people to print. The last one given counts."""
    for form, text in (
        ("brief", "Print lines of mdadm.conf."),
        ("export", "Print KEY=value lines."),
        ("json", "Print JSON."),
    ):
        function = click.option(f"--{form}", "form", flag_value=form, help=text)(function)
    return function
