"""``raidsim write``."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import click

from raidsim.cli.interruption import interrupt_after
from raidsim.cli.output import progress_bar
from raidsim.cli.parameters import Size, array_argument
from raidsim.cli.transfer import next_piece, piece_bytes
from raidsim.control.attach import open_array
from raidsim.errors import UsageError

if TYPE_CHECKING:
    from typing import BinaryIO

    from raidsim.array.syncing import Progress
    from raidsim.control.attach import AnyArray


@click.command("write")
@array_argument
@click.argument("file", metavar="[FILE|-]", default="-", type=click.File("rb"))
@click.option("--offset", type=Size(), default=0, help="Where in the array to begin.")
def command(array: str, file: BinaryIO, offset: int) -> None:
    """Write FILE, or standard input, to an array."""
    length = _length(file)
    with open_array(array) as opened:
        if length is not None and offset + length > opened.size:
            raise UsageError(
                f"{file.name}: {length} bytes at {offset} reach beyond the end of the array,"
                f" which has {opened.size} bytes"
            )
        if offset > opened.size:
            raise UsageError(f"{offset} lies beyond the end of the array of {opened.size} bytes")
        try:
            with progress_bar() as progress:
                written = _write(opened, file, offset, length, progress)
        except (KeyboardInterrupt, OSError, UsageError):
            # The array is as well as ever, and what was written stays.
            opened.close()
            raise
    click.echo(f"{array}: wrote {written} bytes at {offset}")


def _length(file: BinaryIO) -> int | None:
    """How much is left to read of ``file``; None where nobody knows, as of a pipe."""
    if not file.seekable():
        return None
    here = file.tell()
    length = file.seek(0, os.SEEK_END) - here
    file.seek(here)
    return length


def _write(
    array: AnyArray, file: BinaryIO, offset: int, length: int | None, progress: Progress | None
) -> int:
    """Copy all of ``file`` to ``array`` and return how much that was."""
    piece = piece_bytes(array.snapshot())
    buffer = memoryview(bytearray(piece))
    assert isinstance(file, io.BufferedIOBase)
    start = offset
    while True:
        room = next_piece(piece, offset, array.size)
        filled = file.readinto(buffer[:room]) if room else len(file.read(1))
        if not filled:
            return offset - start
        if not room:
            raise UsageError(
                f"{file.name}: more input than the array has room for; {offset - start} bytes were"
                " written, up to its end"
            )
        with interrupt_after():
            array.write(offset, buffer[:filled])
        offset += filled
        if progress is not None and length is not None:
            progress("write", offset - start, length)
