"""One frame of the live view: what the array is, a view of what it does, and the keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from raidsim.tui import figures
from raidsim.tui.lines import BAD, BAR, DIM, GOOD, HEADING, WARNING, Cell, blank, line, spread
from raidsim.tui.state import VIEWS
from raidsim.tui.views import VIEW_FUNCTIONS

if TYPE_CHECKING:
    from rich.text import Text

    from raidsim.array.snapshot import ArraySnapshot, SyncSnapshot
    from raidsim.tui.history import History
    from raidsim.tui.state import ScreenState

_KEYS = (
    ("1 to 5, Tab", "choose the view"),
    ("p, Space", "stand still, or go on"),
    ("s", "order the members by slot, throughput or latency"),
    ("j, k, arrows", "select a member"),
    ("f", "fail the selected member, after a question"),
    ("a", "add an image as a spare, after a question"),
    ("h, ?", "show or leave this page"),
    ("q", "end"),
)
_LEAST_HEIGHT = 8


def frame(history: History, state: ScreenState, width: int, height: int) -> list[Text]:
    """Return a frame as lines of ``width``, ``height`` of them."""
    array = history.activity.array
    lines = [*_head(history, state, width), blank(width)]
    room = max(height, _LEAST_HEIGHT) - len(lines) - 1
    if state.help:
        body = [line(f"   {keys:<14}{does}", width=width) for keys, does in _KEYS]
    else:
        body = VIEW_FUNCTIONS[state.view](history, state, width, room)
    lines += body[:room]
    lines += [blank(width)] * (room - len(body))
    return [*lines[: height - 1], _foot(array, state, width)]


def _head(history: History, state: ScreenState, width: int) -> list[Text]:
    activity = history.activity
    array = activity.array
    name = Path(array.path).absolute().name
    shape = f"RAID{array.level}, {array.raid_disks} disks, {array.chunk_sectors // 2}K chunk"
    title = f" {name}  {shape}, {figures.size(array.array_sectors << 9)}"
    where = "paused " if state.paused else ""
    if activity.timed:
        where += f"at {activity.time_ns / 1e9:.3f} s "
    tabs = []
    for number, view in enumerate(VIEWS, 1):
        style = "bold underline" if view == state.view and not state.help else DIM
        tabs += [Cell(f" {number} "), Cell(view, style)]
    return [
        spread(title, where, width, BAR),
        line(*tabs, width=width),
        line(
            Cell(" State    ", HEADING),
            Cell(array.state, _state_style(array)),
            f"   {activity.in_flight} requests in flight",
            width=width,
        ),
        _sync_line(array.sync, array.pending, width),
    ]


def _state_style(array: ArraySnapshot) -> str:
    if array.failed:
        return BAD
    return WARNING if array.degraded or not array.started else GOOD


def _sync_line(sync: SyncSnapshot | None, pending: str | None, width: int) -> Text:
    if sync is None:
        words = f"{pending} is pending" if pending else "nothing to sync"
        return line(
            Cell(" Sync     ", HEADING), Cell(words, WARNING if pending else DIM), width=width
        )
    share = sync.done_sectors / max(sync.total_sectors, 1)
    speed, eta = "", ""
    if sync.kib_per_second:
        seconds = (sync.total_sectors - sync.done_sectors) / 2 / sync.kib_per_second
        speed = f"  {figures.byte_rate(sync.kib_per_second * 1024)} MB/s"
        eta = f"  {figures.duration(seconds)} left"
    return line(
        Cell(" Sync     ", HEADING),
        f"{sync.action} ",
        Cell("▕" + figures.bar(share, 24) + "▏", WARNING),
        f" {share * 100:5.1f} %{speed}{eta}",
        width=width,
    )


def _foot(array: ArraySnapshot, state: ScreenState, width: int) -> Text:
    name = Path(array.path).absolute().name
    if state.typed is not None:
        return line(Cell(" Image to add: ", HEADING), f"{state.typed}_", width=width)
    if state.asked is not None:
        kind, disk = state.asked
        verb = f"Fail {disk} of" if kind == "fail" else f"Add {disk} to"
        return line(Cell(f" {verb} {name}? ", BAD), "y yes, any other key no", width=width)
    if state.message:
        return line(Cell(f" {state.message}", WARNING), width=width)
    keys = " 1-5 view  p pause  s sort  j/k select  f fail  a add  h help  q quit"
    return line(Cell(keys, DIM), width=width)
