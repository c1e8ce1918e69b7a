"""``raidsim detail``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from raidsim.array.detail_export import detail_brief_line, detail_export_lines
from raidsim.array.report import detail_json, detail_lines
from raidsim.cli.output import print_json, print_lines
from raidsim.cli.parameters import array_argument, form_options
from raidsim.control.snapshot import snapshot_of

if TYPE_CHECKING:
    from raidsim.cli.parameters import Form


@click.command("detail")
@array_argument
@form_options
def command(array: str, form: Form | None) -> None:
    """Show an array, as mdadm --detail does.

    It may have failed, be unfit to run, or be in use by another program.
    """
    snapshot = snapshot_of(array)
    if form == "json":
        print_json(detail_json(snapshot))
    elif form == "brief":
        print_lines([detail_brief_line(snapshot)])
    elif form == "export":
        print_lines(detail_export_lines(snapshot))
    else:
        print_lines(detail_lines(snapshot))
