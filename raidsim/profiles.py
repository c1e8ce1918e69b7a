"""Profiles: TOML files that ship with a package, and anybody's own, named by their path."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from raidsim.errors import UsageError
from raidsim.tables import suggest


def shipped_profiles(package: str) -> list[str]:
    """Return the names of the profiles in the directory ``profiles`` of ``package``."""
    files = resources.files(package).joinpath("profiles").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def read_profile(kind: str, package: str, name: str) -> dict[str, Any]:
    """Return the table of a profile.

    Args:
        kind: What messages call it: ``disk profile``.
        package: The package whose profiles ship.
        name: The name of one of them, or the path of a TOML file.

    Raises:
        UsageError: There is no such profile, or its file is not TOML.
    """
    if name.endswith(".toml"):
        try:
            with Path(name).open("rb") as file:
                return tomllib.load(file)
        except OSError as error:
            raise UsageError(f"{kind} {name!r}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{kind} {name!r} is not TOML: {error}") from error
    names = shipped_profiles(package)
    if name not in names:
        raise UsageError(
            f"no {kind} {name!r} ({suggest(name, names)});"
            f" a path that ends in .toml names one of your own"
        )
    shipped = resources.files(package).joinpath("profiles", f"{name}.toml")
    return tomllib.loads(shipped.read_text(encoding="utf-8"))
