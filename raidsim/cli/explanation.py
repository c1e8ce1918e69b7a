"""An explanation of a request, as text and tables on a terminal or in a picture."""

from __future__ import annotations

import io
import sys
from itertools import groupby
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import RenderableType

    from raidsim.explain.explanation import Explanation, Metadata, Step, Stripe, Work

# How many stripes are shown; the others are much the same.
_MOST_STRIPES = 6
_MOST_COLUMNS = 7
_WIDTH = 100
_STYLES = {"read": "blue", "write": "red", "computed": "magenta"}
_WHY_DIRECT = {
    "read": "all members are there: read straight into the request, past the stripe cache",
    "write": "the request covers these sectors in part, so what they hold is read first",
}
_WAYS = {"rmw": "read-modify-write", "rcw": "reconstruct-write"}


def draw(explanation: Explanation) -> None:
    """Show ``explanation`` on standard output."""
    width = None if sys.stdout.isatty() else _WIDTH
    Console(width=width, highlight=False).print(_picture(explanation))


def svg_of(explanation: Explanation) -> str:
    """Return the same picture as SVG."""
    console = Console(record=True, width=_WIDTH, file=io.StringIO(), highlight=False)
    console.print(_picture(explanation))
    title = f"{explanation.operation} {explanation.offset}+{explanation.length}"
    return console.export_svg(title=title, unique_id="raidsim")


def _picture(explanation: Explanation) -> RenderableType:
    parts: list[RenderableType] = [*_heading(explanation), ""]
    stripes = explanation.stripes
    for stripe in stripes[:_MOST_STRIPES]:
        parts += [*_stripe(explanation, stripe), ""]
    if len(stripes) > _MOST_STRIPES:
        parts += [f"... and {len(stripes) - _MOST_STRIPES} more; --json has them all", ""]
    parts.append(_total(explanation))
    if explanation.failure:
        parts.append(Text(explanation.failure, style="bold red"))
    return Group(*parts)


def _heading(explanation: Explanation) -> Iterator[Text]:
    engines = ", ".join(explanation.engines) or "no engine"
    request = (
        f"{explanation.operation} of {_size(explanation.length)} at {_size(explanation.offset)}"
    )
    degraded = f", {explanation.degraded} missing" if explanation.degraded else ""
    yield Text(
        f"{request}: RAID{explanation.level} of {len(explanation.disks)} disks{degraded},"
        f" {explanation.layout}, chunks of {_size(explanation.chunk_bytes)}, {engines}",
        style="bold",
    )
    for metadata in explanation.metadata:
        yield Text(f"before it: {_metadata(metadata)}")


def _metadata(metadata: Metadata) -> str:
    if metadata.kind == "superblocks":
        return (
            f"superblocks of {metadata.disks} disks say that the array is dirty"
            f" (events {metadata.events})"
        )
    return f"{metadata.pages} page(s) of the bitmap, {metadata.disks} writes"


def _stripe(explanation: Explanation, stripe: Stripe) -> Iterator[RenderableType]:
    yield Text(
        f"row {stripe.row}, sectors {stripe.sector}+{stripe.sectors} of the members' data",
        style="bold",
    )
    for slots in _groups(len(stripe.holds)):
        yield _table(explanation, stripe, slots)
    costs = stripe.costs
    if costs is not None and costs.chosen:
        yield Text(f"{_WAYS[costs.chosen]}: {costs.why}")
        for way, cost, reads in (
            ("rmw", costs.rmw, costs.rmw_reads),
            ("rcw", costs.rcw, costs.rcw_reads),
        ):
            refused = way == "rmw" and costs.rmw_refused
            lacking = _blocks(stripe, reads, tell_missing=True) or "nothing"
            yield Text(f"  {_WAYS[way]} costs {'-' if refused else cost}: lacks {lacking}")
    if stripe.purpose == "direct":
        yield Text(_WHY_DIRECT[explanation.operation])
    for number, step in enumerate(stripe.steps, 1):
        yield from _step(stripe, number, step)


