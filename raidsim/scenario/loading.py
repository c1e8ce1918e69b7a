"""Reading scenario files: every mistake at once, with its place and a suggestion."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from raidsim.errors import UsageError
from raidsim.scenario.model import DisksTable, DiskTable, Scenario
from raidsim.scenario.references import unknown_names
from raidsim.scenario.table import Table
from raidsim.tables import suggest

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from pydantic_core import ErrorDetails

_EXPECTED = {
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "string_type": "expected a text",
    "bool_type": "expected true or false",
    "list_type": "expected a list",
    "dict_type": "expected a table",
    "model_type": "expected a table",
}


class ScenarioError(UsageError):
    """A scenario file makes no sense.

    Attributes:
        mistakes: All that is wrong with it, each with its place.
    """

    def __init__(self, path: object, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(f"{path}: {mistake}" for mistake in self.mistakes))


def load_scenario(path: str | os.PathLike[str]) -> Scenario:
    """Read a scenario file.

    Paths in it are relative to its own place.

    Raises:
        ScenarioError: It cannot be read or makes no sense; all that is wrong is said at once.
    """
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(path, [str(error.strerror)]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(path, [f"is not TOML: {error}"]) from error
    return make_scenario(table, path)


def make_scenario(table: dict[str, Any], path: str | os.PathLike[str] = "scenario") -> Scenario:
    """Return the scenario that a table describes.

    Args:
        table: What TOML gives.
        path: The file it comes from: what messages call it, and what paths in it are relative to.

    Raises:
        ScenarioError: It makes no sense; all that is wrong is said at once.
    """
    mistakes = []
    scenario = None
    try:
        scenario = Scenario.model_validate(table, context=Path(path).parent)
    except ValidationError as error:
        mistakes = [_mistake(details) for details in error.errors()]
    mistakes += unknown_names(table)
    if scenario is None or mistakes:
        raise ScenarioError(path, mistakes)
    return scenario


def _mistake(details: ErrorDetails) -> str:
    kind, place, value = details["type"], details["loc"], details["input"]
    where = _where(place)
    if kind == "extra_forbidden":
        model = _model_at(place[:-1])
        known = [field.alias or name for name, field in model.model_fields.items()]
        return f"{where}: unknown key: {suggest(place[-1], known)}"
    if kind == "missing":
        return f"{where}: is missing"
    if kind == "literal_error":
        known = [word.strip("'") for word in _expected_words(details)]
        return f"{where} = {value!r}: {suggest(value, known)}"
    if kind == "model_type" and place[0] == "disks":
        return f"{where}: unknown key: {suggest(place[-1], DiskTable.model_fields)}"
    if kind in _EXPECTED:
        return f"{where} = {value!r}: {_EXPECTED[kind]}"
    message = details["msg"]
    if kind == "mistake":
        return f"{where}: {message}" if where else message
    return f"{where} = {value!r}: {message[0].lower()}{message[1:]}"


def _expected_words(details: ErrorDetails) -> list[str]:
    words: str = details["ctx"]["expected"]
    return words.replace(" or ", ", ").split(", ")


def _where(place: Sequence[str | int]) -> str:
    """A place as one would write it: ``event[0].fail.disk``."""
    text = ""
    for step in place:
        if step == "[key]":
            continue  # the name itself is wrong, not what stands there
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def _model_at(place: Sequence[str | int]) -> type[Table]:
    """The table that is expected at a place."""
    model: type[Table] = Scenario
    for step in place:
        for name, field in model.model_fields.items():
            if step in {name, field.alias}:
                model = _table_in(field.annotation) or model
                break
        else:
            if isinstance(step, str) and issubclass(model, DisksTable):
                model = DiskTable  # a disk that the author named
    return model


def _table_in(annotation: object) -> type[Table] | None:
    """The table that a field holds: by itself, in a list, by name, or not at all."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return annotation
    tables = (_table_in(argument) for argument in get_args(annotation))
    return next((table for table in tables if table is not None), None)
