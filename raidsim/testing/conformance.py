"""What the conformance kits have in common: points, and errors that name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.errors import RaidsimError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Nonconformity(Exception):  # noqa: N818  what a point found, not an error of the kit
    """What is checked does not do what a point asks for."""


class ConformanceError(RaidsimError):
    """What was checked does not conform.

    Attributes:
        failures: What went wrong, by the name of the point, in the order of checking.
    """

    def __init__(self, failures: dict[str, str], rules: Mapping[str, str]) -> None:
        self.failures = failures
        super().__init__(
            "; ".join(f"{name}: {failure} ({rules[name]})" for name, failure in failures.items())
        )


def require(condition: object, failure: str) -> None:
    """Raise ``Nonconformity`` with the text of ``failure`` unless ``condition`` holds."""
    if not condition:
        raise Nonconformity(failure)
