"""The ``raidsim`` command: one module per subcommand, imported when it is called for.

What a user can cause ends in one or two lines on standard error and an exit status: 1 where the
array or the data says no, 2 for wrong usage, 130 after Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import click

from raidsim import __version__
from raidsim.errors import RaidsimError

if TYPE_CHECKING:
    from collections.abc import Sequence

# The exit status after Ctrl-C, as of a shell: 128 and the signal's number.
INTERRUPTED = 130

# Name and one line of help, in the order in which an array meets them.
COMMANDS = {
    "create": "Make an array.",
    "assemble": "Take existing members and run their array.",
    "examine": "Show members' superblocks.",
    "detail": "Show an array.",
    "mdstat": "Show arrays as /proc/mdstat does.",
    "write": "Write bytes to an array.",
    "read": "Read bytes of an array.",
    "fail": "Fail a member.",
    "remove": "Let a failed or spare member go.",
    "add": "Take a new member on as a spare.",
    "re-add": "Take a former member back in its old slot.",
    "replace": "Have members replaced while they still work.",
    "rebuild": "Run pending recovery or resync to the end.",
    "check": "Compare parity with data.",
    "repair": "Make parity right.",
    "get": "Show attributes, as in sysfs.",
    "set": "Write an attribute, as in sysfs.",
    "serve": "Serve arrays over NBD.",
    "top": "Watch a served array.",
    "inject": "Let disks and engines of a served array go wrong.",
    "explain": "Show what an array would do for one read or write.",
    "engines": "List offload engines, or show one.",
    "dmatest": "Test engines' channels with random transfers.",
    "calibrate": "Measure how fast this machine computes.",
    "bench": "Run workloads on an array and show how fast it is.",
    "run": "Run scenarios in virtual time and judge what comes out.",
    "campaign": "Run random scenarios, and make those that fail small.",
    "scenario": "Check scenario files, or say in words what they mean.",
    "raid6test": "Recover every pair of blocks, and compare.",
}


class _Commands(click.Group):
    """The subcommands; listing them imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"raidsim.cli.{cmd_name.replace('-', '_')}")
        command = getattr(module, "command")  # noqa: B009  a module's attribute of unknown type
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Commands, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="raidsim", message="%(prog)s %(version)s")
@click.option(
    "--sanitize",
    is_flag=True,
    help="Check every access to memory and every use of a descriptor; what is wrong is an error.",
)
def raidsim(sanitize: bool) -> None:
    """A RAID4/5/6 block device in user space, built the way Linux md builds it.

    An ARRAY is a directory, made by create or assemble. A DISK is a slot number, an image's file
    name or its path. Sizes take K, M, G and T, in powers of 1024.
    """
    if sanitize:
        os.environ["RAIDSIM_SANITIZE"] = "1"


def run(arguments: Sequence[str]) -> int:
    """Carry out one command and return its exit status."""
    try:
        status = raidsim.main(list(arguments), prog_name="raidsim", standalone_mode=False)
    except click.ClickException as error:
        _complain(error.format_message())
        context = getattr(error, "ctx", None)
        if context is not None:
            click.echo(f"see `{context.command_path} --help`", err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except RaidsimError as error:
        _complain(str(error))
        return error.exit_status
    except OSError as error:
        # A file the user named; what happens to members has errors of its own.
        subject = f"{error.filename}: " if error.filename else ""
        _complain(f"{subject}{error.strerror}")
        return 1
    except MemoryError:
        _complain("not enough memory; ask for less at once")
        return 1
    return status if isinstance(status, int) else 0


def _complain(message: str) -> None:
    click.echo(f"raidsim: {message}", err=True)


def main() -> None:
    """Be the ``raidsim`` program."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        # The next file to be opened would have the number of the one that is closed.
        sys.exit("raidsim: standard input, output or error is closed; redirect it to /dev/null")
    sys.exit(run(sys.argv[1:]))
