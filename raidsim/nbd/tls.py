"""TLS as nbdkit and qemu have it: a directory of certificates, and clients that show theirs."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from raidsim.errors import RaidsimError

if TYPE_CHECKING:
    from pathlib import Path

_FILES = ("ca-cert.pem", "server-cert.pem", "server-key.pem")


def server_context(directory: Path) -> ssl.SSLContext:
    """How the server encrypts, for clients whose certificate ``ca-cert.pem``'s authority signed.

    Raises:
        RaidsimError: a file is missing, or is not what it should be.
    """
    authority, certificate, key = (directory / name for name in _FILES)
    for path in (authority, certificate, key):
        if not path.is_file():
            raise RaidsimError(f"{path}: no such file; --tls-certs wants {', '.join(_FILES)}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(authority)
        context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl's errors are, too
        reason = getattr(error, "reason", None) or error.strerror
        raise RaidsimError(f"{directory}: the certificates cannot be used: {reason}") from error
    return context
