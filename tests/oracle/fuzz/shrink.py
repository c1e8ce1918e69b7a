"""Making a plan that shows a difference as short as it gets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from operations import Add, Assemble, Read, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from compare import Difference
    from operations import Operation, Plan

    # Runs plans on both sides.
    Run = Callable[[Sequence[Plan]], list[list[Difference]]]

BATCH = 8
_BLOCK = 4096


def shrink(plan: Plan, differences: Sequence[Difference], run: Run) -> Plan:
    """The simplest plan found that shows the first of these differences, and none of other kinds.

    Candidates are run a batch at a time, so the first of a batch that still shows it is taken.
    """
    kind, kinds = differences[0].kind, {difference.kind for difference in differences}
    found = True
    while found:
        found = False
        candidates = list(simpler(plan))
        for start in range(0, len(candidates), BATCH):
            batch = candidates[start : start + BATCH]
            for candidate, left in zip(batch, run(batch), strict=True):
                shown = {difference.kind for difference in left}
                if kind in shown and shown <= kinds:
                    plan = candidate
                    found = True
                    break
            if found:
                break
    return plan


def simpler(plan: Plan) -> Iterator[Plan]:
    """Plans that are one step simpler, the boldest first."""
    operations = plan.operations
    length = len(operations)
    while length > 0:
        for start in range(0, len(operations), length):
            yield replace(plan, operations=operations[:start] + operations[start + length :])
        length //= 2
    if plan.used_before:
        yield replace(plan, used_before=False)
    for number, operation in enumerate(operations):
        for other in _simpler_operation(operation):
            changed = (*operations[:number], other, *operations[number + 1 :])
            yield replace(plan, operations=changed)


def _simpler_operation(operation: Operation) -> Iterator[Operation]:
    match operation:
        case Write(offset, length, salt):
            if (offset, length) != (0, _BLOCK):
                yield Write(0, _BLOCK, salt)
        case Read(offset, length):
            if (offset, length) != (0, _BLOCK):
                yield Read(0, _BLOCK)
        case Add(disks) if len(disks) > 1:
            for disk in disks:
                yield Add((disk,))
        case Assemble(disks, force):
            if force:
                yield Assemble(disks)
            if list(disks) != sorted(disks):
                yield Assemble(tuple(sorted(disks)), force)
