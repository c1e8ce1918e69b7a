"""What all tables of a scenario file have in common, and the kinds of values they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema
from pydantic_core import PydanticCustomError

from raidsim.errors import UsageError
from raidsim.scenario.units import (
    DURATION_PATTERN,
    PERCENT_PATTERN,
    SIZE_PATTERN,
    parse_duration,
    parse_percent,
    parse_size,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Table(BaseModel):
    """A table of a scenario file: what it does not know is a mistake, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def mistake(message: str) -> PydanticCustomError:
    """A mistake that is told as it is worded."""
    return PydanticCustomError("mistake", "{message}", {"message": message})


def _telling(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Let pydantic tell what ``parse`` refuses, with the place."""

    def parse_or_tell(value: Any) -> Any:
        try:
            return parse(value)
        except UsageError as error:
            raise mistake(str(error)) from None

    return parse_or_tell


def _text(pattern: str, *examples: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^{pattern}$", "examples": list(examples)}


def _number_as_text(value: object) -> object:
    return str(value) if type(value) is int else value


_WHOLE: dict[str, Any] = {"type": "integer", "minimum": 0}

# The defaults of fields are given as Python values, which only a number's own type describes.
Size = Annotated[
    int,
    BeforeValidator(_telling(parse_size)),
    WithJsonSchema({"anyOf": [_WHOLE, _text(SIZE_PATTERN, "64KiB", "4M")]}),
]
"""Bytes: a whole number, or a text such as ``64KiB`` or ``4M``."""

Duration = Annotated[
    int,
    BeforeValidator(_telling(parse_duration)),
    WithJsonSchema(_text(DURATION_PATTERN, "3s", "20ms")),
]
"""Virtual time: a text such as ``3s`` or ``20ms``."""

Part = Annotated[
    float,
    BeforeValidator(_telling(parse_percent)),
    WithJsonSchema(_text(PERCENT_PATTERN, "50%")),
]
"""A part of a whole: a text such as ``50%``."""

DiskName = Annotated[
    str,
    BeforeValidator(_number_as_text),
    WithJsonSchema({"anyOf": [_WHOLE, {"type": "string"}]}),
]
"""A disk: the number of its slot, or the name of its image without ``.img``."""

Text = Annotated[
    str,
    BeforeValidator(_number_as_text),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
]
"""A text; a number will do."""
