"""``raidsim top``."""

from __future__ import annotations

import sys

import click
from rich.console import Console

from raidsim.cli.parameters import Seconds, array_argument
from raidsim.control.attach import attach
from raidsim.errors import UsageError
from raidsim.tui.top import run_top, show_once


@click.command("top")
@array_argument
@click.option(
    "--interval",
    type=Seconds(0.1, 60),
    default=1.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--once", is_flag=True, help="Print one frame, after one interval.")
def command(array: str, interval: float, once: bool) -> None:
    """Watch a served array: requests, members, stripes, engines, events.

    Keys choose the view, stand still, sort, and after a question fail or add a disk; h lists them.
    """
    console = Console()
    if not once and not (sys.stdin.isatty() and console.is_terminal):
        raise UsageError("top needs a terminal; --once prints one frame")
    with attach(array) as served:
        if once:
            show_once(served, interval, console)
        else:
            run_top(served, interval, console)
