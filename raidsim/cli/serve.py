"""``raidsim serve``."""

from __future__ import annotations

import asyncio
import logging
import selectors
import signal
from contextlib import AsyncExitStack, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from raidsim.array import Array
from raidsim.array.directory import ArrayDirectory
from raidsim.array.monitor import Monitor
from raidsim.control.server import ControlServer
from raidsim.errors import UsageError
from raidsim.nbd import NbdServer
from raidsim.nbd.hardware import ServedHardware

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from raidsim.control.metrics import MetricsServer

_SOCKET = "nbd.sock"
_DEFAULT_HOST = "127.0.0.1"
_DEFAULT_PORT = 10809


@click.command("serve")
@click.argument("arrays", metavar="ARRAY...", nargs=-1, required=True)
@click.option("--unix", type=click.Path(path_type=Path), help="Listen on this Unix socket.")
@click.option("--host", help=f"Listen on TCP, on this address.  [default: {_DEFAULT_HOST}]")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help=f"Listen on TCP, on this port; 0 for any.  [default: {_DEFAULT_PORT}]",
)
@click.option(
    "--tls-certs",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Talk TLS only, to clients with a certificate.",
)
@click.option("--insecure", is_flag=True, help="Let anybody in who can reach the address.")
@click.option("--realtime", is_flag=True, help="Be as slow as the models of disks and engines.")
@click.option("--disk-model", metavar="PROFILE", help="The drive that every member is.")
@click.option(
    "--metrics",
    "metrics_port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Answer Prometheus on this port of 127.0.0.1; 0 for any.",
)
def command(
    arrays: tuple[str, ...],
    unix: Path | None,
    host: str | None,
    port: int | None,
    tls_certs: Path | None,
    insecure: bool,
    realtime: bool,
    disk_model: str | None,
    metrics_port: int | None,
) -> None:
    """Serve arrays over NBD, until SIGTERM or Ctrl-C.

    Each ARRAY is an export with the name of its directory; the first is the default. Without an
    address the server listens on nbd.sock in the first directory, which only its owner may use.
    """
    if unix is not None and (host is not None or port is not None):
        raise UsageError("--unix and --host or --port: choose one way to listen")
    if realtime and disk_model is None:
        raise UsageError("--realtime: say how slow the disks are, with --disk-model")
    if disk_model is not None and not realtime:
        raise UsageError("--disk-model: takes no time without --realtime")
    tls = None
    if tls_certs is not None:
        from raidsim.nbd.tls import server_context  # noqa: PLC0415  ssl takes time to load

        tls = server_context(tls_certs)
    metrics = None
    if metrics_port is not None:
        from raidsim.control.metrics import MetricsServer  # noqa: PLC0415  needs an extra

        metrics = partial(MetricsServer, port=metrics_port)
    with ExitStack() as stack:
        opened = []
        for path in arrays:
            hardware = ServedHardware(
                ArrayDirectory.load(path), realtime=realtime, disk_model=disk_model
            )
            opened.append(stack.enter_context(Array.open(path, hardware=hardware)))
        tcp = host is not None or port is not None
        address = (host or _DEFAULT_HOST, _DEFAULT_PORT if port is None else port) if tcp else None
        socket = (unix or Path(arrays[0]) / _SOCKET).absolute()
        where = socket if address is None else address
        serving = _serve(opened, where, tls, metrics, insecure=insecure)
        with asyncio.Runner(loop_factory=_precise_loop if realtime else None) as runner:
            runner.run(serving)


def _precise_loop() -> asyncio.AbstractEventLoop:
    """One whose timers are exact: epoll waits for whole milliseconds, as long as drives take."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


async def _serve(
    arrays: Sequence[Array],
    address: Path | tuple[str, int],
    tls: ssl.SSLContext | None,
    metrics: Callable[[Mapping[str, Monitor]], MetricsServer] | None,
    *,
    insecure: bool,
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    scheme = "nbd" if tls is None else "nbds"
    async with NbdServer(arrays, tls=tls) as server, AsyncExitStack() as stack:
        stack.enter_context(_log_warnings())
        monitors = {}
        for name, export in server.exports.items():
            monitor = stack.enter_context(Monitor(export.array, export.requests))
            monitors[name] = monitor
            control = ControlServer(export.array, monitor, export.pump.wake)
            await stack.enter_async_context(control)
        if isinstance(address, Path):
            await server.listen_unix(address)
            where = f"{scheme}+unix:///{{}}?socket={quote(str(address))}"
        else:
            ports = await server.listen_tcp(*address, insecure=insecure)
            where = f"{scheme}://{address[0]}:{ports[0]}/{{}}"
        for array, name in zip(arrays, server.exports, strict=True):
            click.echo(f"{array.directory.path}: serving {where.format(quote(name))}")
        if metrics is not None:
            answering = await stack.enter_async_context(metrics(monitors))
            click.echo(f"metrics at {answering.url}")
        await server.serve_until(stopped)


@contextmanager
def _log_warnings() -> Iterator[None]:
    """Print what is logged and matters on standard error, as a console does the kernel's log."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    logger = logging.getLogger("raidsim")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
