"""Fills the tables of keys in docs/reference/scenarios.md from the classes that check them.

    python tools/scenario_reference.py

What stands below a line `<!-- keys of NAME -->` is the table of that class; a test compares.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from raidsim.scenario import Scenario
from raidsim.scenario.schema import ScenarioSchema
from raidsim.scenario.units import DURATION_PATTERN, PERCENT_PATTERN, SIZE_PATTERN

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "scenarios.md"
_MARKED = re.compile(r"(<!-- keys of (\w+) -->\n)(?:\|.*\n)*")
_PATTERNS = {
    f"^{DURATION_PATTERN}$": "time",
    f"^{SIZE_PATTERN}$": "size",
    f"^{PERCENT_PATTERN}$": "percent",
}
_TYPES = {"integer": "number", "number": "number", "string": "text", "boolean": "true or false"}
_TOGETHER = {
    ("number", "size"): "size",
    ("number", "text"): "disk",
    ("text", "number"): "text",
    ("text", "table"): "text or table",
}
_TABLES = {"Count": "count", "Time": "bounds of a time"}


def schema_tables() -> dict[str, Any]:
    """The schema of each table of a scenario file, by the name of its class."""
    schema = Scenario.model_json_schema(schema_generator=ScenarioSchema)
    return {**schema["$defs"], "Scenario": schema}


def keys_table(table: dict[str, Any], tables: dict[str, Any]) -> str:
    """The Markdown table of a table's keys; ``tables`` are all there are."""
    lines = ["| key | value | |", "|---|---|---|"]
    for key, schema in table["properties"].items():
        need = " (needed)" if key in table.get("required", ()) else ""
        named = tables.get(schema.get("$ref", "").rpartition("/")[2], {})
        plain = named if kind_of(schema) == "table" else {}
        text = " ".join((schema.get("description") or plain.get("description", "")).split())
        lines.append(f"| `{key}` | {kind_of(schema)}{need} | {text} |".replace("  ", " "))
    return "\n".join(lines) + "\n"


def kind_of(schema: dict[str, Any]) -> str:
    """What a value may be, in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _TABLES.get(name, "table")
    if "enum" in schema or "const" in schema:
        words = schema.get("enum", [schema.get("const")])
        return ", ".join(f"`{word}`" for word in words)
    if "anyOf" in schema:
        kinds = tuple(dict.fromkeys(kind_of(part) for part in schema["anyOf"]))
        return _TOGETHER.get(kinds) or " or ".join(kinds)
    if schema.get("type") == "array":
        return f"list of {kind_of(schema['items'])}s"
    if "pattern" in schema:
        return _PATTERNS[schema["pattern"]]
    return _TYPES.get(schema.get("type", ""), "table")


def filled(page: str) -> str:
    """The page with all its tables as they should be."""
    tables = schema_tables()
    return _MARKED.sub(lambda match: match[1] + keys_table(tables[match[2]], tables), page)


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