def _groups(slots: int) -> Iterator[range]:
    """The slots in tables of about the same width."""
    tables = -(-slots // _MOST_COLUMNS)
    for number in range(tables):
        yield range(number * slots // tables, (number + 1) * slots // tables)


def _table(explanation: Explanation, stripe: Stripe, slots: range) -> Table:
    """A column for each slot: the disk, what it holds, what is asked of it, what it does."""
    table = Table(box=box.SQUARE)
    for slot in slots:
        name = explanation.disks[slot] or "-"
        table.add_column(name, justify="center", min_width=11, overflow="fold")
    table.add_row(*(stripe.holds[slot] for slot in slots))
    table.add_row(*(_asked(stripe, slot) for slot in slots))
    table.add_row(*(_done(stripe, slot) for slot in slots))
    return table


def _asked(stripe: Stripe, slot: int) -> str:
    parts = [
        f"{_size(length)} at {_size(first)}" if first else _size(length)
        for of, first, length in stripe.parts
        if of == slot
    ]
    return ", ".join(parts) or "."


def _done(stripe: Stripe, slot: int) -> Text:
    words = [Text(stripe.lacks[slot], style="dim")] if slot in stripe.lacks else []
    for step in stripe.steps:
        if step.kind == "run":
            if any(name.startswith("compute") and slot in of for name, of in step.chains):
                words.append(Text("computed", style=_STYLES["computed"]))
        elif slot in step.slots:
            words.append(Text(step.kind, style=_STYLES[step.kind]))
    return Text(", ").join(words) if words else Text(".")


def _step(stripe: Stripe, number: int, step: Step) -> Iterator[Text]:
    if step.kind != "run":
        yield Text(f"{number}. {step.kind} {_blocks(stripe, step.slots)}")
        return
    chains = ", ".join(f"{name} ({_blocks(stripe, of)})" for name, of in step.chains)
    yield Text(f"{number}. {chains}")
    for line, alike in groupby(map(_work, step.work)):
        times = len(list(alike))
        yield Text(f"     {line}{f', {times} times' if times > 1 else ''}")


def _work(work: Work) -> str:
    if work.operation == "switch":
        return f"switch from {work.channel} {work.why}"
    operation = f"{work.operation} of {_size(work.length)}"
    if work.channel is None:
        return f"{operation} in software{': ' if work.why else ''}{work.why}"
    if len(work.sources) > 1:
        counts = " + ".join(map(str, work.sources))
        return f"{operation} on {work.channel}: {counts} blocks, each going on from the one before"
    if work.sources[0] > 1:
        return f"{operation} on {work.channel}: {work.sources[0]} blocks"
    return f"{operation} on {work.channel}"


def _total(explanation: Explanation) -> Text:
    counts = [
        f"{count} {operation}{'s' if count != 1 else ''} of {_size(size)} in all"
        for operation, count in sorted(explanation.disk_accesses.items())
        for size in (explanation.disk_bytes[operation],)
    ]
    return Text(f"disks: {', '.join(counts) or 'nothing'}", style="bold")


def _blocks(stripe: Stripe, slots: Iterable[int], *, tell_missing: bool = False) -> str:
    return " ".join(
        stripe.holds[slot]
        + (f" ({stripe.lacks[slot]})" if tell_missing and slot in stripe.lacks else "")
        for slot in sorted(slots, key=lambda slot: _order(stripe, slot))
    )


def _order(stripe: Stripe, slot: int) -> tuple[bool, str]:
    """Data before parity, each by number."""
    label = stripe.holds[slot]
    return not label.startswith("D"), label[1:].zfill(4) if label.startswith("D") else label


def _size(size: int) -> str:
    for shift, unit in ((30, "G"), (20, "M"), (10, "K")):
        if size and not size % (1 << shift):
            return f"{size >> shift}{unit}"
    return str(size)
