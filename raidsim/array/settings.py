"""What was set on an array and has to outlive a command, as it does while md keeps it running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raidsim.array.directory import DirectoryError

if TYPE_CHECKING:
    from raidsim.array.directory import ArrayDirectory
    from raidsim.md.mddev import Mddev

Setting = bool | int | str


class Settings:
    """The kept settings of one array: md's own fields, in the array directory.

    Args:
        directory: where they are kept; those it has are put into effect.
        mddev: the array, just made.

    Raises:
        DirectoryError: the directory's make no sense.
    """

    def __init__(self, directory: ArrayDirectory, mddev: Mddev) -> None:
        self._directory = directory
        self._mddev = mddev
        self._defaults = _settings(mddev)
        for name in directory.settings:
            value = kept_setting(directory, name, self._defaults.get(name))
            owner, field = _fields(mddev)[name]
            setattr(owner, field, value)

    def save(self) -> None:
        """Keep what differs from what an array begins with."""
        settings = {
            name: value
            for name, value in _settings(self._mddev).items()
            if value != self._defaults[name]
        }
        if settings != self._directory.settings:
            self._directory.settings = settings
            self._directory.save()


def kept_setting(directory: ArrayDirectory, name: str, default: Setting | None) -> Setting:
    """What a directory keeps for a setting, or else what an array begins with.

    Raises:
        DirectoryError: it is of another kind than the default; where that is None, of any.
    """
    value = directory.settings.get(name, default)
    if default is None or type(value) is not type(default):
        raise DirectoryError(
            f"{directory.path}: damaged: it keeps {value!r} for {name};"
            " assemble the array anew from its images"
        )
    return value


def _settings(mddev: Mddev) -> dict[str, Setting]:
    return {name: getattr(owner, field) for name, (owner, field) in _fields(mddev).items()}


def _fields(mddev: Mddev) -> dict[str, tuple[Any, str]]:
    """Each setting's name, and whose field it is."""
    conf = mddev.personality.conf
    owners = {
        mddev: (
            "bitmap_chunksize",
            "fail_last_dev",
            "max_read_errors",
            "resync_mismatches",
            "size_limit",
            "suspend_hi",
            "suspend_lo",
        ),
        mddev.sync_control: mddev.sync_control.__slots__,
        mddev.safe_mode: ("delay_ms",),
        conf: ("rmw_level", "stripe_cache_size"),
        conf.cache: ("bypass_threshold",),
    }
    return {field: (owner, field) for owner, fields in owners.items() for field in fields}
