"""Plain tables, as TOML and JSON give them, made into dataclasses; all mistakes are told at once.

The types of the fields say what a table may hold; ranges and what else must be right is the
class's own to check, in its ``__post_init__``.
"""

from __future__ import annotations

import types
from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from raidsim.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

T = TypeVar("T")

_PLAIN = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
}


class TableError(UsageError):
    """A table makes no sense.

    Attributes:
        mistakes: All that is wrong with it, each with its place.
    """

    def __init__(self, name: str, mistakes: Iterable[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__(f"{name}: {'; '.join(self.mistakes)}")


def from_table(cls: type[T], table: Mapping[str, Any], name: str) -> T:
    """Return an instance of the dataclass ``cls`` with the values of ``table``.

    A class with a ``from_plain`` makes its instances itself, from one plain value.

    Args:
        cls: The dataclass; its fields that are not of ``__init__`` are not for tables.
        table: A mapping of plain values.
        name: What the table is called in messages.

    Raises:
        TableError: Keys are unknown or missing, values are of the wrong kind, or the class refuses
            them.
    """
    mistakes: list[str] = []
    made = _dataclass(cls, table, "", mistakes)
    if mistakes:
        raise TableError(name, mistakes)
    assert isinstance(made, cls)
    return made


def suggest(word: object, known: Iterable[str]) -> str:
    """Say which of the ``known`` words ``word`` may have been meant to be."""
    from difflib import get_close_matches  # noqa: PLC0415  only a mistake needs it

    known = sorted(known)
    close = get_close_matches(str(word), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(known)}"


def _dataclass(cls: type, table: Any, place: str, mistakes: list[str]) -> Any:
    if not hasattr(table, "items"):
        mistakes.append(f"{place or 'it'} = {table!r}: expected a table")
        return None
    known = {entry.name: entry for entry in fields(cls) if entry.init}
    hints = get_type_hints(cls)
    within = f"{place}." if place else ""
    values = {}
    for key, value in table.items():
        if key not in known:
            mistakes.append(f"unknown {within}{key}: {suggest(key, known)}")
            continue
        before = len(mistakes)
        made = _value(hints[key], value, within + key, mistakes)
        if len(mistakes) == before:
            values[key] = made
    missing = [
        key
        for key, entry in known.items()
        if key not in table and entry.default is MISSING and entry.default_factory is MISSING
    ]
    mistakes += [f"no {within}{key}" for key in missing]
    required = {
        key
        for key, entry in known.items()
        if entry.default is MISSING and entry.default_factory is MISSING
    }
    if required - values.keys():
        return None
    try:
        return cls(**values)
    except TableError as error:
        mistakes += [within + mistake for mistake in error.mistakes]
    except UsageError as error:
        mistakes.append(f"{place}: {error}" if place else str(error))
    return None


def _value(hint: Any, value: Any, place: str, mistakes: list[str]) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {types.UnionType, Union}:
        if value is None:  # TOML has none, JSON does
            return None
        (hint,) = (argument for argument in arguments if argument is not type(None))
        return _value(hint, value, place, mistakes)
    if origin is tuple:
        return tuple(_items(arguments, value, place, mistakes))
    if origin is dict:
        if not isinstance(value, dict):
            mistakes.append(f"{place} = {value!r}: expected a table")
            return None
        return {
            key: _value(arguments[1], part, f"{place}.{key}", mistakes)
            for key, part in value.items()
        }
    if hasattr(hint, "from_plain"):
        try:
            return hint.from_plain(value)
        except UsageError as error:
            mistakes.append(f"{place}: {error}")
            return None
    if is_dataclass(hint):
        assert isinstance(hint, type)
        return _dataclass(hint, value, place, mistakes)
    if type(value) is hint or (hint is float and type(value) is int):
        return value
    mistakes.append(f"{place} = {value!r}: expected {_PLAIN[hint]}")
    return None


def _items(
    arguments: tuple[Any, ...], value: Any, place: str, mistakes: list[str]
) -> Iterator[Any]:
    if not isinstance(value, (list, tuple)):
        mistakes.append(f"{place} = {value!r}: expected a list")
        return
    if arguments[-1] is Ellipsis:
        arguments = arguments[:1] * len(value)
    if len(value) != len(arguments):
        mistakes.append(f"{place} = {value!r}: expected {len(arguments)} values")
        return
    for number, (hint, item) in enumerate(zip(arguments, value, strict=True)):
        yield _value(hint, item, f"{place}[{number}]", mistakes)
