"""Profiles: TOML files that ship with a package, and anybody's own, named by their path."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from raidsim.errors import UsageError
from raidsim.tables import suggest


def shipped_profiles(directory: Path) -> list[str]:
    """Return the names of the profiles in ``directory``."""
    return sorted(file.stem for file in directory.glob("*.toml"))


def read_profile(kind: str, directory: Path, name: str) -> dict[str, Any]:
    """Return the table of a profile.

    Args:
        kind: What messages call it: ``disk profile``.
        directory: Where those are that ship.
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
    names = shipped_profiles(directory)
    if name not in names:
        raise UsageError(
            f"no {kind} {name!r} ({suggest(name, names)});"
            f" a path that ends in .toml names one of your own"
        )
    return tomllib.loads((directory / f"{name}.toml").read_text(encoding="utf-8"))
