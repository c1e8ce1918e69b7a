"""``raidsim read``."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from raidsim.cli.output import progress_bar
from raidsim.cli.parameters import Size, array_argument
from raidsim.cli.transfer import next_piece, piece_bytes
from raidsim.control.attach import open_array
from raidsim.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from raidsim.array.syncing import Progress
    from raidsim.control.attach import AnyArray


class _SizeOrAll(Size):
    """A size, or the word all."""

    name = "size|all"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        return -1 if value in {"all", -1} else super().convert(value, param, ctx)


@click.command("read")
@array_argument
@click.option("--offset", type=Size(), default=0, help="Where in the array to begin.")
@click.option(
    "--length", type=_SizeOrAll(), default="all", show_default=True, help="How much to read."
)
@click.option("--output", metavar="FILE", help="Where to write it [default: standard output].")
def command(array: str, offset: int, length: int, output: str | None) -> None:
    """Read bytes of an array.

    FILE appears only when everything was read.
    """
    if output is None and sys.stdout.isatty():
        raise UsageError("an array's bytes are not for a terminal; use --output, or a pipe")
    with open_array(array) as opened:
        end = opened.size if length < 0 else offset + length
        if offset > opened.size or end > opened.size:
            raise UsageError(
                f"bytes {offset} to {max(offset, end)} lie beyond the end of the array, which has"
                f" {opened.size} bytes"
            )
        with _destination(output) as file, progress_bar() as progress:
            _read(opened, file, offset, end, progress)


@contextmanager
def _destination(output: str | None) -> Iterator[BinaryIO]:
    """A file to write to, which gets its name only when the block ends well."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(output)
    special = path.exists() and not path.is_file()
    partial = path if special else path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        if not special:
            partial.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        if not special:
            with suppress(OSError):
                partial.unlink()


def _read(
    array: AnyArray, file: BinaryIO, offset: int, end: int, progress: Progress | None
) -> None:
    piece = piece_bytes(array.snapshot())
    buffer = np.empty(min(piece, end - offset), np.uint8)
    start = offset
    while offset < end:
        part = buffer[: next_piece(piece, offset, end)]
        array.read_into(offset, part)
        file.write(part.data)
        offset += len(part)
        if progress is not None:
            progress("read", offset - start, end - start)
