"""``raidsim inject``."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from raidsim.cli.output import print_json, print_lines, table_lines
from raidsim.cli.parameters import array_argument, json_option
from raidsim.control.attach import attach
from raidsim.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raidsim.array.injection import FaultSnapshot
    from raidsim.control.remote import RemoteArray


@click.command("inject")
@array_argument
@click.argument(
    "action",
    metavar="[add|off|on|remove]",
    type=click.Choice(["list", "add", "off", "on", "remove"]),
    default="list",
)
@click.argument("words", metavar="[WORD]...", nargs=-1)
@json_option
def command(array: str, action: str, words: tuple[str, ...], as_json: bool) -> None:
    """Let disks and engines of a served array go wrong.

    Without more the faults are listed. `add TARGET KIND [KEY=VALUE]...` adds one, where TARGET is a
    DISK or a channel, and kinds and keys are those of docs/reference/faults.md; a VALUE is written
    as in TOML, or a plain word. `off FAULT`, `on FAULT` and `remove FAULT` take its number.
    """
    with attach(array) as served:
        if action == "list":
            if words:
                raise click.UsageError(f"Got unexpected extra arguments ({' '.join(words)})")
            _list(array, served.faults(), as_json=as_json)
        elif action == "add":
            _add(array, served, words)
        else:
            _switch(array, served, action, words)


def _add(array: str, served: RemoteArray, words: Sequence[str]) -> None:
    if len(words) < 2:
        raise click.UsageError("add: name a TARGET and a KIND of fault")
    target, kind, *pairs = words
    table = {"kind": kind} | dict(_pair(pair) for pair in pairs)
    number = served.inject(target, table)
    click.echo(f"{array}: fault {number}: {kind} on {target}")


def _switch(array: str, served: RemoteArray, action: str, words: Sequence[str]) -> None:
    if len(words) != 1 or not words[0].isdecimal():
        raise click.UsageError(f"{action}: name a FAULT by its number")
    number = int(words[0])
    if action == "remove":
        served.remove_fault(number)
        click.echo(f"{array}: fault {number}: removed")
    else:
        served.switch_fault(number, on=action == "on")
        click.echo(f"{array}: fault {number}: {action}")


def _pair(text: str) -> tuple[str, Any]:
    key, equals, written = text.partition("=")
    if not equals:
        raise UsageError(f"{text}: write KEY=VALUE")
    try:
        value = tomllib.loads(f"value = {written}")["value"]
        json.dumps(value)  # TOML has dates, which the server could not be told of
    except (tomllib.TOMLDecodeError, TypeError):
        return key, written
    return key, value


def _list(array: str, faults: Sequence[FaultSnapshot], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(fault) for fault in faults])
        return
    if not faults:
        click.echo(f"{array}: no faults")
        return
    rows = [("fault", "target", "kind", "is", "struck", "rule")]
    rows += [
        (
            str(fault.number),
            fault.target,
            fault.kind,
            "on" if fault.enabled else "off",
            str(fault.fired),
            fault.rule,
        )
        for fault in faults
    ]
    print_lines(table_lines(rows))
