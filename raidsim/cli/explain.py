"""``raidsim explain``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from raidsim.cli.output import print_json, write_text
from raidsim.cli.parameters import Size, array_argument, json_option
from raidsim.explain import explain_request


@click.command("explain")
@array_argument
@click.argument("operation", type=click.Choice(["read", "write"]))
@click.argument("offset", type=Size())
@click.argument("length", type=Size())
@click.option("--svg", type=click.Path(dir_okay=False), help="Write the picture to a file as well.")
@json_option
def command(
    array: str, operation: str, offset: int, length: int, svg: str | None, as_json: bool
) -> int:
    """Show what an array would do for one read or write.

    Which members are touched where; for a write, which way parity is brought up to date, and what
    either way costs; which operations are carried out, by which channels or by software; which
    disks are read and written. A shadow of the array does it: nothing is changed.
    """
    explanation = explain_request(array, operation, offset, length)
    if svg is not None:
        from raidsim.cli.explanation import svg_of  # noqa: PLC0415  loads rich

        write_text(Path(svg), svg_of(explanation))
    if as_json:
        print_json(asdict(explanation))
    else:
        from raidsim.cli.explanation import draw  # noqa: PLC0415  as above

        draw(explanation)
    return int(bool(explanation.failure))
