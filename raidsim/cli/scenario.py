"""``raidsim scenario``."""

from __future__ import annotations

import click

from raidsim.cli.output import print_json, print_lines
from raidsim.errors import UsageError
from raidsim.scenario import Scenario, load_scenario
from raidsim.scenario.loading import ScenarioError
from raidsim.scenario.schema import ScenarioSchema
from raidsim.scenario.words import explain


@click.group("scenario")
def command() -> None:
    """Check scenario files, or say in words what they mean."""


@command.command("check")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
def check(files: tuple[str, ...]) -> None:
    """Check scenario files: every mistake, with its place and a suggestion.

    The exit status is 2 if there are any.
    """
    mistakes = []
    for file in files:
        try:
            load_scenario(file)
        except ScenarioError as error:
            mistakes += [f"{file}: {mistake}" for mistake in error.mistakes]
        else:
            click.echo(f"{file}: all right")
    if mistakes:
        raise UsageError("\n".join(mistakes))


@command.command("explain")
@click.argument("file", metavar="FILE")
def tell(file: str) -> None:
    """Say in words what will happen in a scenario, and what has to come out."""
    print_lines(explain(load_scenario(file)))


@command.command("schema")
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    schema = Scenario.model_json_schema(schema_generator=ScenarioSchema)
    print_json({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
