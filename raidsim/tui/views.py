"""The views: each makes lines of the last looks at an array, so many and so wide."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from raidsim.tui import figures
from raidsim.tui.lines import (
    BAD,
    DIM,
    GOOD,
    HEADING,
    WARNING,
    Cell,
    Column,
    blank,
    heading,
    line,
    table,
)
from raidsim.tui.state import members_in_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.text import Text

    from raidsim.array.activity import Activity, Event, MemberCounts
    from raidsim.array.snapshot import MemberSnapshot
    from raidsim.tui.history import History, MemberRates, RequestRates
    from raidsim.tui.state import ScreenState

    View = Callable[[History, ScreenState, int, int], list[Text]]

_STATE_STYLES = {
    "active sync": GOOD,
    "faulty": BAD,
    "spare": "cyan",
    "spare rebuilding": WARNING,
}
_LEVEL_STYLES = {"warning": WARNING, "error": BAD, "critical": BAD}

# The stripe cache's lists, and what their stripes wait for.
_STRIPE_STATES = (
    ("busy", "are read, written or computed"),
    ("handle", "are to be handled next"),
    ("hold", "will read what a write needs"),
    ("delayed", "wait for more of their row to be written"),
    ("bitmap", "wait for bits to be written"),
    ("idle", "hold what was read or written last"),
    ("free", "hold nothing"),
)


def overview(history: History, state: ScreenState, width: int, height: int) -> list[Text]:
    """A little of everything."""
    activity = history.activity
    lines = [*_requests(history, width), blank(width)]
    rest = height - len(lines)
    count = len(activity.array.members)
    # Below them come three lines in brief and an event, each group after an empty line.
    shown = min(count, max(rest - 8, 3))
    lines += _members(history, state, width, shown, counted=width >= 120)
    lines += [blank(width), *_stripes_in_brief(history, width), _engines_in_brief(history, width)]
    return [*lines, *_events_in_brief(activity, width, height - len(lines))]


def members(history: History, state: ScreenState, width: int, height: int) -> list[Text]:
    """All members, with what their disks do."""
    return _members(history, state, width, height - 2, counted=True)


def stripes(history: History, state: ScreenState, width: int, height: int) -> list[Text]:  # noqa: ARG001  a view's form
    """The stripe cache, and how rows are written."""
    counts = history.activity.stripes
    room = max(10, width - 62)
    columns = (
        Column("state", 8),
        Column("stripes", 7, is_number=True),
        Column("", room),
        Column("they", 10),
    )
    rows = []
    for name, meaning in _STRIPE_STATES:
        units = getattr(counts, name)
        rows.append(
            (name, str(units), figures.bar(units / counts.capacity, room), Cell(meaning, DIM))
        )
    note = f"{counts.capacity} of 4 KiB a member"
    lines = [heading("Stripe cache", width, note), *table(columns, rows, width), blank(width)]
    room = max(10, width - 48)
    columns = (
        Column("", 20),
        Column("4K/s", 6, is_number=True),
        Column("so far", 10, is_number=True),
        Column("", room),
    )
    written: list[tuple[str | Cell, ...]] = []
    for title, name in (
        ("read-modify-write", "rmw"),
        ("reconstruct-write", "rcw"),
        ("full rows", "full_row"),
    ):
        values: list[float] = [getattr(rates, name) for rates in history.rates]
        spark = Cell(figures.sparkline(values, room), "magenta")
        now = figures.rate(values[-1] if values else 0)
        written.append((title, now, f"{getattr(counts, name):,}", spark))
    return [*lines, heading("Writes", width), *table(columns, written, width)]


def engines(history: History, state: ScreenState, width: int, height: int) -> list[Text]:  # noqa: ARG001  a view's form
    """What computes: the channels of the offload engines, and the CPU."""
    columns = [
        Column("channel", 12),
        Column("queue", 5, is_number=True),
        Column("op/s", 6, is_number=True),
        Column("MB/s", 7, is_number=True),
        Column("operations", 11, is_number=True),
        Column("async_tx uses it for", 20),
    ]
    if width >= 110:
        columns.append(Column("by operation", 20))
    rates = history.rates[-1].channels if history.rates else {}
    rows = []
    for channel in history.activity.channels:
        operations, length_bytes = rates.get(channel.name, (0.0, 0.0))
        by_operation = " ".join(f"{what} {count:,}" for what, count in channel.by_operation)
        cells: tuple[str | Cell, ...] = (
            channel.name,
            str(channel.queued),
            figures.rate(operations),
            figures.byte_rate(length_bytes),
            f"{channel.operations:,}",
            " ".join(what for what in channel.chosen_for if what != "async_tx") or "-",
            Cell(by_operation, DIM),
        )
        rows.append(cells[: len(columns)])
    lines = [heading("Engines", width), *table(columns, rows, width)]
    return [*lines, blank(width), *_faults(history.activity, width)][:height]


def events(history: History, state: ScreenState, width: int, height: int) -> list[Text]:  # noqa: ARG001  a view's form
    """What was logged, the last at the bottom."""
    activity = history.activity
    lines = [
        line(" ", *_event_parts(activity, event), width=width)
        for event in activity.events[1 - height :]
    ]
    note = "" if lines else "nothing yet"
    return [heading("Events", width, note), *lines]


VIEW_FUNCTIONS: dict[str, View] = {
    "overview": overview,
    "members": members,
    "stripes": stripes,
    "engines": engines,
    "events": events,
}


# -- parts ----------------------------------------------------------------------------------------


def _requests(history: History, width: int) -> list[Text]:
    room = max(8, width - 48)
    columns = (
        Column("requests", 8),
        Column("MB/s", 7, is_number=True),
        Column("req/s", 6, is_number=True),
        Column("median", 7, is_number=True),
        Column("99 %", 7, is_number=True),
        Column("", room),
    )
    rows = []
    for title, name, style in (
        ("read", "reads", "cyan"),
        ("write", "writes", "magenta"),
        ("flush", "flushes", DIM),
    ):
        past: list[RequestRates] = [getattr(rates, name) for rates in history.rates]
        now = past[-1] if past else None
        drawn = [rates.requests if name == "flushes" else rates.length_bytes for rates in past]
        rows.append(
            (
                title,
                figures.byte_rate(0 if now is None else now.length_bytes),
                figures.rate(0 if now is None else now.requests),
                figures.latency(None if now is None else now.median_ns),
                figures.latency(None if now is None else now.slow_ns),
                Cell(figures.sparkline(drawn, room), style),
            )
        )
    return table(columns, rows, width)


def _members(
    history: History, state: ScreenState, width: int, shown: int, *, counted: bool
) -> list[Text]:
    """So many members, around the one that is selected."""
    activity = history.activity
    rates = history.rates[-1] if history.rates else None
    ordered = members_in_order(activity, rates, state.sort)
    selected = state.selected_member(ordered)
    place = ordered.index(selected) if selected is not None else 0
    first = min(max(0, place - shown + 1), max(0, len(ordered) - shown))
    some = ordered[first : first + shown]
    columns = [
        Column("slot", 4, is_number=True),
        Column("member", 12 if width < 100 else 20),
        Column("state", 16),
        Column("read", 6, is_number=True),
        Column("write", 6, is_number=True),
        Column("latency", 7, is_number=True),
    ]
    if counted:
        columns += [
            Column("q", 3, is_number=True),
            Column("bad", 4, is_number=True),
            Column("cured", 5, is_number=True),
        ]
    room = width - 1 - sum(column.width + 2 for column in columns)
    if room >= 8:
        columns.append(Column("", room))
    counts = {member.number: member for member in activity.members}
    rows = []
    for member in some:
        now = None if rates is None else rates.members.get(member.number)
        row = _member_cells(member, now)
        if counted:
            row += _counted_cells(counts[member.number])
        if room >= 8:
            past = (past.members.get(member.number) for past in history.rates)
            moved = [0 if r is None else r.read_bytes + r.written_bytes for r in past]
            row.append(Cell(figures.sparkline(moved, room), "cyan"))
        rows.append(row)
    note = f"by {state.sort}"
    if len(ordered) > len(some):
        note += f", {first + 1} to {first + len(some)} of {len(ordered)}"
    at = some.index(selected) if selected in some else None
    return [heading("Members", width, f"{note}; MB/s"), *table(columns, rows, width, at)]


def _member_cells(member: MemberSnapshot, now: MemberRates | None) -> list[str | Cell]:
    words = member.state
    if member.replacement:
        words = "replacement"
    elif member.want_replacement and member.in_sync:
        words = "to be replaced"
    return [
        "-" if member.raid_disk is None else str(member.raid_disk),
        Path(member.path).name,
        Cell(words, _STATE_STYLES.get(member.state, "")),
        figures.byte_rate(0 if now is None else now.read_bytes),
        figures.byte_rate(0 if now is None else now.written_bytes),
        figures.latency(None if now is None else now.latency_ns),
    ]


def _counted_cells(counts: MemberCounts) -> list[str | Cell]:
    return [
        str(counts.in_flight),
        Cell(str(counts.bad_sectors), BAD if counts.bad_sectors else ""),
        Cell(str(counts.corrected_errors), WARNING if counts.corrected_errors else ""),
    ]


def _stripes_in_brief(history: History, width: int) -> list[Text]:
    counts = history.activity.stripes
    waiting = counts.handle + counts.hold + counts.delayed + counts.bitmap
    filled = figures.bar((counts.capacity - counts.free) / counts.capacity, 16)
    now = history.rates[-1] if history.rates else None
    rmw, rcw, full_row = (
        figures.rate(0 if now is None else getattr(now, name))
        for name in ("rmw", "rcw", "full_row")
    )
    return [
        line(
            Cell(" Stripes  ", HEADING),
            Cell("▕" + filled + "▏", "cyan"),
            f" {counts.busy} busy  {waiting} waiting  {counts.idle} idle  of {counts.capacity}",
            width=width,
        ),
        line(
            Cell(" Writes   ", HEADING),
            f"rmw {rmw}/s  rcw {rcw}/s  full rows {full_row}/s",
            Cell("  of 4 KiB a member", DIM),
            width=width,
        ),
    ]


def _engines_in_brief(history: History, width: int) -> Text:
    rates = history.rates[-1].channels if history.rates else {}
    parts = []
    for channel in history.activity.channels:
        operations, length_bytes = rates.get(channel.name, (0.0, 0.0))
        queue = f" queue {channel.queued}" if channel.queued else ""
        if operations or queue:
            busy = f"{figures.byte_rate(length_bytes)} MB/s{queue}"
            parts.append(f"{channel.name} {busy}")
    return line(Cell(" Engines  ", HEADING), "  ".join(parts) or "idle", width=width)


def _events_in_brief(activity: Activity, width: int, height: int) -> list[Text]:
    if height < 2:
        return []
    title = Cell(" Events   ", HEADING)
    last = activity.events[1 - height :]
    if not last:
        return [blank(width), line(title, Cell("nothing yet", DIM), width=width)]
    first, *others = last
    lines = [line(title, *_event_parts(activity, first), width=width)]
    lines += [line(" " * 10, *_event_parts(activity, event), width=width) for event in others]
    return [blank(width), *lines]


def _event_parts(activity: Activity, event: Event) -> tuple[Cell, Cell]:
    if activity.timed:
        when = f"{event.time_ns / 1e9:.3f} s"
    else:
        ago_seconds = (activity.time_ns - event.time_ns) / 1e9
        when = time.strftime("%H:%M:%S", time.localtime(time.time() - ago_seconds))
    return Cell(f"{when}  ", DIM), Cell(event.text, _LEVEL_STYLES.get(event.level, ""))


def _faults(activity: Activity, width: int) -> list[Text]:
    if not activity.faults:
        return [heading("Faults", width, "none are injected")]
    columns = (
        Column("fault", 5, is_number=True),
        Column("target", 16),
        Column("kind", 18),
        Column("is", 3),
        Column("struck", 7, is_number=True),
        Column("rule", 10),
    )
    rows = [
        (
            str(fault.number),
            fault.target,
            fault.kind,
            Cell("on", WARNING) if fault.enabled else "off",
            f"{fault.fired:,}",
            fault.rule,
        )
        for fault in activity.faults
    ]
    return [heading("Faults", width), *table(columns, rows, width)]
