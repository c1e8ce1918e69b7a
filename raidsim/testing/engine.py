"""``check_engine``: run a DMA engine driver through everything that its users rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from raidsim.testing.conformance import ConformanceError, Nonconformity
from raidsim.testing.engine_bench import EngineBench
from raidsim.testing.engine_descriptors import DESCRIPTOR_POINTS
from raidsim.testing.engine_operations import OPERATION_POINTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.dmaengine import DmaDevice
    from raidsim.machine import Machine
    from raidsim.testing.engine_bench import Point

_REGISTRATION = "registration"
_REGISTRATION_RULE = "dmaengine registers it: every capability has its hook, limits make sense"
_POINTS: tuple[Point, ...] = (*DESCRIPTOR_POINTS, *OPERATION_POINTS)

ENGINE_POINTS = {
    _REGISTRATION: _REGISTRATION_RULE,
    **{point.name: point.rule for point in _POINTS},
}
"""Every point by name, with the rule that it checks, in the order of checking."""


class EngineReport(NamedTuple):
    """What ``check_engine`` found in order.

    Attributes:
        checked: The points that hold.
        not_applicable: Those about operations that the device does not claim.
    """

    checked: tuple[str, ...]
    not_applicable: tuple[str, ...]


class EngineConformanceError(ConformanceError):
    """A driver does not conform; ``failures`` are named as in ``ENGINE_POINTS``."""


def check_engine(factory: Callable[[Machine], DmaDevice]) -> EngineReport:
    """Check that a driver conforms to what dmaengine and async_tx ask of it.

    Each point is looked at on machines of its own, one timed and one untimed; a point that an
    earlier one makes hopeless may fail as well, so read the failures from the first.

    Args:
        factory: Makes the device, not yet registered, on the machine it is given. The first
            channel is the one that is checked.

    Returns:
        Which points hold, and which do not apply.

    Raises:
        EngineConformanceError: Some do not; the error names them.
    """
    checked = [_REGISTRATION]
    not_applicable = []
    failures: dict[str, str] = {}
    for timed in (False, True):
        failure = _failure_of(None, factory, timed=timed)
        if failure is not None:
            raise EngineConformanceError({_REGISTRATION: failure}, ENGINE_POINTS)
    capabilities = EngineBench(factory, timed=False).capabilities
    for point in _POINTS:
        if not point.applies(capabilities):
            not_applicable.append(point.name)
            continue
        found = [_failure_of(point.check, factory, timed=timed) for timed in (False, True)]
        failure = found[0] or found[1]
        if failure is None:
            checked.append(point.name)
        else:
            failures[point.name] = failure
    if failures:
        raise EngineConformanceError(failures, ENGINE_POINTS)
    return EngineReport(tuple(checked), tuple(not_applicable))


def _failure_of(
    check: Callable[[EngineBench], object] | None,
    factory: Callable[[Machine], DmaDevice],
    *,
    timed: bool,
) -> str | None:
    try:
        bench = EngineBench(factory, timed=timed)
        if check is not None:
            check(bench)
    except Nonconformity as found:
        return str(found)
    except Exception as error:  # noqa: BLE001  whatever a driver raises is its failure
        return f"{type(error).__name__}: {error}"
    return None
