"""``raidsim dmatest``."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import click

from raidsim import Machine
from raidsim.cli import INTERRUPTED
from raidsim.cli.output import print_json, print_lines
from raidsim.cli.parameters import Size, engines_option, json_option
from raidsim.dmaengine import dmaengine_put
from raidsim.dmaengine.dmatest import Dmatest, DmatestParameters
from raidsim.dmaengine.errors import DmaBusyError

if TYPE_CHECKING:
    from collections.abc import Callable

_DEFAULTS = {entry.name: entry.default for entry in fields(DmatestParameters)}


def _parameter(
    name: str, kind: object, text: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option with the name and the default of one of the module's parameters."""
    option = f"--{name.replace('_', '-')}"
    if kind is None:
        return click.option(option, is_flag=True, help=text)
    default = _DEFAULTS[name]
    return click.option(option, type=kind, default=default, show_default=bool(default), help=text)


_NUMBER = click.IntRange(min=0)


@click.command("dmatest")
@engines_option
@_parameter("test_buf_size", Size(), "Bytes of each buffer.")
@_parameter("channel", str, "The one channel to test, such as dma0chan1.")
@_parameter("device", str, "The one device to test, such as dma0.")
@_parameter("threads_per_chan", click.IntRange(min=1), "Threads for each kind of operation.")
@_parameter("max_channels", _NUMBER, "Most channels to test; 0 for all.")
@_parameter("iterations", _NUMBER, "Tests of each thread; 0 until Ctrl-C.")
@_parameter("xor_sources", click.IntRange(min=1), "Sources of a xor, made odd.")
@_parameter("pq_sources", click.IntRange(min=1), "Sources of a pq, made odd.")
@_parameter("timeout", click.IntRange(min=-1), "Milliseconds for one test; -1 for no end.")
@_parameter("dmatest", click.IntRange(0, 1), "0 tests copies, 1 fills.")
@_parameter("noverify", None, "Do not fill and verify buffers.")
@_parameter("norandom", None, "Whole buffers at no offset.")
@_parameter("alignment", click.IntRange(-1, 12), "log2 of lengths and offsets; -1 as engines ask.")
@_parameter("transfer_size", Size(), "Bytes of each test; 0 for random ones.")
@_parameter("polled", None, "Poll for completion.")
@_parameter("gf", None, "Test multiplication in GF(2^8), xor_val and pq_val as well.")
@json_option
def command(engines: tuple[str, ...], as_json: bool, **parameters: Any) -> int:
    """Test engines' channels with random transfers, as the kernel's dmatest does.

    Rates are those of the engine's model, in virtual time. The exit status is 1 when a test
    failed, or there is no channel to test.
    """
    machine = _machine(engines)
    test = Dmatest(machine, DmatestParameters(**parameters))
    test.start()
    if not test.channels:
        raise DmaBusyError("dmatest: no channel to test; name an engine that has one by --engine")
    channels = [chan.name for chan in test.channels]
    status = 0
    try:
        test.wait()
    except KeyboardInterrupt:
        test.stop()
        status = INTERRUPTED
    if machine.sanitizer is not None:
        machine.sanitizer.check()
    if as_json:
        print_json([asdict(thread) for thread in test.threads])
    else:
        click.echo(f"dmatest: Started {len(test.threads)} threads using {' '.join(channels)}")
        for thread in test.threads:
            print_lines(f"dmatest: {line}" for line in (*thread.messages, thread.summary))
    return status or int(any(thread.failures for thread in test.threads))


def _machine(engines: tuple[str, ...]) -> Machine:
    """Make a machine on which async_tx, which would hold all public channels, is not loaded."""
    machine = Machine(timed=True, engines=engines)
    dmaengine_put(machine)
    return machine
