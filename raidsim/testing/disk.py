"""``check_block_device``: run a disk through everything that md relies on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from raidsim.testing.conformance import ConformanceError, Nonconformity
from raidsim.testing.disk_points import DISK_BENCH_POINTS, DiskBench

if TYPE_CHECKING:
    from collections.abc import Callable

    from raidsim.disk import Disk
    from raidsim.machine import Machine
    from raidsim.testing.disk_points import DiskPoint

DISK_POINTS = {point.name: point.rule for point in DISK_BENCH_POINTS}
"""Every point by name, with the rule that it checks, in the order of checking."""


class DiskReport(NamedTuple):
    """What ``check_block_device`` found in order.

    Attributes:
        checked: The points that hold.
        not_applicable: Those about promises that were not made.
    """

    checked: tuple[str, ...]
    not_applicable: tuple[str, ...]


class DiskConformanceError(ConformanceError):
    """A disk does not conform; ``failures`` are named as in ``DISK_POINTS``."""


def check_block_device(
    factory: Callable[[Machine], Disk],
    *,
    completes_later: bool = False,
    cut_power: Callable[[Disk], Disk] | None = None,
) -> DiskReport:
    """Check that a disk conforms to what md asks of it.

    Each point is looked at with a new disk on machines of its own, one timed and one untimed; a
    point that an earlier one makes hopeless may fail as well, so read the failures from the first.

    Args:
        factory: Makes a disk of at least 1 MiB on the machine it is given. Nothing is asked of
            what it holds.
        completes_later: Whether it promises that ``submit`` returns before ``end_io`` is called.
        cut_power: For a disk that promises that what was flushed, or written with FUA, outlives a
            power cut: cuts it, and returns a disk with what is left.

    Returns:
        Which points hold, and which do not apply.

    Raises:
        DiskConformanceError: Some do not; the error names them.
    """
    checked = []
    not_applicable = []
    failures: dict[str, str] = {}
    for point in DISK_BENCH_POINTS:
        if (point.needs_later and not completes_later) or (
            point.needs_power_cut and cut_power is None
        ):
            not_applicable.append(point.name)
            continue
        found = [_failure_of(point, factory, cut_power, timed=timed) for timed in (False, True)]
        failure = found[0] or found[1]
        if failure is None:
            checked.append(point.name)
        else:
            failures[point.name] = failure
    if failures:
        raise DiskConformanceError(failures, DISK_POINTS)
    return DiskReport(tuple(checked), tuple(not_applicable))


def _failure_of(
    point: DiskPoint,
    factory: Callable[[Machine], Disk],
    cut_power: Callable[[Disk], Disk] | None,
    *,
    timed: bool,
) -> str | None:
    try:
        point.check(DiskBench(factory, cut_power, timed=timed))
    except Nonconformity as found:
        return str(found)
    except Exception as error:  # noqa: BLE001  whatever a disk raises is its failure
        return f"{type(error).__name__}: {error}"
    return None
