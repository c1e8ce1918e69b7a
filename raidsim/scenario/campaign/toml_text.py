"""A scenario's table as the text of a TOML file."""

from __future__ import annotations

import json
from typing import Any


def toml_text(table: dict[str, Any]) -> str:
    """Return as TOML a table of texts, numbers, truths, lists and tables."""
    return "\n".join(_lines(table, "")).strip() + "\n"


def _lines(table: dict[str, Any], place: str) -> list[str]:
    """The values of a table, then the tables in it, each under its own heading."""
    lines = [f"{_key(key)} = {_value(value)}" for key, value in table.items() if _plain(value)]
    for key, value in table.items():
        if _plain(value):
            continue
        heading = f"{place}.{_key(key)}" if place else _key(key)
        if isinstance(value, dict):
            lines += ["", f"[{heading}]", *_lines(value, heading)]
        else:
            for entry in value:
                lines += ["", f"[[{heading}]]", *_lines(entry, heading)]
    return lines


def _plain(value: Any) -> bool:
    """Whether a value stands on one line: all but tables at the file's own level."""
    if isinstance(value, dict):
        return not value or all(not isinstance(part, (dict, list)) for part in value.values())
    return not (isinstance(value, list) and value and isinstance(value[0], dict))


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_value(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(part) for part in value) + "]"
    # JSON's texts, numbers and truths are TOML's too.
    return json.dumps(value)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() else json.dumps(key)
