"""The arguments of a request, checked by the annotations of what it calls."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from raidsim.tables import TableError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable


def _is_names(value: Any) -> bool:
    return type(value) is list and all(type(item) is str for item in value)


# By annotation: whether a plain value is right, and what is expected.
_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "str": (lambda value: type(value) is str, "a text"),
    "int": (lambda value: type(value) is int, "a whole number"),
    "bool": (lambda value: type(value) is bool, "true or false"),
    "list[str]": (_is_names, "a list of texts"),
    "dict[str, Any]": (lambda value: type(value) is dict, "an object"),
}


def check_arguments(command: str, function: Callable[..., Any], arguments: dict[str, Any]) -> None:
    """Refuse keyword arguments that ``function`` does not take.

    Args:
        command: what the request is called.
        function: its keyword-only parameters are of the kinds that JSON has.
        arguments: plain values.

    Raises:
        TableError: they make no sense; all that is wrong is said at once.
    """
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    mistakes = [
        f"unknown {name}: {suggest(name, parameters) if parameters else 'it takes no arguments'}"
        for name in arguments
        if name not in parameters
    ]
    for name, parameter in parameters.items():
        if name in arguments:
            right, expected = _KINDS[parameter.annotation]
            if not right(arguments[name]):
                mistakes.append(f"{name} = {arguments[name]!r:.80}: expected {expected}")
        elif parameter.default is inspect.Parameter.empty:
            mistakes.append(f"no {name}")
    if mistakes:
        raise TableError(command, mistakes)
