"""Lines of text that fit a screen: what all views are made of.

Only the terminal's own colours are used, so that a view reads as well on a light ground as on a
dark one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GOOD, WARNING, BAD, DIM, HEADING, BAR = "green", "yellow", "bold red", "dim", "bold", "reverse"


class Column(NamedTuple):
    """A column of a table: its title, its width, and whether it holds numbers."""

    title: str
    width: int
    is_number: bool = False


class Cell(NamedTuple):
    """A text in a style."""

    text: str
    style: str = ""


def line(*parts: str | Cell, width: int, style: str = "") -> Text:
    """Return parts one after the other as a line of exactly ``width``."""
    text = Text(no_wrap=True, overflow="crop", style=style)
    for part in parts:
        cell = part if isinstance(part, Cell) else Cell(part)
        text.append(cell.text, cell.style or None)
    text.truncate(width, overflow="ellipsis", pad=True)
    return text


def spread(left: str | Cell, right: str, width: int, style: str = "") -> Text:
    """Return a line with a text at each end; the right one is left out if there is no room."""
    cell = left if isinstance(left, Cell) else Cell(left)
    room = width - len(cell.text) - len(right)
    if room < 1:
        return line(cell, width=width, style=style)
    return line(cell, " " * room, right, width=width, style=style)


def table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[str | Cell]],
    width: int,
    selected: int | None = None,
) -> list[Text]:
    """Return a heading and a line for each row.

    Args:
        columns: the columns; the last one takes what is left of the width, if it holds texts.
        rows: a cell for each column.
        width: of the lines.
        selected: the number of the row to be marked.
    """
    titles = [Cell(column.title, DIM) for column in columns]
    lines = [_row(columns, titles, width)]
    for number, row in enumerate(rows):
        lines.append(_row(columns, row, width, BAR if number == selected else ""))
    return lines


def _row(
    columns: Sequence[Column], cells: Sequence[str | Cell], width: int, style: str = ""
) -> Text:
    parts: list[Cell] = [Cell(" ")]
    left = width - 1
    for number, (column, given) in enumerate(zip(columns, cells, strict=True)):
        cell = given if isinstance(given, Cell) else Cell(given)
        is_last = number == len(columns) - 1
        room = left if is_last and not column.is_number else min(column.width, left)
        text = cell.text if len(cell.text) <= room else cell.text[: max(room - 1, 0)] + "…"
        text = text.rjust(room) if column.is_number else text.ljust(room)
        # A marked row has one colour.
        parts += [Cell(text, "" if style else cell.style), Cell("  ")]
        left -= room + 2
    return line(*parts[:-1], width=width, style=style)


def heading(text: str, width: int, note: str = "") -> Text:
    """Return the heading of a part of the screen."""
    return line(Cell(f" {text}", HEADING), Cell(f"  {note}" if note else "", DIM), width=width)


def blank(width: int) -> Text:
    """Return an empty line."""
    return line("", width=width)
