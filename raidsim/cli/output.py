"""What commands print."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from raidsim.cli import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence
    from pathlib import Path

    from raidsim.array import SyncReport
    from raidsim.array.snapshot import ArraySnapshot
    from raidsim.array.syncing import Progress


def print_json(facts: object) -> None:
    """Print ``facts`` as JSON."""
    click.echo(json.dumps(facts, indent=2))


def print_lines(lines: Iterable[str]) -> None:
    """Print ``lines``."""
    click.echo("\n".join(lines))


def write_text(path: Path, text: str) -> None:
    """Write a file.

    Raises:
        OSError: the host refuses; the file is named, however far that got.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def table_lines(rows: Sequence[Sequence[str]], right: Container[int] = ()) -> Iterator[str]:
    """Return rows of cells as lines, each column as wide as its widest cell.

    Args:
        rows: the cells, as many in each.
        right: numbers of the columns whose cells stand at the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def tell_pending(snapshot: ArraySnapshot) -> None:
    """Say what only a rebuild will do, since between commands nothing runs."""
    if snapshot.pending is not None:
        path = snapshot.path
        click.echo(f"{path}: {snapshot.pending} is pending; `raidsim rebuild {path}` runs it")


def describe_end(report: SyncReport) -> str:
    """How a sync ended, in words."""
    place = f"at {report.sector} of {report.end_sector} sectors"
    return {
        "done": "done",
        "failed": "interrupted: a member failed",
        "stopped": f"stopped {place}",
        "paused": f"paused at sync_max, {place.removeprefix('at ')}",
    }[report.ended]


def sync_status(reports: Sequence[SyncReport]) -> int:
    """The exit status of a command that ran syncs, by the last one's end."""
    if not reports:
        return 0
    return {"failed": 1, "stopped": INTERRUPTED}.get(reports[-1].ended, 0)


@contextmanager
def progress_bar(unit_bytes: int = 1) -> Iterator[Progress | None]:
    """Show a bar on standard error while the block runs, if that is a terminal.

    Args:
        unit_bytes: size of what is counted.

    Yields:
        A function to call with what is being done, how much of it is done and how much there is in
        all; None where there is nobody to see it.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415  loaded only when there is a bar to show
    from rich.progress import (  # noqa: PLC0415  as above
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks = {}

        def show(action: str, done: int, total: int) -> None:
            if action not in tasks:
                tasks[action] = bars.add_task(action, total=total * unit_bytes)
            bars.update(tasks[action], completed=done * unit_bytes)

        yield show
