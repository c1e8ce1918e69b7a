"""The array directory: which images belong together, and what machine they run on.

The superblocks are the truth about the array; this file only saves typing their names.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from raidsim.errors import RaidsimError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

_FILE = "array.json"
_VERSION = 1


class DirectoryError(RaidsimError):
    """The array directory is not there, is in the way, or cannot be read."""


@dataclass(slots=True)
class ArrayDirectory:
    """What an array directory remembers.

    Attributes:
        path: the directory.
        images: the members' images, absolute, in the order in which md was given them.
        engines: names of the offload engines' profiles.
        readonly: it was assembled with ``--readonly``.
        settings: what was set on it, as ``raidsim.array.settings`` keeps it.
        want_replacement: images that a spare is to replace, which no superblock can say.

    Raises:
        DirectoryError: something that is no directory is there.
    """

    path: Path
    images: list[Path] = field(default_factory=list)
    engines: list[str] = field(default_factory=list)
    readonly: bool = False
    settings: dict[str, bool | int | str] = field(default_factory=dict)
    want_replacement: list[Path] = field(default_factory=list)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ArrayDirectory:
        """Read the directory at ``path``.

        Raises:
            DirectoryError: there is none, or its file makes no sense.
        """
        directory = Path(path)
        try:
            values = json.loads((directory / _FILE).read_text(encoding="utf-8"))
        except NotADirectoryError:
            raise _not_a_directory(directory) from None
        except FileNotFoundError:
            raise DirectoryError(
                f"{path}: no array here; make one with `raidsim create {path}`"
            ) from None
        except OSError as error:
            raise DirectoryError(
                f"{directory / _FILE}: cannot be read: {error.strerror}"
            ) from error
        except ValueError as error:
            raise _damaged(directory) from error
        try:
            if values["version"] != _VERSION:
                raise DirectoryError(f"{directory / _FILE}: made by another version of raidsim")
            return cls(
                path=directory,
                images=cls._absolute(directory, values["images"]),
                engines=[str(engine) for engine in values["engines"]],
                readonly=bool(values["readonly"]),
                settings=dict(values.get("settings", {})),
                want_replacement=cls._absolute(directory, values.get("want_replacement", [])),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(directory) from error

    @classmethod
    def claim(cls, path: str | os.PathLike[str]) -> ArrayDirectory:
        """A new array directory at ``path``, not yet saved.

        Raises:
            DirectoryError: an array, or something that is no directory, is there already.
        """
        directory = cls(Path(path))
        if (directory.path / _FILE).exists():
            raise DirectoryError(f"{path}: an array is here already; choose another directory")
        return directory

    def __post_init__(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise _not_a_directory(self.path)

    def save(self) -> None:
        """Write it down, all or nothing.

        Raises:
            DirectoryError: the host refuses.
        """
        values = {
            "version": _VERSION,
            "images": [self._relative(image) for image in self.images],
            "engines": self.engines,
            "readonly": self.readonly,
            "settings": self.settings,
            "want_replacement": [self._relative(image) for image in self.want_replacement],
        }
        was_there = self.path.exists()
        temporary = self.path / f"{_FILE}.new"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
            temporary.replace(self.path / _FILE)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
                if not was_there:
                    self.path.rmdir()
            raise DirectoryError(f"{self.path}: cannot be written: {error.strerror}") from error

    @staticmethod
    def _absolute(directory: Path, images: Sequence[str]) -> list[Path]:
        return [directory.absolute() / image for image in images]

    def _relative(self, image: Path) -> str:
        # What lies in the directory moves with it.
        inside = self.path.absolute()
        return str(image.relative_to(inside) if image.is_relative_to(inside) else image)


def _damaged(path: Path) -> DirectoryError:
    return DirectoryError(f"{path / _FILE}: damaged; assemble the array anew from its images")


def _not_a_directory(path: Path) -> DirectoryError:
    return DirectoryError(f"{path}: not a directory; name that of an array")
