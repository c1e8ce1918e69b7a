"""Where the server may listen: sockets of its owner's alone, and ports that others cannot reach."""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import TYPE_CHECKING

from raidsim.errors import RaidsimError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

# What sun_path holds, with the zero at its end (unix(7)).
_MAX_PATH_BYTES = 107


def unix_socket(path: Path) -> socket.socket:
    """A Unix socket at ``path``, with mode 0600.

    A socket that nobody listens on any more is replaced.

    Raises:
        RaidsimError: the path is too long or can't be made, or something else is there.
    """
    name = os.fspath(path)
    if len(os.fsencode(name)) > _MAX_PATH_BYTES:
        raise RaidsimError(
            f"{path}: too long for a socket, which may have {_MAX_PATH_BYTES} bytes; choose another"
            " place with --unix"
        )
    if path.is_socket():
        _remove_stale(path)
    made = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        made.bind(name)
    except OSError as error:
        made.close()
        raise RaidsimError(f"{path}: no socket can be made there: {error.strerror}") from error
    finally:
        os.umask(before)
    return made


def _remove_stale(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
        except OSError as error:
            raise RaidsimError(f"{path}: cannot be replaced: {error.strerror}") from error
        else:
            raise RaidsimError(f"{path}: another server listens there; stop it, or use --unix")


def tcp_sockets(host: str, port: int, *, anywhere: bool) -> list[socket.socket]:
    """Sockets bound to ``port`` on each address of ``host``.

    Args:
        host: a name or an address.
        port: 0 for any that is free.
        anywhere: also on addresses that other machines can reach.

    Raises:
        UsageError: one of them can be reached, and must not.
        RaidsimError: there is no such host, or the port is taken.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise RaidsimError(f"{host}: {error.strerror}") from error
    addresses = {(family, address) for family, _, _, _, address in found}
    if not anywhere:
        for _, address in addresses:
            if not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
                raise UsageError(
                    f"{host}: others can reach that address; give --tls-certs, or --insecure if"
                    " everybody may read and write the array"
                )
    made: list[socket.socket] = []
    try:
        for family, address in sorted(addresses, key=str):
            listener = socket.socket(family, socket.SOCK_STREAM)
            made.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
    except OSError as error:
        for listener in made:
            listener.close()
        raise RaidsimError(f"{host} port {port}: {error.strerror}") from error
    return made
