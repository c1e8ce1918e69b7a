"""``raidsim get``."""

from __future__ import annotations

import click

from raidsim.cli.output import print_json
from raidsim.cli.parameters import array_argument, json_option
from raidsim.control.attach import open_array


@click.command("get")
@array_argument
@click.argument("names", metavar="[NAME]...", nargs=-1)
@json_option
def command(array: str, names: tuple[str, ...], as_json: bool) -> None:
    """Show attributes, as the files of /sys/block/md0/md do.

    Of one NAME just the value; of several, or without any of all, name and value.
    """
    with open_array(array, inspect=True) as opened:
        values = {name: opened.get(name) for name in names or opened.attributes()}
    if as_json:
        print_json(values)
    elif len(names) == 1:
        click.echo(values[names[0]])
    else:
        for name, value in values.items():
            for line in value.splitlines() or [""]:
                click.echo(f"{name}: {line}".rstrip())
