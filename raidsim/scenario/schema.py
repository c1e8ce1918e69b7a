"""The JSON Schema of scenario files, for editors."""

from __future__ import annotations

import ast
import types
from dataclasses import MISSING, fields, is_dataclass
from inspect import getsource
from itertools import pairwise
from textwrap import dedent
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from raidsim.scenario.units import DURATION_PATTERN, SIZE_PATTERN

if TYPE_CHECKING:
    from pydantic_core import core_schema

_PLAIN = {bool: "boolean", int: "integer", float: "number", str: "string"}
_UNITS = {"_ns": DURATION_PATTERN, "_bytes": SIZE_PATTERN}


class ScenarioSchema(GenerateJsonSchema):
    """Schemas of files people write: TOML has no null, and a default is no text with a unit."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Say of each key what its docstring says."""
        made = super().model_schema(schema)
        table = schema["cls"]
        for name, text in key_docstrings(table).items():
            made["properties"][table.model_fields[name].alias or name]["description"] = text
        return made

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """What may be left out is of its own type where it is given."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Say nothing of the default."""
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  pydantic's signature
        """A key says what it is called."""
        return False


def key_docstrings(table: type[BaseModel]) -> dict[str, str]:
    """Return what is said of the keys of a table, below each of them in its class."""
    found = {}
    for cls in reversed(table.__mro__):
        if not issubclass(cls, BaseModel) or cls is BaseModel:
            continue
        (definition,) = ast.parse(dedent(getsource(cls))).body
        assert isinstance(definition, ast.ClassDef)
        for key, text in pairwise(definition.body):
            if (
                isinstance(key, ast.AnnAssign)
                and isinstance(key.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                found[key.target.id] = str(text.value.value)
    return {name: text for name, text in found.items() if name in table.model_fields}


def dataclass_schema(cls: type, **more: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a table for the dataclass ``cls``.

    Args:
        cls: The dataclass. Fields in nanoseconds or bytes may be given with a unit instead.
        **more: Keys that the table has besides, and their schemas.
    """
    hints = get_type_hints(cls)
    properties: dict[str, Any] = dict(more)
    required = [key for key, schema in more.items() if "const" in schema]
    for field in fields(cls):
        if not field.init:
            continue
        properties[field.name] = _schema(hints[field.name])
        with_unit = _with_unit(field.name)
        if with_unit is not None and with_unit[0] not in hints:
            short, pattern = with_unit
            properties[short] = {"type": "string", "pattern": f"^{pattern}$"}
        elif field.default is MISSING and field.default_factory is MISSING:
            required.append(field.name)
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": required} if required else schema


def _with_unit(name: str) -> tuple[str, str] | None:
    """What a field is called that is given with a unit, and how that looks."""
    return next(
        ((name.removesuffix(end), look) for end, look in _UNITS.items() if name.endswith(end)), None
    )


def _schema(hint: Any) -> dict[str, Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {types.UnionType, Union}:
        (hint,) = (argument for argument in arguments if argument is not type(None))
        return _schema(hint)
    if origin is tuple:
        return {"type": "array"}
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    return dataclass_schema(hint) if is_dataclass(hint) and isinstance(hint, type) else {}
